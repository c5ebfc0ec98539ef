"""What is asked of a report, and whether it can be had: said before anything runs."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from fmlib.config import REPO, home
from fmlib.data import splits
from fmlib.errors import FmlibError, UsageError, known
from fmlib.executors import local_workers
from fmlib.files import absolute, disk_is_full
from fmlib.stage import Stage


def jobs_at_once() -> int:
    """Return how many notebooks run at once unless told: two on several cores, whom one leaves half idle.

    On a GPU it is one, so that no two have to share its memory, and where processes of their own train (`executors`),
    so that there are no more of them than were asked for.
    """
    spread = local_workers() or os.environ.get("FMLIB_SCHEDULER")
    return 2 if torch.get_num_threads() > 1 and not torch.cuda.is_available() and not spread else 1


@dataclass(frozen=True)
class Request:
    """What to report on and where to put it; see the command line's help for the meaning of each."""

    dataset: str = "synthetic"
    profile: str = "quick"
    seed: int = 0
    external: tuple[str, ...] = ()
    out: Path | None = None
    jobs: int = field(default_factory=jobs_at_once)
    only: tuple[str, ...] = ()
    cell_limit: int | None = None

    @property
    def folder(self) -> Path:
        """Where the site goes."""
        return absolute(self.out) if self.out else REPO / "site"

    @property
    def parameters(self) -> dict:
        """The parameters of each notebook."""
        return {
            "dataset": self.dataset,
            "profile": self.profile,
            "seed": self.seed,
            "external": list(self.external),
            "out": str(self.folder / "figures") if self.out else "",
        }


def choose(source: Path, only: Sequence[str]) -> list[Path]:
    """The notebooks in order; with `only`, those whose names begin so (`02`, or `02_classifier`)."""
    paths = sorted(source.glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        raise UsageError(f"there are no notebooks in {source}; run this in a complete checkout")
    for name in only:
        if not any(path.stem.startswith(name) for path in paths):
            known("notebook", name, [path.stem for path in paths])
    return [path for path in paths if not only or path.stem.startswith(tuple(only))]


def validate(request: Request) -> Stage:
    """Load and divide every data set once, so that what is wrong with one is said before any kernel starts."""
    if request.jobs < 1:
        raise UsageError(f"--jobs must be at least 1, not {request.jobs}")
    check_names(request)
    # without a store every notebook would fail in the end
    check_writable(home(), "let FMLIB_HOME name another place", FmlibError)
    stage = Stage("data", **request.parameters)
    for scheme in splits.schemes(stage.data.manifest):
        splits.assign(stage.data.manifest, scheme)  # which refuses a side without a class
    check_writable(request.folder, "let --out name another place", UsageError)
    return stage


def check_names(request: Request) -> None:
    """Raise UsageError for a name that is no valid text: notebooks are text, and so are their parameters."""
    named = [("--dataset", request.dataset), ("--out", str(request.folder))]
    for option, name in named + [("--external", folder) for folder in request.external]:
        try:
            name.encode("utf-8")
        except UnicodeEncodeError as error:
            raise UsageError(f"{option} {name!r} is no valid UTF-8; rename it, or link to it") from error


def check_writable(folder: Path, remedy: str, kind: type[FmlibError]) -> None:
    """Raise an error of this kind if nothing can be written into a folder, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        kind = FmlibError if disk_is_full(error) else kind
        raise kind(f"{folder} cannot be written: {error.strerror}; {remedy}") from error
