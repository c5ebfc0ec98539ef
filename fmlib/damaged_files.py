"""What tells that a stored file is damaged, and what does not: a lack of memory, a failing GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from tokenize import TokenError
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

import torch
from safetensors import SafetensorError

from fmlib.errors import FmlibError

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
