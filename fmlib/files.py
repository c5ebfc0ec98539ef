"""Writing files so that no reader ever sees half of one, and saying so when a disk is full."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from fmlib.errors import FmlibError, UsageError

FULL = {errno.ENOSPC, errno.EDQUOT}


def absolute(path: str | os.PathLike) -> Path:
    """Return a path as an absolute one without `~` and links.

    Raises:
        UsageError: the name is empty, there is no such user, or links lead in a circle.
    """
    if not os.fspath(path):
        raise UsageError("an empty name is no place; name a folder or a file")
    try:
        return Path(path).expanduser().resolve()
    except (RuntimeError, OSError, ValueError) as error:
        raise UsageError(f"{os.fspath(path)!r} is no place: {error}") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one step."""
    with replacing(path) as part:
        part.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Name a file beside `path` that nobody else writes; it takes the place of `path` when it is complete."""
    part = path.with_name(f".{uuid4().hex}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def disk_is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, says that there is no space left."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def full_disk_named(folder: Path) -> Iterator[None]:
    """Turn the errors of a full disk into one that names the folder and the remedy."""
    try:
        yield
    except Exception as error:
        if not disk_is_full(error):
            raise
        raise FmlibError(
            f"no space is left for {folder}: free some (fmlib.runs.prune() removes runs) and ask again; "
            "what was finished stays, and an interrupted training goes on"
        ) from error


def reserve(path: Path) -> None:
    """Have the system set aside the space of a sparse file; a memory map ends the process where it is missing."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
