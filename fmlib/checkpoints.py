"""The state of an unfinished training on disk, and what tells that a stored file is damaged."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from tokenize import TokenError
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

import torch
from safetensors import SafetensorError

from fmlib.errors import FmlibError

SHARE = 0.05  # of the time may go into checkpoints
WRITING = 1e9  # bytes per second, assumed until the first checkpoint has been timed
# what reading a truncated, foreign or misshapen file raises
DAMAGE = (
    AttributeError,
    BadZipFile,
    EOFError,
    KeyError,
    OverflowError,
    RuntimeError,
    SafetensorError,
    TokenError,
    TypeError,
    ValueError,
    UnpicklingError,
    ZlibError,
)
# in the messages of torch's RuntimeErrors, also of those that its load_state_dict sums up
NO_MEMORY = ("allocate memory", "out of memory", "not enough memory")


class DamagedError(FmlibError):
    """A stored file is not what was written."""


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Turn what reading a damaged file raises into DamagedError; a lack of memory or a failing GPU is no damage."""
    try:
        yield
    except DAMAGE as error:
        if _of_the_machine(error):
            raise
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise DamagedError(f"{path.name} is damaged: {reason}") from error


def _of_the_machine(error: Exception) -> bool:
    """Whether an error says that memory ran out or that an accelerator failed, whatever was read."""
    if isinstance(error, torch.OutOfMemoryError | torch.AcceleratorError):
        return True
    message = str(error).lower()
    return any(words in message for words in NO_MEMORY)


def compare_checksums(path: Path) -> None:
    """Raise DamagedError if a part of what `torch.save` wrote is not what was written; `torch.load` does not look."""
    with ZipFile(path) as archive:
        part = archive.testzip()
    if part is not None:
        raise DamagedError(f"{path.name} is damaged: {part} is not what was written")


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
