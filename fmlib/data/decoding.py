"""Images decoded and resized once into one memory-mapped array that all processes share."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from filelock import FileLock
from PIL import Image

from fmlib.config import home
from fmlib.damaged_files import DamagedError, damage
from fmlib.data.sources import Dataset
from fmlib.files import full_disk_named, reserve
from fmlib.fingerprints import code_version
from fmlib.progress import tqdm

AHEAD = 1024  # images that may be decoded and not yet written
CODE = ("data/decoding.py", "data/pictures.py")  # the way from file to pixels


def squared(image: Image.Image, side: int) -> np.ndarray:
    """Return an RGB image squeezed to a square: uint8 side side 3."""
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(image)


def decoded(dataset: Dataset, side: int) -> np.ndarray:
    """Return all images of `dataset`, squeezed to squares: a read-only memory map, uint8 N side side 3.

    It is made once per content and side and shared by all processes. A file of another size than it must have is
    made again, with a message.
    """
    path = home() / "cache" / f"{dataset.fingerprint}-{side}-{code_version(CODE)}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (len(dataset.manifest), side, side, 3)
    with full_disk_named(path.parent), FileLock(path.with_suffix(".lock")):
        if path.exists():
            try:
                return _mapped(path, shape)
            except DamagedError as error:
                print(f"{error}; the images are decoded again", file=sys.stderr)
                path.unlink()
        _decode(dataset, side, path, shape)
    return _mapped(path, shape)


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Map a decoded array; raise DamagedError if the file is none, or one of another shape."""
    with damage(path):
        array = np.lib.format.open_memmap(path, "r")
    if array.shape != shape or array.dtype != np.uint8:
        raise DamagedError(f"{path.name} is damaged: it holds {array.dtype} {array.shape}, not uint8 {shape}")
    return array


def _decode(dataset: Dataset, side: int, path: Path, shape: tuple[int, ...]) -> None:
    partial = path.with_suffix(".partial")
    count = len(dataset.manifest)
    try:
        array = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
        reserve(partial)
        with ThreadPoolExecutor() as pool, tqdm(total=count, desc=f"decoding {side} px", leave=False) as bar:
            for start in range(0, count, AHEAD):
                rows = range(start, min(start + AHEAD, count))
                images = pool.map(lambda row: squared(dataset.open(row), side), rows)
                for row, image in zip(rows, images, strict=True):
                    array[row] = image
                    bar.update()
        array.flush()
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
