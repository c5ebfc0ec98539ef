"""Where the runs of a study are computed: here, in local processes, or on a Dask cluster.

`FMLIB_SCHEDULER=tcp://host:port` sends them to a Dask scheduler; its workers need this package and, under the same
`FMLIB_HOME`, the same store on a shared folder. `FMLIB_WORKERS=N` takes N processes of this machine. Without either
they are computed in this process, one after the other. Workers compute with one thread per run.
"""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from fmlib.errors import FmlibError, UsageError
from fmlib.orphans import end_with_parent

ATTEMPTS = 3  # at a run whose worker dies
PATIENCE = 20  # seconds until a scheduler and one worker must have answered, or a worker must be there again

UNGUARDED = (
    ", or because the script that asks for runs does so at its top level, which local workers run too: put that "
    'under `if __name__ == "__main__":`'
)


class InProcess(Executor):
    """Calls at once, in this process."""

    def submit(self, function: Callable, /, *args, **settings) -> Future:
        future = Future()
        try:
            future.set_result(function(*args, **settings))
        except Exception as error:
            future.set_exception(error)
        return future


class LocalProcesses(ThreadPoolExecutor):
    """Every thread hands its calls to a process of its own, so that a process that dies fails one call only."""

    def __init__(self, count: int):
        super().__init__(count, thread_name_prefix="fmlib-worker")
        self._own, self._pools = threading.local(), []

    def submit(self, function: Callable, /, *args, **settings) -> Future:
        return super().submit(self._hand_over, function, *args, **settings)

    def _hand_over(self, function: Callable, *args, **settings):
        if getattr(self._own, "pool", None) is None:
            spawn = multiprocessing.get_context("spawn")
            self._own.pool = ProcessPoolExecutor(1, spawn, initializer=_prepare_worker)
            self._pools.append(self._own.pool)
        try:
            return self._own.pool.submit(function, *args, **settings).result()
        except BrokenExecutor:
            self._own.pool = None
            raise

    def __exit__(self, kind, error, trace) -> None:
        self.shutdown(cancel_futures=kind is not None)
        for pool in self._pools:
            pool.shutdown()


def _prepare_worker() -> None:
    """Keep a worker process to one thread and off the terminal, and end it with the process that started it."""
    os.environ.update(OMP_NUM_THREADS="1", TQDM_DISABLE="1")
    end_with_parent()


def local_workers() -> int:
    """Return the number of local processes that `FMLIB_WORKERS` asks for, 0 for none."""
    text = os.environ.get("FMLIB_WORKERS") or "0"
    if not text.isdecimal():
        raise UsageError(f"FMLIB_WORKERS must be a whole number of processes, not {text!r}")
    return int(text)


@dataclass(frozen=True)
class Opened:
    """An executor, its threads per run (None: as they are here), and what raises FmlibError if no worker is left."""

    executor: Executor
    threads: int | None = 1
    attend: Callable[[], None] = lambda: None


@contextmanager
def opened() -> Iterator[Opened]:
    """Open the executor that the environment asks for.

    Raises:
        FmlibError: the scheduler does not answer, or has no worker.
        UsageError: a setting makes no sense.
    """
    address, workers = os.environ.get("FMLIB_SCHEDULER"), local_workers()
    if address:
        with _client(address) as client:
            yield Opened(client.get_executor(pure=False), attend=Attendance(client, address))
    elif workers:
        with LocalProcesses(workers) as pool:
            yield Opened(pool)
    else:
        yield Opened(InProcess(), threads=None)


def _client(address: str):
    """Connect to a Dask scheduler that has a worker."""
    from dask.distributed import Client

    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except TypeError as error:
        # this is how Dask says that it has no certificates for tls://
        raise UsageError(
            f"FMLIB_SCHEDULER={address}: {error}; give Dask its certificates (distributed.comm.tls in its "
            "configuration), or use tcp://"
        ) from error
    except (OSError, TimeoutError, ValueError) as error:
        raise FmlibError(
            f"no Dask scheduler answers at FMLIB_SCHEDULER={address}: start one with `dask scheduler`, "
            "or unset FMLIB_SCHEDULER to compute here"
        ) from error
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        client.close()
        raise FmlibError(
            f"the Dask scheduler at {address} has no worker: start some with "
            f"`dask worker {address} --nworkers N --nthreads 1`"
        ) from error
    return client


class Attendance:
    """Raises FmlibError when it is called and the cluster has had no worker for `PATIENCE` seconds."""

    def __init__(self, client, address: str):
        self.client, self.address, self.seen = client, address, time.monotonic()

    def __call__(self) -> None:
        if self.client.scheduler_info(n_workers=0)["n_workers"]:
            self.seen = time.monotonic()
        elif time.monotonic() - self.seen > PATIENCE:
            raise FmlibError(
                f"the Dask scheduler at {self.address} has had no worker for {PATIENCE} s: start some with "
                f"`dask worker {self.address} --nworkers N --nthreads 1` and ask again; what is finished stays"
            )


def complete(task: Callable, items: Sequence, sizes: Sequence[int], name: Callable[[object], str]) -> list:
    """Return `task(item, threads=...)` of every item, computed by the executor that the environment asks for.

    A progress bar shows how much is done and the time left. An item whose worker dies is tried again; the others go on
    in any case.

    Args:
        task: a function of a module, so that other processes find it.
        sizes: how long each item takes, in images.
        name: describes an item in a message.

    Raises:
        FmlibError: a worker died `ATTEMPTS` times at the same item, or the scheduler or all workers were lost.
    """
    from fmlib.progress import tqdm

    with (
        opened() as place,
        tqdm(total=sum(sizes), desc=f"{len(items)} runs", unit="image", unit_scale=True, leave=False) as bar,
    ):
        submit = partial(_submit, place.executor, partial(task, threads=place.threads), bar)
        waiting = {
            submit(item, size): (row, 1) for row, (item, size) in enumerate(zip(items, sizes, strict=True))
        }
        outcomes = [None] * len(items)
        while waiting:
            for future in wait(waiting, timeout=1, return_when=FIRST_COMPLETED).done:
                row, attempt = waiting.pop(future)
                outcomes[row] = _outcome(future, name(items[row]))
                if isinstance(outcomes[row], BrokenExecutor) and attempt < ATTEMPTS:
                    waiting[submit(items[row], sizes[row])] = row, attempt + 1
            place.attend()
            bar.refresh()
    return [_result(outcome, name(item)) for outcome, item in zip(outcomes, items, strict=True)]


def _submit(executor: Executor, task: Callable, bar, item: object, size: int) -> Future:
    future = executor.submit(task, item)
    future.add_done_callback(lambda done: done.cancelled() or done.exception() or bar.update(size))
    return future


def _outcome(future: Future, name: str) -> object:
    """Return a finished call's result, or its error."""
    try:
        return future.exception() or future.result()
    except CancelledError:
        return FmlibError(f"{name}: the scheduler was lost; ask again, what is finished stays")


def _result(outcome: object, name: str) -> object:
    """Return an outcome that is a result; raise one that is an error, the death of workers by the run's name."""
    local = isinstance(outcome, BrokenExecutor)
    if local or type(outcome).__name__ == "KilledWorker":
        raise FmlibError(
            f"{name}: its worker died again and again, perhaps for lack of memory{UNGUARDED * local}"
        ) from outcome
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
