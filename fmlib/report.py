"""The report: run the notebooks, gather their results, build the site."""

import csv
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from fmlib import config, notebooks, site
from fmlib.config import REPO
from fmlib.environment import commit, environment
from fmlib.errors import UsageError, known
from fmlib.files import write_text
from fmlib.notebooks import Failure
from fmlib.privacy import scrub

COLUMNS = (
    "stage model optimizer activation augmentation train_size split view metric value low high n seed run"
).split()


@dataclass(frozen=True)
class Request:
    """What to report on and where to put it; see the command line's help for the meaning of each."""

    dataset: str = "synthetic"
    profile: str = "quick"
    seed: int = 0
    external: tuple[str, ...] = ()
    out: Path | None = None
    jobs: int = 1
    only: tuple[str, ...] = ()
    cell_limit: int | None = None

    @property
    def folder(self) -> Path:
        """Where the site goes."""
        return Path(self.out).resolve() if self.out else REPO / "site"

    @property
    def context(self) -> dict:
        """What the results depend on; executed notebooks of another context are not shown beside these."""
        return {
            "dataset": self.dataset,
            "profile": self.profile,
            "seed": self.seed,
            "external": list(self.external),
        }

    @property
    def parameters(self) -> dict:
        """The parameters of each notebook."""
        return self.context | {"out": str(self.folder / "figures") if self.out else ""}


def build(
    request: Request, *, source: Path = REPO / "notebooks", say: Callable[[str], None] = print
) -> list[Failure]:
    """Run the notebooks of a report and build its site.

    Args:
        source: the folder of the notebooks.
        say: receives a line for each notebook that ends.

    Returns:
        The failures; empty if every notebook ran.

    Raises:
        UsageError: the request is wrong; nothing has been run.
    """
    chosen = choose(source, request.only)
    data = validate(request)
    for path in chosen:
        notebooks.check_parameters(path, request.parameters)
    for name in ("notebooks", "figures", "reports"):
        (request.folder / name).mkdir(parents=True, exist_ok=True)
    forget_others(request)
    failures = run_all(request, chosen, say)
    gather(request, data, [path.stem for path in choose(source, ())])
    return failures


def choose(source: Path, only: Sequence[str]) -> list[Path]:
    """The notebooks in order; with `only`, those whose names begin so (`02`, or `02_classifier`)."""
    paths = sorted(source.glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        raise UsageError(f"there are no notebooks in {source}; run this in a complete checkout")
    for name in only:
        if not any(path.stem.startswith(name) for path in paths):
            known("notebook", name, [path.stem for path in paths])
    return [path for path in paths if not only or path.stem.startswith(tuple(only))]


def validate(request: Request):
    """Load every data set once, so that what is wrong with one is said before any kernel starts."""
    from fmlib.data import sources

    known("profile", request.profile, config.PROFILES)
    if request.jobs < 1:
        raise UsageError(f"--jobs must be at least 1, not {request.jobs}")
    for folder in request.external:
        sources.external(folder)
    return None if request.dataset == "synthetic" else sources.load(request.dataset)


def forget_others(request: Request) -> None:
    """Remove what an earlier report on something else left in this folder."""
    for path in sorted((request.folder / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        if read(path).metadata.get("fmlib", {}).get("context") != _shown(request):
            path.unlink()
            (request.folder / "reports" / f"{path.stem}.html").unlink(missing_ok=True)


def run_all(request: Request, paths: Sequence[Path], say: Callable[[str], None]) -> list[Failure]:
    """Run notebooks, `request.jobs` at a time; after a misuse no further one is begun."""
    failures: list[Failure] = []

    def run(path: Path) -> None:
        if any(failure.misuse for failure in failures):
            return
        failure = run_one(request, path, say)
        if failure:
            failures.append(failure)

    with threads_shared(request.jobs), ThreadPoolExecutor(request.jobs) as pool:
        futures = [pool.submit(run, path) for path in paths]
        finish(pool, futures)
    return sorted(failures, key=lambda failure: failure.notebook)


def finish(pool: ThreadPoolExecutor, futures: Sequence[Future]) -> None:
    """Wait for all; on an interruption or an error kill the kernels, so that nothing goes on by itself."""
    try:
        for future in futures:
            future.result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        while wait(futures, timeout=0.2).not_done:
            notebooks.kill_kernels()
        raise


@contextmanager
def threads_shared(jobs: int):
    """Let the kernels share the processors instead of each taking all of them."""
    before = os.environ.get("OMP_NUM_THREADS")
    if jobs > 1 and before is None:
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // jobs))
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)


def run_one(request: Request, path: Path, say: Callable[[str], None]) -> Failure | None:
    """Run one notebook and keep it, executed, without a trace of the machine."""
    began = time.monotonic()
    executed, failure = notebooks.execute(path, request.parameters, limit=request.cell_limit)
    seconds = round(time.monotonic() - began, 1)
    executed.metadata["fmlib"] = {
        "context": _shown(request),
        "seconds": seconds,
        "failure": str(failure) if failure else None,
    }
    keep(scrub(executed, _names(request)), request.folder / "notebooks" / path.name)
    say(f"{path.stem}  {'FAILED' if failure else 'done'} after {seconds:.0f} s")
    return failure


def _names(request: Request) -> dict[Path, str]:
    """Short names for the folders that the request names."""
    folders = [Path(place) for place in (request.dataset, *request.external) if Path(place).is_absolute()]
    return {path: path.name for path in folders} | {request.folder: "."}


def _shown(request: Request) -> dict:
    """The request's context as executed notebooks record it: folders by a digest of their place."""
    import hashlib

    return {"key": hashlib.sha256(json.dumps(request.context, sort_keys=True).encode()).hexdigest()[:16]}


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def keep(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook in one step: a reader never sees half of it."""
    write_text(path, nbformat.writes(notebook))


def gather(request: Request, data, names: Sequence[str]) -> None:
    """Write results.json and results.csv, bring the figures, and render the pages."""
    folder = request.folder
    if not request.out:
        bring_figures(request, folder / "figures")
    executed = {
        name: read(path) for name in names if (path := folder / "notebooks" / f"{name}.ipynb").is_file()
    }
    results = summarise(request, data, executed)
    write_text(folder / "results.json", json.dumps(results, indent=1, allow_nan=False) + "\n")
    write_rows(folder / "results.csv", results["rows"])
    site.render(folder, results, executed)


def bring_figures(request: Request, target: Path) -> None:
    """Give the site its own copy of the figures."""
    for path in (REPO / "figures" / Path(request.dataset).name).glob("*.*"):
        shutil.copyfile(path, target / path.name)


def summarise(request: Request, data, executed: dict[str, NotebookNode]) -> dict:
    """The content of results.json."""
    return {
        "schema": 1,
        "dataset": describe(request, data),
        "profile": request.profile,
        "seed": request.seed,
        "commit": commit(),
        "environment": environment(),
        "elapsed_s": {name: notebook.metadata.fmlib.seconds for name, notebook in executed.items()},
        "rows": [],
    }


def describe(request: Request, data) -> dict:
    """The data set's part of results.json."""
    if data is None:
        return {"name": request.dataset}
    sheet = {key: value for key, value in data.sheet.items() if key != "source" or value != str(data.root)}
    return {"name": data.name, "fingerprint": data.fingerprint, "images": len(data), **sheet}


def write_rows(path: Path, rows: Sequence[dict]) -> None:
    """The rows as a table; what does not apply is empty."""
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
