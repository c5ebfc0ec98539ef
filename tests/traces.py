"""Calls that leave a trace, for tests of executors; nothing heavy is imported, as worker processes import this."""

import os
import signal
import time
from pathlib import Path


def note(folder: Path, item: int, threads: int | None) -> tuple[int, int | None]:
    """Leave a file named after the call; item 2 kills its process at the first, item 3 fails."""
    calls = len(list(folder.glob(f"{item}-*")))
    (folder / f"{item}-{calls}").touch()
    if item == 2 and not calls:
        os.kill(os.getpid(), signal.SIGKILL)
    if item == 3:
        raise ValueError("three")
    return item, threads


def linger(folder: Path, item: int, threads: int | None) -> None:
    """Leave a file and take a minute, for as long as nobody ends the process."""
    (folder / str(item)).touch()
    time.sleep(60)
