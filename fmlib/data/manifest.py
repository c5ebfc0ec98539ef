"""The manifest: one row per picture, read once and remembered per file."""

import hashlib
import io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from PIL import Image

from fmlib.data import folders, hashing, memory, pictures
from fmlib.data.folders import Found, Listing
from fmlib.fingerprints import code_version
from fmlib.progress import tqdm

CODE = ("data/manifest.py", "data/pictures.py", "data/hashing.py")
STORED = {
    "path": str,
    "size": "int64",
    "mtime_ns": "int64",
    "reason": str,  # why it is unreadable; "" where it is readable
    "width": "int64",
    "height": "int64",
    "sha256": str,
    "phash": "uint64",
    "contrast": float,  # standard deviation of the grey thumbnail, 0..128
}
UNREAD = {"width": 0, "height": 0, "sha256": "", "phash": 0, "contrast": 0.0}


def read(listing: Listing, progress: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Look into every listed file, reusing what is remembered of unchanged ones that could be read.

    Returns:
        The readable pictures (path, label, split, width, height, bytes, sha256, phash, contrast), sorted by
        path, and the unreadable entries (path, reason).
    """
    store = _store(listing.root)
    remembered = memory.recall(store, STORED)
    if remembered is None:
        remembered = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in STORED.items()})
    sound = remembered[remembered.reason == ""]  # what could not be read may be readable by now
    known = {(row.path, row.size, row.mtime_ns): row for row in sound.itertuples(index=False)}
    fresh = [file for file in listing.files if (file.path, file.size, file.mtime_ns) not in known]
    rows = pd.DataFrame(
        [known[key] for file in listing.files if (key := (file.path, file.size, file.mtime_ns)) in known],
        columns=list(STORED),
    )
    if fresh:
        new = _look(listing.root, fresh, progress)
        rows = pd.concat([rows, new]) if len(rows) else new
    readable = rows[rows.reason == ""]
    if len(readable) != len(remembered) or readable.path.isin([file.path for file in fresh]).any():
        memory.remember(store, readable)
    return _tables(listing, rows.astype(STORED))


def _tables(listing: Listing, rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    places = pd.DataFrame(
        [(file.path, file.label, file.split) for file in listing.files], columns=["path", "label", "split"]
    )
    rows = places.merge(rows, on="path").sort_values("path", ignore_index=True)
    bad = rows.loc[rows.reason != "", ["path", "reason"]]
    problems = pd.DataFrame(listing.problems, columns=["path", "reason"], dtype=object)
    good = rows[rows.reason == ""].drop(columns=["reason", "mtime_ns"]).rename(columns={"size": "bytes"})
    order = ["path", "label", "split", "width", "height", "bytes", "sha256", "phash", "contrast"]
    unreadable = pd.concat([bad, problems]).sort_values("path", ignore_index=True)
    return good[order].reset_index(drop=True), unreadable


def _look(root: Path, files: list[Found], progress: bool) -> pd.DataFrame:
    """Decode the files on all cores; Pillow and hashlib let go of the interpreter lock while they work."""
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        rows = pool.map(lambda file: _row(root, file), files)
        bar = tqdm(
            rows,
            total=len(files),
            desc="reading images",
            mininterval=1,
            unit="image",
            disable=not progress,
            leave=False,
        )
        return pd.DataFrame(list(bar), columns=list(STORED)).astype(STORED)


def _row(root: Path, file: Found) -> dict:
    base = {"path": file.path, "size": file.size, "mtime_ns": file.mtime_ns, "reason": ""}
    try:
        content = pictures.read_bytes(root / file.path)
        image = pictures.open_rgb(io.BytesIO(content))
    except pictures.UnreadableError as error:
        return base | UNREAD | {"reason": why(file.path, error)}
    small = hashing.thumbnail(image)
    width, height = image.info.get("full_size", image.size)
    return base | {
        "width": width,
        "height": height,
        "sha256": hashlib.sha256(content).hexdigest(),
        "phash": hashing.phash(small[None])[0],
        "contrast": float(small.std()),
    }


def why(path: str, error: pictures.UnreadableError) -> str:
    """Why a file is not read, and what to do if it is a picture of a kind that is not."""
    kind, reason = Path(path).suffix.lower(), str(error)
    other = reason == pictures.NO_PICTURE and kind in folders.UNREAD
    return f"{kind[1:].upper()} is not read: convert it to JPEG or PNG" if other else reason


def _store(root: Path) -> str:
    return hashlib.sha256(os.fsencode(root) + code_version(CODE).encode()).hexdigest()[:16]
