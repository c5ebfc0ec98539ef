"""Archives made by others: looked through before anything is written, unpacked as a whole or not at all."""

import gzip
import hashlib
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock

from fmlib.config import home
from fmlib.errors import FmlibError, UsageError

ENTRIES = 200_000
BYTES = 20 * 2**30  # of all files together, unpacked
READ = 32 * 2**20  # bytes that one step of reading an archive's own tables may take
SEPARATOR = re.compile(r"[/\\]")


@dataclass(frozen=True)
class Entry:
    """What an archive says of one of its entries."""

    name: str
    size: int  # bytes, unpacked
    kind: str  # "file", "folder", or what is refused, in words
    source: zipfile.ZipInfo | tarfile.TarInfo


class Bounded:
    """A file that refuses to be read in huge pieces: the readers below hold an archive's tables in memory."""

    def __init__(self, file: IO[bytes]):
        self._file = file

    def __getattr__(self, name: str):
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, everything if negative."""
        if size is not None and size <= READ:
            content = self._file.read(size if size >= 0 else READ + 1)
            if len(content) <= READ:
                return content
        raise UsageError(f"its tables take more than {READ // 2**20} MB")


def is_archive(path: Path) -> bool:
    """Whether a file is a zip archive, a tar archive or a gzipped one, by its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(512)
    return head.startswith((b"PK\3\4", b"PK\5\6", b"\x1f\x8b")) or head[257:262] == b"ustar"


def unpacked(path: Path) -> Path:
    """The folder below FMLIB_HOME that holds the content of an archive, unpacked once per content.

    Raises:
        UsageError: the archive is damaged or holds what is refused; nothing was written.
        FmlibError: the content cannot be written.
    """
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    folder = home() / "data" / f"archive-{content}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                unpack(path, folder)
    except OSError as error:
        raise FmlibError(f"cannot unpack {path} into {folder}: {error.strerror or error}") from error
    return folder


def unpack(path: Path, folder: Path) -> None:
    """Unpack an archive into a new or empty folder.

    Raises:
        UsageError: the archive is damaged or holds what is refused; nothing was written.
        OSError: the content cannot be written; what was written is removed.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with _reported(path), _opened(path) as archive:
            entries = _checked(_entries(archive))
            _room(folder.parent, entries)
            for entry in entries:
                _write(archive, entry, partial)
        partial.mkdir(exist_ok=True)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Turn what is wrong with an archive into one sentence."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"archive {str(path)!r} is refused: {error}") from error
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UsageError(f"archive {str(path)!r} is damaged: {error}; fetch it again") from error
    except (NotImplementedError, UnicodeError, ValueError) as error:
        raise UsageError(f"archive {str(path)!r} cannot be read: {error}; unpack it yourself") from error


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile | tarfile.TarFile]:
    with path.open("rb") as file:
        magic = file.read(2)
        file.seek(0)
        if magic == b"PK":
            with zipfile.ZipFile(Bounded(file)) as archive:
                yield archive
            return
        plain = gzip.GzipFile(fileobj=file) if magic == b"\x1f\x8b" else file
        with tarfile.TarFile(fileobj=Bounded(plain)) as archive:
            yield archive


def _entries(archive: zipfile.ZipFile | tarfile.TarFile) -> Iterator[Entry]:
    """Every entry, lazily: of a tar archive the rest is not even looked at once something is refused."""
    if isinstance(archive, zipfile.ZipFile):
        for info in archive.infolist():
            yield Entry(info.filename, info.file_size, _zip_kind(info), info)
    else:
        for info in archive:
            kind = "folder" if info.isdir() else "file" if info.isreg() else "a link or a device"
            yield Entry(info.name, info.size, kind, info)


def _zip_kind(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & 1:
        return "encrypted"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a link or a device"
    return "folder" if info.is_dir() else "file"


def _checked(entries: Iterator[Entry]) -> list[Entry]:
    """All entries, each of which stays inside of its folder; UsageError otherwise."""
    found: dict[str, Entry] = {}
    total = 0
    for entry in entries:
        total += entry.size
        if total > BYTES:
            raise UsageError(f"it would unpack to more than {BYTES // 2**30} GB")
        if len(found) == ENTRIES:
            raise UsageError(f"it holds more than {ENTRIES:,} entries")
        if entry.kind not in ("file", "folder"):
            raise UsageError(f"{entry.name!r} is {entry.kind}")
        parts = SEPARATOR.split(entry.name)
        if ".." in parts or parts[0] == "" or ":" in parts[0]:
            raise UsageError(f"{entry.name!r} leads out of the folder")
        name = "/".join(part for part in parts if part not in ("", "."))
        if name in found and "file" in (entry.kind, found[name].kind):
            raise UsageError(f"{entry.name!r} is there twice")
        found[name] = entry
    return list(found.values())


def _room(place: Path, entries: list[Entry]) -> None:
    needed, free = sum(entry.size for entry in entries), shutil.disk_usage(place).free
    if needed > free:
        raise FmlibError(f"unpacked it takes {needed / 1e9:.1f} GB; {place} has {free / 1e9:.1f} GB left")


def _write(archive: zipfile.ZipFile | tarfile.TarFile, entry: Entry, folder: Path) -> None:
    target = folder.joinpath(*SEPARATOR.split(entry.name))
    if entry.kind == "folder":
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    reader = archive.open if isinstance(archive, zipfile.ZipFile) else archive.extractfile
    with reader(entry.source) as source, target.open("xb") as file:  # neither reads more than was declared
        shutil.copyfileobj(source, file, 2**20)
