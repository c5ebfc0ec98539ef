"""The embedded data set: faces rendered by our own code, with the exact mask region of every image."""

import csv
import os
import shutil
import tempfile
import zipfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from fmlib.data.rendering import plan
from fmlib.data.rendering.copies import alter
from fmlib.data.rendering.picture import photograph
from fmlib.data.rendering.scene import compose, stream
from fmlib.errors import FmlibError, UsageError
from fmlib.orphans import end_with_parent
from fmlib.progress import tqdm

FOLDERS = ("WithoutMask", "WithMask")  # by label
QUALITY = 97  # of the stored file: each image's own JPEG loss is part of the rendering
FEWEST = plan.BLOCK  # images in the smallest set that has every class in every split
SERIAL = 60  # up to so many images are drawn in this process


class Sample(NamedTuple):
    """One rendered image: uint8 H W 3; bool H W regions; label 0/1; attributes by name.

    `mask_region` holds the visible pixels of the mask, however it is worn, without its straps; `lower_face`
    where the face from the bridge of the nose to the chin is, covered or not.
    """

    image: np.ndarray
    mask_region: np.ndarray
    lower_face: np.ndarray
    label: int
    attributes: dict


def render(seed: int, index: int, side: int = 96) -> Sample:
    """Render image `index`: a function of its arguments alone, the same scene for every `side`.

    Label 1 means worn properly. About one image in eight is an altered copy of an earlier one (`origin`,
    `copy`), on purpose: leaks that an audit should find.
    """
    _check(seed=seed, index=index, side=side)
    label, source = plan.slot(seed, index)[0], plan.origin(seed, index)
    scene = compose(seed, source, label)
    photo, how = photograph(scene, side), ""
    attributes = scene.attributes()
    if source != index:
        how = plan.alteration(seed, index)
        photo = alter(photo, how, stream(seed, index, "alter"))
        attributes["yaw"] = 0.0 - attributes["yaw"] if how == "mirror" else attributes["yaw"]
    return Sample(*photo, label, {**attributes, "origin": source, "copy": how})


def _check(seed: int, index: int, side: int) -> None:
    if seed < 0 or index < 0:
        raise UsageError(f"seed and index of a synthetic image must not be negative, got {seed} and {index}")
    if not 16 <= side <= 1024:
        raise UsageError(f"side of a synthetic image must be 16 to 1024 pixels, got {side}")


def location(seed: int, index: int) -> str:
    """Path of image `index` inside its data set: split, class and number."""
    label, split = plan.slot(seed, index)
    return f"{split}/{FOLDERS[label]}/{index:05d}.jpg"


def write(folder: Path, images: int, seed: int = 0, side: int = 96, progress: bool = True) -> None:
    """Write a data set of `images` images with `attributes.csv` and `regions.npz`, complete or not at all.

    Raises:
        UsageError: `folder` exists and is not empty, nothing can be written beside it, or `images` is below 20.
        FmlibError: writing failed, for lack of space for instance.
    """
    folder = Path(folder).resolve()
    _check(seed, 0, side)
    if images < FEWEST:
        raise UsageError(f"a synthetic set needs at least {FEWEST} images, got {images}")
    partial_folder = _workplace(folder)
    try:
        _fill(partial_folder, images, seed, side, progress)
        os.replace(partial_folder, folder)
    except OSError as error:
        raise FmlibError(f"could not write the synthetic set to {folder}: {error}") from error
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)


def _workplace(folder: Path) -> Path:
    """A temporary folder beside `folder`, once it is clear that `folder` may be written."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not empty; name a new or an empty folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise UsageError(f"cannot write to {folder.parent}: {error.strerror}; name another folder") from error
    made.chmod(0o755)
    return made


def _fill(folder: Path, images: int, seed: int, side: int, progress: bool) -> None:
    for index in range(FEWEST):  # the first block meets every split and class
        (folder / location(seed, index)).parent.mkdir(parents=True, exist_ok=True)
    paths = [location(seed, index) for index in range(images)]
    bits = np.zeros((2, images, (side * side + 7) // 8), np.uint8)
    with open(folder / "attributes.csv", "w", newline="", encoding="utf-8") as file:
        table = None
        with tqdm(total=images, desc="rendering", unit="image", disable=not progress) as bar:
            for index, (attributes, packed) in enumerate(_drawn(folder, images, seed, side)):
                table = table or _header(file, attributes)
                table.writerow({"path": paths[index], **attributes})
                bits[:, index] = packed
                bar.update()
    np.savez(
        folder / "regions.npz", paths=np.array(paths), side=side, mask_region=bits[0], lower_face=bits[1]
    )


def _header(file, attributes: dict) -> csv.DictWriter:
    table = csv.DictWriter(file, ["path", *attributes])
    table.writeheader()
    return table


def _drawn(folder: Path, images: int, seed: int, side: int):
    """Save the images one by one; yields each one's attributes and packed regions, in order."""
    draw = partial(_save, folder, seed, side)
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if images <= SERIAL or workers == 1:
        yield from map(draw, range(images))
        return
    # Spawned, not forked: a fork copies the locks of whatever threads the caller has running.
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:
        yield from pool.map(draw, range(images), chunksize=16)


def _begin() -> None:
    """Make this worker use one thread, and end with the process that started it, however that ends."""
    cv2.setNumThreads(1)
    end_with_parent()


def _save(folder: Path, seed: int, side: int, index: int) -> tuple[dict, np.ndarray]:
    sample = render(seed, index, side)
    Image.fromarray(sample.image).save(folder / location(seed, index), "JPEG", quality=QUALITY, subsampling=0)
    packed = [np.packbits(region.ravel()) for region in (sample.mask_region, sample.lower_face)]
    return sample.attributes, np.stack(packed)


def regions(folder: Path, paths) -> tuple[np.ndarray, np.ndarray]:
    """Mask region and lower face, bool N side side each, of images of a written set.

    Raises:
        UsageError: the folder has no regions, or does not hold one of the paths.
    """
    try:
        with np.load(Path(folder) / "regions.npz") as archive:
            stored = {name: archive[name] for name in ("paths", "side", "mask_region", "lower_face")}
        side = int(stored["side"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"{folder} holds no regions.npz of a synthetic set; only written ones know their regions"
        ) from error
    rows = {path: row for row, path in enumerate(stored["paths"].tolist())}
    missing = [path for path in paths if path not in rows]
    if missing:
        raise UsageError(f"{folder} knows no regions of {missing[0]!r}; name paths relative to the folder")
    wanted = [rows[path] for path in paths]
    return _unpacked(stored["mask_region"], wanted, side), _unpacked(stored["lower_face"], wanted, side)


def _unpacked(bits: np.ndarray, rows: list[int], side: int) -> np.ndarray:
    return np.unpackbits(bits[rows], axis=1, count=side * side).astype(bool).reshape(-1, side, side)
