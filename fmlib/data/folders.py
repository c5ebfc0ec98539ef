"""Finding the labelled pictures of a folder: `{Train,Validation,Test}/{WithMask,WithoutMask}/` and kin."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fmlib.data import pictures
from fmlib.errors import UsageError
from fmlib.files import absolute

CLASS_NAMES = {"withoutmask": 0, "withmask": 1}
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
CLUTTER = {"thumbs.db", "desktop.ini"}  # what file managers leave behind
FOLLOW = "FMLIB_FOLLOW_LINKS"  # environment variable
LINK = f"a link that leads out of the folder; it is followed with {FOLLOW}=1"
STRANGER = "pictures in it are not read: class folders are called WithMask and WithoutMask"
OTHER = (
    "class folders in it, beside those that are read, are not: name it by itself, call it Train, Validation or Test, "
    "or put both into one"
)
UNREAD = frozenset((".heic", ".heif", ".jxl", ".svg"))  # what else the names of pictures end in
LAYOUT = "{Train,Validation,Test}/{WithMask,WithoutMask}/ or {WithMask,WithoutMask}/"


@dataclass(frozen=True)
class Found:
    """One file of a class folder, before anyone looked inside."""

    path: str  # relative to the data set's root, posix
    label: int
    split: str  # "" where none is published
    size: int = 0  # bytes
    mtime_ns: int = 0


@dataclass
class Listing:
    """All files of a data set's class folders, and the entries that could not be listed."""

    root: Path
    files: list[Found] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)  # path, reason


def key(name: str) -> str:
    """A folder name without case, spaces, `_` and `-`."""
    return "".join(letter for letter in name.casefold() if letter not in " _-")


def find(folder: Path) -> Listing:
    """List the pictures of a folder in one of the known layouts, one wrapping folder looked through.

    Links that lead out of the folder are listed as problems, not followed, unless FMLIB_FOLLOW_LINKS is 1.

    Raises:
        UsageError: the folder is missing, is no folder, or is laid out in no known way.
    """
    folder = _existing(folder)
    candidates = [folder] if any(_class_folders(folder)) else _children(folder)
    roots = [root for root in candidates if any(_class_folders(root))]
    if not roots:
        raise UsageError(f"no class folders in {str(folder)!r}: expected {LAYOUT}")
    listing = _list(roots[0], list(_class_folders(roots[0])), folder)
    listing.problems += [(other.name, OTHER) for other in roots[1:]]
    return listing


def _existing(folder: Path) -> Path:
    folder = absolute(folder)
    if not folder.exists():
        raise UsageError(f"folder {str(folder)!r} does not exist")
    if not folder.is_dir():
        raise UsageError(
            f"{str(folder)!r} is a file; a data set is a folder laid out as {LAYOUT}, or a zip, tar or tar.gz of one"
        )
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UsageError(f"folder {str(folder)!r} may not be read; check its permissions")
    return folder


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(
            child for child in folder.iterdir() if os.path.isdir(child) and not child.name.startswith(".")
        )
    except OSError:
        return []


def _class_folders(root: Path) -> Iterator[tuple[Path, int, str]]:
    """Folder, label and published split of each class folder below `root` or below its split folders."""
    for child in _children(root):
        if key(child.name) in CLASS_NAMES:
            yield child, CLASS_NAMES[key(child.name)], ""
        elif key(child.name) in SPLIT_NAMES:
            for inner in _children(child):
                if key(inner.name) in CLASS_NAMES:
                    yield inner, CLASS_NAMES[key(inner.name)], SPLIT_NAMES[key(child.name)]


def _list(root: Path, places: list[tuple[Path, int, str]], within: Path) -> Listing:
    listing = Listing(root)
    parents = {folder.parent for folder, _, _ in places}
    parents |= {child for child in _children(root) if key(child.name) in SPLIT_NAMES}
    for parent in sorted(parents):
        listing.problems += [(relative(folder, root), STRANGER) for folder in _strangers(parent, within)]
    listing.problems += [(relative(folder, root), OTHER) for folder in _unnamed(root, within)]
    for folder, label, split in places:
        for path in walk(folder, listing.problems, root, within):
            _add(listing, path, label, split)
    listing.files.sort(key=lambda file: file.path)
    return listing


def _strangers(parent: Path, within: Path) -> Iterator[Path]:
    """Folders of pictures beside class folders whose names tell no class."""
    unknown = (folder for folder in _unknown(parent, within) if not any(_class_folders(folder)))
    return (folder for folder in unknown if _holds_pictures(folder))


def _unnamed(root: Path, within: Path) -> Iterator[Path]:
    """Folders of class folders whose own names tell no split."""
    return (folder for folder in _unknown(root, within) if any(_class_folders(folder)))


def _unknown(parent: Path, within: Path) -> list[Path]:
    """Folders whose names tell neither a class nor a split."""
    named = CLASS_NAMES | SPLIT_NAMES
    return [
        child for child in _children(parent) if key(child.name) not in named and not outside(child, within)
    ]


def _holds_pictures(folder: Path) -> bool:
    """Whether the name of any visible file below `folder` is that of a picture."""
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        kinds = pictures.suffixes() | UNREAD
        if any(_visible(name) and Path(name).suffix.lower() in kinds for name in files):
            return True
    return False


def outside(path: str | Path, within: Path) -> bool:
    """Whether `path` really lies outside of the folder `within` and may for that reason not be read."""
    return os.environ.get(FOLLOW) != "1" and not Path(os.path.realpath(path)).is_relative_to(within)


def walk(
    folder: Path,
    problems: list[tuple[str, str]],
    root: Path,
    within: Path,
    skipped: Callable[[str], bool] = lambda path: False,
) -> Iterator[str]:
    """Every visible file below `folder`; linked folders are followed, but none is entered twice.

    Args:
        problems: gets a path, relative to `root`, and a reason for all that is not to be read.
        within: the folder that links must not lead out of.
        skipped: which folders are passed over.
    """

    def report(error: OSError) -> None:
        problems.append((relative(error.filename, root), f"folder cannot be read: {error.strerror}"))

    def allowed(path: str) -> bool:
        reason = _refusal(path, within)
        if reason:
            problems.append((relative(path, root), reason))
        return not reason

    if outside(folder, within):
        problems.append((relative(folder, root), LINK))
        return
    seen = set()
    for place, folders, files in os.walk(folder, onerror=report, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        visible = sorted(name for name in folders if not name.startswith("."))
        below = ((name, os.path.join(place, name)) for name in visible)
        folders[:] = [name for name, path in below if not skipped(path) and allowed(path)]
        yield from filter(allowed, (os.path.join(place, name) for name in sorted(files) if _visible(name)))


def _refusal(path: str, within: Path) -> str:
    """Why a file or folder is not to be opened, or nothing."""
    if not os.path.islink(path):
        return ""
    try:
        return LINK if outside(path, within) else ""
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _visible(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in CLUTTER


def _add(listing: Listing, path: str, label: int, split: str) -> None:
    name = relative(path, listing.root)
    try:
        status = os.stat(path)
    except OSError as error:
        listing.problems.append((name, f"cannot be read: {error.strerror}"))
        return
    if not stat.S_ISREG(status.st_mode):
        listing.problems.append((name, "not a regular file"))
        return
    listing.files.append(Found(name, label, split, status.st_size, status.st_mtime_ns))


def relative(path: str | Path, root: Path) -> str:
    """`path`, which lies below `root`, from there on, with forward slashes."""
    return str(path)[len(os.path.join(root, "")) :].replace(os.sep, "/")
