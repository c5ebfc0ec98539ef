"""The report: run the notebooks, gather their results, build the site."""

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Container, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import nbformat
import torch
from nbformat import NotebookNode

from fmlib import notebooks, results, site
from fmlib.config import REPO, home
from fmlib.data import splits
from fmlib.environment import commit, environment
from fmlib.errors import FmlibError, UsageError, known
from fmlib.executors import local_workers
from fmlib.files import absolute, write_text
from fmlib.kernels import kill_kernels
from fmlib.notebooks import Failure
from fmlib.privacy import scrub
from fmlib.progress import tqdm
from fmlib.stage import Stage

SUFFIXES = (".png", ".svg")  # of figures


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


def build(
    request: Request, *, source: Path = REPO / "notebooks", say: Callable[[str], None] = tqdm.write
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
    for path in chosen:
        notebooks.check_parameters(path, request.parameters)
    if (request.folder / "notebooks").resolve() == source.resolve():
        raise UsageError(
            f"a report in {request.folder} would take the place of its own notebooks; choose another --out"
        )
    stage = validate(request)
    for name in ("notebooks", "figures", "reports"):
        (request.folder / name).mkdir(parents=True, exist_ok=True)
    forget_others(request.folder, stage.context)
    failures = run_all(request, stage, chosen, say)
    gather(request, stage, [path.stem for path in choose(source, ())])
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


def validate(request: Request) -> Stage:
    """Load and divide every data set once, so that what is wrong with one is said before any kernel starts."""
    if request.jobs < 1:
        raise UsageError(f"--jobs must be at least 1, not {request.jobs}")
    check_store()
    stage = Stage("data", **request.parameters)
    for scheme in splits.schemes(stage.data.manifest):
        splits.assign(stage.data.manifest, scheme)  # which refuses a side without a class
    return stage


def check_store() -> None:
    """Raise FmlibError if nothing can be kept: every notebook would fail in the end."""
    try:
        home().mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=home()).close()
    except OSError as error:
        raise FmlibError(
            f"the store {home()} cannot be written: {error.strerror}; let FMLIB_HOME name another place"
        ) from error


def forget_others(folder: Path, context: str) -> None:
    """Remove what an earlier report on other images, in another profile or by other code left in this folder."""
    for path in sorted((folder / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        notebook = read(path)
        if _context(notebook) not in (None, context):
            page = folder / "reports" / path.stem
            left = [path, page.with_suffix(".html"), *page.parent.glob(f"{path.stem}-[0-9]*-[0-9]*.*")]
            for name in shown(notebook):
                left += [folder / "figures" / f"{name}{suffix}" for suffix in SUFFIXES]
                left.append(folder / "thumbnails" / f"{name}.webp")
            for file in left:
                file.unlink(missing_ok=True)


def shown(notebook: NotebookNode) -> set[str]:
    """The names of the figures that an executed notebook shows."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    facts = [output.get("metadata", {}).get("image/png", {}) for output in outputs]
    return {name for fact in facts if re.fullmatch(r"[\w-]+", name := fact.get("figure", ""))}


def _context(notebook: NotebookNode) -> str | None:
    """The context of the report that a notebook was executed for; None if for none."""
    return notebook.metadata.get("fmlib", {}).get("context")


def run_all(
    request: Request, stage: Stage, paths: Sequence[Path], say: Callable[[str], None]
) -> list[Failure]:
    """Run notebooks, `request.jobs` at a time; after a misuse no further one is begun."""
    failures: list[Failure] = []
    interrupted = Event()

    def run(path: Path) -> None:
        if any(failure.misuse for failure in failures):
            return
        began = time.monotonic()
        executed, failure = notebooks.execute(
            path, request.parameters, limit=request.cell_limit, on_cell=bar.update
        )
        if interrupted.is_set():
            return
        seconds = round(time.monotonic() - began, 1)
        facts = {"context": stage.context, "seconds": seconds, "failure": str(failure) if failure else None}
        executed.metadata["fmlib"] = facts
        keep(scrub(executed, short_names(request)), request.folder / "notebooks" / path.name)
        say(f"{path.stem}  {'FAILED' if failure else 'done'} after {seconds:.0f} s")
        if failure:
            failures.append(failure)

    cells = sum(cell.cell_type == "code" for path in paths for cell in read(path).cells) + len(paths)
    bar = tqdm(total=cells, unit="cell", desc="notebooks", leave=False, disable=None)  # on a terminal only
    with bar, threads_shared(request.jobs), ThreadPoolExecutor(request.jobs) as pool:
        finish(pool, run, paths, interrupted)
    return sorted(failures, key=lambda failure: failure.notebook)


def finish(
    pool: ThreadPoolExecutor, run: Callable[[Path], None], paths: Sequence[Path], interrupted: Event
) -> None:
    """Run all; on an interruption or an error kill the kernels, so that nothing goes on by itself.

    It looks up now and then: a signal that another thread has received does not wake one that waits for good.
    """
    futures: list[Future] = []
    try:
        futures += [pool.submit(run, path) for path in paths]
        while wait(futures, timeout=0.2, return_when=FIRST_EXCEPTION).not_done:
            raise_first(futures)
        raise_first(futures)
    except BaseException:
        interrupted.set()
        pool.shutdown(wait=False, cancel_futures=True)
        while wait(futures, timeout=0.2).not_done:
            kill_kernels()
        raise


def raise_first(futures: Sequence[Future]) -> None:
    """Raise what one of those that have ended has raised."""
    for future in futures:
        if future.done():
            future.result()


@contextmanager
def threads_shared(jobs: int):
    """Let the kernels share the processors instead of each taking all of them.

    Sums in another order round otherwise, so that what is trained depends on the number of threads a little.
    """
    before = os.environ.get("OMP_NUM_THREADS")
    if before is None:
        os.environ["OMP_NUM_THREADS"] = str(threads_each(jobs))
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)


def threads_each(jobs: int) -> int:
    """How many threads each of so many notebooks gets: what OMP_NUM_THREADS says, or its share of all."""
    shares = 1 if "OMP_NUM_THREADS" in os.environ else jobs
    return max(1, torch.get_num_threads() // shares)


def short_names(request: Request) -> dict[Path, str]:
    """What to call the folders that the request names."""
    folders = [Path(place) for place in (request.dataset, *request.external) if Path(place).is_absolute()]
    return {path: path.name for path in folders} | {request.folder: "."}


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def keep(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook in one step: a reader never sees half of it."""
    write_text(path, nbformat.writes(notebook))


def gather(request: Request, stage: Stage, names: Sequence[str]) -> None:
    """Write results.json and results.csv, bring the figures, and render the pages."""
    folder = request.folder
    paths = {name: folder / "notebooks" / f"{name}.ipynb" for name in names}
    found = {name: read(path) for name, path in paths.items() if path.is_file()}
    executed = {name: notebook for name, notebook in found.items() if _context(notebook)}
    if not request.out:
        bring_figures(stage.out, folder / "figures", set().union(*map(shown, executed.values())))
    summary = summarise(request, stage, executed)
    write_text(folder / "results.json", json.dumps(summary, indent=1, allow_nan=False) + "\n")
    write_text(folder / "results.csv", results.csv(summary["rows"]))
    site.render(folder, summary, executed)


def bring_figures(source: Path, target: Path, names: Container[str]) -> None:
    """Give the site its own copy of the figures of these names, and of no others."""
    for path in figures(target):
        path.unlink()
    for path in figures(source):
        if path.stem in names:
            shutil.copyfile(path, target / path.name)


def figures(folder: Path) -> list[Path]:
    """The figures in a folder, as PNG and as SVG."""
    return [path for path in folder.glob("*") if path.suffix in SUFFIXES]


def summarise(request: Request, stage: Stage, executed: dict[str, NotebookNode]) -> dict:
    """The content of results.json."""
    return {
        "schema": 1,
        "dataset": describe(stage),
        "profile": request.profile,
        "seed": request.seed,
        "commit": commit(),
        "environment": environment() | {"torch_threads": threads_each(request.jobs)},
        "elapsed_s": {name: notebook.metadata.fmlib.seconds for name, notebook in executed.items()},
        "rows": results.collect(stage.context),
    }


def describe(stage: Stage) -> dict:
    """The data set's part of results.json; a folder's place on this machine is nobody's business."""
    data = stage.data
    sheet = {key: value for key, value in data.sheet.items() if value != str(data.root)}
    external = {
        name: {"fingerprint": other.fingerprint, "images": len(other)}
        for name, other in stage.external.items()
    }
    return {
        **sheet,
        "name": data.name,
        "fingerprint": data.fingerprint,
        "images": len(data),
        "external": external,
    }
