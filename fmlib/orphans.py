"""Processes that end with the one that started them, however that ends."""

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """Let this worker process exit as soon as its parent has ended, be it by SIGKILL."""
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
