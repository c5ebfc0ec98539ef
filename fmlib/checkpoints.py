"""The state of an unfinished training on disk."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import torch

from fmlib.damaged_files import compare_checksums, damage

SHARE = 0.05  # of the time may go into checkpoints
WRITING = 1e9  # bytes per second, assumed until the first checkpoint has been timed


def size(state: object) -> int:
    """Bytes of all tensors in nested dicts and lists."""
    if isinstance(state, torch.Tensor):
        return state.nbytes
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else ()
    return sum(size(part) for part in parts)


class Checkpoint:
    """One file that holds a state; it is written as often as that takes no more than `SHARE` of the time."""

    def __init__(self, path: Path):
        self.path, self.began, self.cost = path, time.perf_counter(), None

    def offer(self, make: Callable[[], dict]) -> None:
        """Write the state that `make` returns if enough time has passed since the last one."""
        spent = time.perf_counter() - self.began
        if self.cost is not None and self.cost > SHARE * spent:
            return
        state = make()
        if self.cost is None:
            self.cost = size(state) / WRITING
        if self.cost <= SHARE * spent:
            self.write(state)

    def write(self, state: dict) -> None:
        """Replace the file in one step."""
        start, part = time.perf_counter(), self.path.with_suffix(".partial")
        try:
            with part.open("wb") as file:
                torch.save(state, file)
            os.replace(part, self.path)
        finally:
            part.unlink(missing_ok=True)
        self.began = time.perf_counter()
        self.cost = self.began - start

    def read(self, device: torch.device) -> dict | None:
        """Return the stored state, None if there is none.

        Raises:
            DamagedError: the file is damaged, or holds anything but tensors and plain values.
        """
        if not self.path.exists():
            return None
        with damage(self.path):
            compare_checksums(self.path)
            # weights_only: a pickle that would run code is refused
            return torch.load(self.path, map_location=device, weights_only=True)
