"""How well the label can be told without understanding the picture: from size, file, colours, sharpness or borders."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from fmlib.data import memory, splits
from fmlib.data.sources import Dataset
from fmlib.fingerprints import code_version, digest
from fmlib.intervals import of_rate
from fmlib.progress import tqdm

SHORTCUTS = {  # name -> columns of the features that it may use
    "width": ["width"],
    "height": ["height"],
    "aspect": ["aspect"],
    "bytes": ["bytes_per_pixel"],
    "colour": ["red", "green", "blue"],
    "sharpness": ["sharpness"],
    "spectrum": [f"octave_{octave}" for octave in range(4)],
    "border": ["border_across", "border_along"],
    "thumbnail": [f"cell_{cell}" for cell in range(48)],
}
FOUND_IN_FILES = (
    "width",
    "height",
    "aspect",
    "bytes",
)  # the others can be seen in the pixels that a model gets
BLIND = (*FOUND_IN_FILES, "border")  # these see nothing of the face; the others see all of it, and no detail
PIXEL_COLUMNS = [
    column for name, columns in SHORTCUTS.items() if name not in FOUND_IN_FILES for column in columns
]
CODE = ("data/shortcuts.py", "data/pictures.py", "intervals.py")
VIEWED = 64  # px at which sharpness, spectrum and borders are measured, so that size itself does not count
FAR = 0.10  # accuracy above the majority rate from which a shortcut is named
LEAST = 10  # images of each class below which nothing is fitted
SCORED = {
    "shortcut": str,
    "accuracy": float,
    "low": float,
    "high": float,
    "majority": float,
    "n": "int64",
}


def file_features(manifest: pd.DataFrame) -> pd.DataFrame:
    """What the file and its header tell of each image."""
    width, height = manifest["width"].astype(float), manifest["height"].astype(float)
    size = manifest["bytes"] / (width * height)
    return pd.DataFrame({"width": width, "height": height, "aspect": width / height, "bytes_per_pixel": size})


def pixel_features(pixels: np.ndarray) -> dict[str, float]:
    """What an image (uint8 H W 3) tells without being understood."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    means = pixels.reshape(-1, 3).mean(0) / 255
    cells = cv2.resize(pixels, (4, 4), interpolation=cv2.INTER_AREA).ravel() / 255
    octaves = _octaves(grey)
    return (
        dict(zip(("red", "green", "blue"), means.tolist(), strict=True))
        | {"sharpness": float(np.log1p(cv2.Laplacian(grey, cv2.CV_32F).var()))}
        | {f"octave_{number}": value for number, value in enumerate(octaves)}
        | _border(grey)
        | {f"cell_{number}": float(value) for number, value in enumerate(cells)}
    )


def _octaves(grey: np.ndarray) -> list[float]:
    """Logarithm of the power in the four highest octaves, finest first."""
    values = []
    for _ in range(4):
        coarse = cv2.GaussianBlur(grey, (0, 0), 1.0)
        values.append(float(np.log1p((grey - coarse).var())))
        grey = cv2.resize(coarse, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return values


def _border(grey: np.ndarray) -> dict[str, float]:
    """Change across and along the outermost pixels, as shares of the change inside.

    Copies whose border was filled with repeated pixels hardly change across it.
    """
    depth = max(2, min(grey.shape) // 16)
    sides = [grey, grey[::-1], grey.T, grey.T[::-1]]
    inside = np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean() + 1e-3
    across = [np.abs(np.diff(side[: depth + 1], axis=0)).mean() / inside for side in sides]
    along = [np.abs(np.diff(side[:depth], axis=1)).mean() / inside for side in sides]
    return {"border_across": float(min(across)), "border_along": float(np.mean(along))}


def viewed(image: Image.Image) -> np.ndarray:
    """An image at the size at which its pixels are measured, uint8 VIEWED VIEWED 3."""
    return np.asarray(image.resize((VIEWED, VIEWED), Image.Resampling.BICUBIC, reducing_gap=2.0))


def measured(open_pixels: Callable[[int], np.ndarray], count: int, progress: bool = True) -> pd.DataFrame:
    """Pixel features of `count` images, measured in parallel."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = pool.map(lambda row: pixel_features(open_pixels(row)), range(count))
        bar = tqdm(rows, "measuring images", count, disable=not progress, leave=False, mininterval=1)
        return pd.DataFrame(list(bar))


def of(dataset: Dataset, progress: bool = True) -> pd.DataFrame:
    """All features of a data set's images as they are published, remembered by content."""
    files = file_features(dataset.manifest)
    store = f"{dataset.fingerprint}-{code_version(CODE)}-features"
    pixels = memory.recall(store, dict.fromkeys(PIXEL_COLUMNS, float))
    if pixels is None or len(pixels) != len(files):
        pixels = measured(lambda row: viewed(dataset.open(row)), len(files), progress)
        memory.remember(store, pixels)
    return pd.concat([files, pixels], axis=1)


def published(dataset: Dataset, scheme: str = "grouped", progress: bool = True) -> pd.DataFrame:
    """Scores of all shortcuts on the images as they are published, remembered by content and split."""
    sides = splits.assign(dataset.manifest, scheme)
    store = f"{dataset.fingerprint}-{code_version(CODE)}-{digest(sides.tolist())}-shortcuts"
    table = memory.recall(store, SCORED)
    if table is None:
        table = of_split(dataset, of(dataset, progress), scheme)
        memory.remember(store, table)
    return table


def of_split(
    dataset: Dataset,
    features: pd.DataFrame,
    scheme: str = "grouped",
    names: Iterable[str] = tuple(SHORTCUTS),
    side: str = "test",
) -> pd.DataFrame:
    """Scores on one side of a split, as `scores` gives them, fitted on its training images."""
    sides = splits.assign(dataset.manifest, scheme).to_numpy()
    train, judged = np.flatnonzero(sides == "train"), np.flatnonzero(sides == side)
    labels, groups = (dataset.manifest[column].to_numpy() for column in ("label", "group"))
    return scores(features, labels, train, judged, names, groups)


def scores(
    features: pd.DataFrame,
    labels: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    names: Iterable[str] = tuple(SHORTCUTS),
    groups: np.ndarray | None = None,
) -> pd.DataFrame:
    """Test accuracy of a small model per shortcut, fitted on train rows alone.

    Args:
        features: a row for each of N images.
        labels: 0 or 1 (N).
        train, test: rows.
        names: of the shortcuts to score.
        groups: images of one origin (N); without it every image is its own group.

    Returns:
        shortcut, accuracy, low, high (95% Wilson interval over the effective number of images), majority (the larger
        test share of the two classes), n; empty where there are too few images to fit anything.
    """
    labels = np.asarray(labels)
    origins = test if groups is None else np.asarray(groups)[test]
    if min(np.bincount(labels[train], minlength=2)) < LEAST or not len(test):
        return pd.DataFrame(columns=list(SCORED))
    majority = np.bincount(labels[test], minlength=2).max() / len(test)
    right = {name: _accuracy(features[SHORTCUTS[name]].to_numpy(), labels, train, test) for name in names}
    return pd.DataFrame(
        [[name, rate, *of_rate(rate, origins), majority, len(test)] for name, rate in right.items()],
        columns=list(SCORED),
    )


def _accuracy(values: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    from sklearn.ensemble import ExtraTreesClassifier

    model = ExtraTreesClassifier(60, min_samples_leaf=5, random_state=0)
    model.fit(values[train], labels[train])
    return float(np.mean(model.predict(values[test]) == labels[test]))


def strong(table: pd.DataFrame) -> pd.DataFrame:
    """The shortcuts whose whole interval lies well above the majority rate, best first."""
    return table[table["low"] > table["majority"] + FAR].sort_values("accuracy", ascending=False)
