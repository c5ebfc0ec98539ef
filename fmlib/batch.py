"""Run the notebooks of a report, several at a time, and keep what each came to."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import nbformat
import torch
from nbformat import NotebookNode

from fmlib import notebooks
from fmlib.config import pin_places
from fmlib.files import write_text
from fmlib.kernels import kill_kernels
from fmlib.notebooks import Failure
from fmlib.privacy import scrub
from fmlib.progress import tqdm
from fmlib.requested import Request
from fmlib.stage import Stage


def run_all(
    request: Request, stage: Stage, paths: Sequence[Path], say: Callable[[str], None]
) -> list[Failure]:
    """Run notebooks, `request.jobs` at a time; after a misuse no further one is begun."""
    pin_places()
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
