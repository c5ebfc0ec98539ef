"""Where images come from: rendered faces, FaceMask 12K, or any folder, all behind `load`."""

import hashlib
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock
from PIL import Image

from fmlib import text
from fmlib.config import CLASSES, REPO, home
from fmlib.data import archives, folders, groups, manifest, pictures, relatives, splits
from fmlib.errors import FmlibError, UsageError
from fmlib.files import absolute
from fmlib.fingerprints import code_version

DATA = Path(__file__).parent
ATTRIBUTES = "attributes.csv"  # what a source knows of its images
NAMED = ("synthetic", "face-mask-12k")
SYNTHETIC_IMAGES = 2000
VARIABLE = "FMLIB_FACE_MASK_12K"
HANDLE = "ashishjangra27/face-mask-12k-images-dataset"
PAGE = f"https://www.kaggle.com/datasets/{HANDLE}"
SHEETS = {
    "synthetic": {
        "source": "rendered by fmlib.data.synthetic, no photograph involved",
        "licence": "MIT, as the code",
        "known faults": "planted on purpose: about one image in eight is an altered copy of another",
    },
    "face-mask-12k": {
        "source": PAGE,
        "licence": "CC0 according to its publisher; the people shown were not asked",
        "known faults": "augmented copies of one face in train, validation and test; size tells the class",
    },
}


@dataclass(frozen=True, eq=False)
class Dataset:
    """The images of one source and what is known of each (a row of `manifest` per image, sorted by path).

    It equals itself alone, so that a cache can hold what is found out about it.
    """

    name: str
    root: Path
    manifest: pd.DataFrame
    unreadable: pd.DataFrame  # path, reason
    fingerprint: str
    sheet: dict = field(default_factory=dict)
    attributes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.manifest)

    def open(self, row: int) -> Image.Image:
        """The image of a row, as 8-bit RGB with its EXIF rotation applied."""
        path = self.manifest["path"].iloc[row]
        try:
            return pictures.open_rgb(self.root / path)
        except pictures.UnreadableError as error:
            raise FmlibError(f"{self.root / path} was readable before and no longer is: {error}") from error


def load(dataset: str, *, images: int | None = None, seed: int = 0, progress: bool = True) -> Dataset:
    """Load a set to train on: "synthetic", "face-mask-12k", a folder or an archive of one.

    Args:
        dataset: name, folder, or zip or tar archive (unpacked below FMLIB_HOME).
        images: how many images: rendered ones of the synthetic set, a sample of whole groups of any other.
        seed: of the rendering, or of the sample.
    Raises:
        UsageError: unknown name, missing or empty folder, one class only, a class with too few origins.
        FmlibError: the set could not be downloaded or written.
    """
    if images is not None and images < 1:
        raise UsageError(f"images must be at least 1, not {images}")
    if dataset == "synthetic":
        count = images or SYNTHETIC_IMAGES
        return _checked(
            _read("synthetic", _synthetic(count, seed, progress), progress, sheet=SHEETS[dataset])
        )
    with _archive_named(dataset):
        name, folder = _place(dataset)
        return _checked(_sampled(_read(name, folder, progress, sheet=SHEETS.get(dataset)), images, seed))


def external(path: str | Path, progress: bool = True) -> Dataset:
    """Load a folder that is only scored, never trained on; it may hold a single class."""
    return read(Path(path), copies=False, progress=progress)


def read(folder: Path, *, copies: bool = True, progress: bool = True) -> Dataset:
    """Read a folder as it is, fit for training or not; `copies` says whether to look for altered copies."""
    with _archive_named(folder):
        return _read(*_opened(folder), progress, copies)


@contextmanager
def _archive_named(place: str | Path) -> Iterator[None]:
    """Name the archive in what is wrong with its content, which lies in a folder that nobody has seen."""
    try:
        yield
    except UsageError as error:
        if (
            str(place) not in ("", *NAMED)
            and archives.is_archive(absolute(place))
            and str(place) not in str(error)
        ):
            raise UsageError(f"{place}: {error}") from error
        raise


def _place(dataset: str) -> tuple[str, Path]:
    if dataset == "face-mask-12k":
        return dataset, _face_mask_12k()
    if not dataset or (os.sep not in dataset and not absolute(dataset).exists()):
        raise UsageError(f"unknown data set {dataset!r}: neither a folder nor one of {', '.join(NAMED)}")
    name, root = _opened(absolute(dataset))
    return f"{name}-folder" if name in NAMED else name, root


def _opened(place: Path) -> tuple[str, Path]:
    """Name (fit to be shown anywhere) and folder of what a user names; an archive is unpacked first."""
    place = absolute(place)
    if archives.is_archive(place):
        return text.name(place.name.split(".")[0] or place.name), archives.unpacked(place)
    return text.name(place.name), place


def _read(name: str, folder: Path, progress: bool, copies: bool = True, sheet: dict | None = None) -> Dataset:
    listing = folders.find(folder)
    table, unreadable = manifest.read(listing, progress)
    if table.empty:
        raise UsageError(f"no readable image in {str(folder)!r}{_listed(unreadable)}")
    table, attributes, reason = _with_attributes(table, listing.root)
    if reason:
        unreadable = pd.concat(
            [unreadable, pd.DataFrame({"path": [ATTRIBUTES], "reason": [reason]})], ignore_index=True
        )
    table["key"] = groups.keys(table)
    pairs = groups.twins(table)
    if copies and "origin" not in table:  # a source that tells the origin of each image needs no search
        pairs = np.concatenate([pairs, relatives.find(listing.root, table, progress)])
    table["group"] = groups.join(table["key"], pairs)
    sheet = {"name": name} | (sheet or {"source": str(listing.root), "licence": "not stated"})
    return Dataset(name, listing.root, table, unreadable, _fingerprint(table), sheet, attributes)


def _listed(unreadable: pd.DataFrame) -> str:
    """The first unreadable files and folders, as the end of a sentence."""
    return "".join(f"; {row.path}: {row.reason}" for row in unreadable.head(3).itertuples())


def _with_attributes(table: pd.DataFrame, root: Path) -> tuple[pd.DataFrame, list[str], str]:
    """Join `attributes.csv` (path, ...) where the source wrote one; the names joined, or why there are none."""
    path = root / ATTRIBUTES
    if not os.path.isfile(path) or folders.outside(path, root):
        return table, [], ""
    try:
        known = pd.read_csv(path, keep_default_na=False, dtype={"path": str, "origin": str})
    except (OSError, ValueError) as error:
        return table, [], f"not used: {error}"
    names = [name for name in known.columns if name not in table.columns]
    if "path" not in known.columns or not names:
        return table, [], "not used: it has no column path, or none beside it"
    known = known[["path", *names]].drop_duplicates("path")
    if "origin" in names:
        known = known[known["origin"] != ""]
    if not table["path"].isin(known["path"]).all():
        return table, [], "not used: it does not tell of every image here, or not every origin"
    return table.merge(known, on="path", how="left"), names, ""


def _fingerprint(table: pd.DataFrame) -> str:
    columns = table[["path", "sha256", "label", "group"]].astype(str)
    lines = "\n".join("\t".join(row) for row in columns.itertuples(index=False))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _sampled(dataset: Dataset, images: int | None, seed: int) -> Dataset:
    if images is None or images >= len(dataset):
        return dataset
    rows = splits.subset(dataset.manifest, np.arange(len(dataset)), images, seed)
    table = dataset.manifest.loc[rows].reset_index(drop=True)
    return Dataset(**{**vars(dataset), "manifest": table, "fingerprint": _fingerprint(table)})


def _checked(dataset: Dataset) -> Dataset:
    """Refuse a set that cannot be divided into train, validation and test."""
    table = dataset.manifest
    for label, name in enumerate(CLASSES):
        origins = table.loc[table["label"] == label, "group"].nunique()
        if not origins:
            unread = dataset.unreadable[dataset.unreadable["reason"] == folders.STRANGER]
            raise UsageError(
                f"{str(dataset.root)!r} holds no image {name}; both classes are needed to train{_listed(unread)}"
            )
        if origins < 3:
            raise UsageError(
                f"{str(dataset.root)!r} holds images {name} of only {origins} origins; "
                "train, validation and test need at least 3"
            )
    return dataset


def _synthetic(images: int, seed: int, progress: bool) -> Path:
    """Folder of the rendered set, written once per number of images, seed and version of the renderer."""
    from fmlib.data import synthetic

    version = code_version(tuple(f"data/{path.relative_to(DATA).as_posix()}" for path in _renderer()))[:8]
    folder = home() / "data" / f"synthetic-{seed}-{images}-{version}"
    if not folder.exists() and getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UsageError(  # the process that renders would wait for itself
            "faces are rendered in processes of their own, which run this script's top level as well: put what it "
            'does under `if __name__ == "__main__":`'
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                for left in folder.parent.glob(f".{folder.name}.*"):  # by one that was killed
                    shutil.rmtree(left, ignore_errors=True)
                synthetic.write(folder, images, seed, progress=progress)
    except OSError as error:
        raise FmlibError(
            f"cannot write the synthetic images to {folder}: {error.strerror or error}"
        ) from error
    return folder


def _renderer() -> list[Path]:
    return [DATA / "synthetic.py", *sorted((DATA / "rendering").rglob("*.py"))]


def _face_mask_12k() -> Path:
    """An existing copy of FaceMask 12K, or one freshly downloaded from Kaggle into `data/`."""
    given = os.environ.get(VARIABLE)
    if given:
        if not absolute(given).is_dir():
            raise UsageError(f"{VARIABLE} names {given!r}, which is no folder")
        return absolute(given)
    folder = REPO / "data" / "face-mask-12k"
    return folder if folder.is_dir() else _download(folder)


def _download(folder: Path) -> Path:
    partial = folder.with_suffix(".partial")
    try:
        import kagglehub

        with FileLock(folder.with_suffix(".lock")), _unpacking_checked():
            if not folder.is_dir():
                shutil.rmtree(partial, ignore_errors=True)  # kagglehub refuses to go on with a part
                kagglehub.dataset_download(HANDLE, output_dir=str(partial))
                os.replace(partial, folder)
    except Exception as error:  # network, credentials, HTTP status, disk: the remedy is the same
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise FmlibError(
            f"could not download face-mask-12k from Kaggle ({reason}); check the network, or fetch it "
            f"yourself from {PAGE}, unpack it and let {VARIABLE} name the folder"
        ) from error
    return folder


@contextmanager
def _unpacking_checked() -> Iterator[None]:
    """Let kagglehub unpack with `archives.unpack`: its own way sets no limit to what an archive becomes."""
    from kagglehub import http_resolver

    theirs = http_resolver._extract_archive
    http_resolver._extract_archive = _unpack_beside
    try:
        yield
    finally:
        http_resolver._extract_archive = theirs


def _unpack_beside(archive: str, folder: str) -> None:
    """Unpack an archive into the very folder that it lies in."""
    inner = Path(folder) / ".unpacked"
    archives.unpack(Path(archive), inner)
    for child in inner.iterdir():
        os.replace(child, Path(folder) / child.name)
    inner.rmdir()
