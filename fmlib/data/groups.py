"""Groups: pictures of one origin, by their names, their bytes or their looks."""

import re
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

BLANK = 4.0  # grey levels of contrast below which a picture shows nothing, so that likeness proves nothing
NAME_PATTERNS = (  # file names in which augmentation tools tell the origin; the first group is the origin
    re.compile(r"^(Augmented_\d+)_\d+$"),  # Keras' DirectoryIterator, as in FaceMask 12K
    re.compile(r"^(.+_(?:jpe?g|png|webp|bmp))\.rf\.[0-9a-f]{16,}$", re.IGNORECASE),  # Roboflow
    re.compile(r"^.+_original_(.+\.(?:jpe?g|png|bmp))_[0-9a-f-]{36}$", re.IGNORECASE),  # Augmentor
)
NUMBERED = re.compile(r"^[A-Za-z]+_(\d+)$")


def name_origin(path: str) -> str:
    """The origin that a file's name tells; "" where it tells none."""
    stem = PurePosixPath(path).stem
    matches = (pattern.match(stem) for pattern in NAME_PATTERNS)
    return next((match[1] for match in matches if match), "")


def numbered_originals(manifest: pd.DataFrame, origins: pd.Series) -> pd.Series:
    """Give the originals of numbered copies the origin of their copies.

    Keras numbers a folder's files by name, so `Augmented_7_...` was made from the eighth of the files that are no
    copies. This is relied on only where there are exactly as many such files in a class as there are numbers.
    """
    names = manifest["path"].map(lambda path: PurePosixPath(path).name)
    numbers = origins.str.extract(NUMBERED, expand=False)
    origins = origins.copy()
    for label in manifest["label"].unique():
        mine = manifest["label"] == label
        originals = names[mine & (origins == "")].sort_values()
        copied = set(numbers[mine].dropna().astype(int))
        if copied and names[originals.index].is_unique and copied == set(range(len(originals))):
            prefix = origins[mine & numbers.notna()].iloc[0].rsplit("_", 1)[0]
            origins[originals.index] = [f"{prefix}_{number}" for number in range(len(originals))]
    return origins


def keys(manifest: pd.DataFrame) -> pd.Series:
    """Each picture's own key of origin: what its source or its name tells, otherwise its content.

    A key depends on nothing but the picture itself, so that it stays when other pictures join the set. Names tell
    within a class only: each class may number its files by itself.
    """
    if "origin" in manifest:
        return "origin:" + manifest["origin"].astype(str)
    origins = numbered_originals(manifest, manifest["path"].map(name_origin))
    kinds = manifest["label"].map({0: "unmasked name:", 1: "name:"})
    return (kinds + origins).where(origins != "", "sha256:" + manifest["sha256"].str[:16])


def twins(manifest: pd.DataFrame) -> np.ndarray:
    """Pairs of rows with the same bytes (each row with the first of its kind), blank pictures left out."""
    rows = np.flatnonzero(manifest["contrast"].to_numpy() >= BLANK)
    first = (
        pd.Series(rows, index=manifest["sha256"].to_numpy()[rows])
        .groupby(level=0)
        .transform("min")
        .to_numpy()
    )
    return np.column_stack([first, rows])[first != rows]


def join(labels: pd.Series, pairs: np.ndarray) -> pd.Series:
    """Merge what `labels` holds together with what `pairs` of rows connect.

    Returns:
        One name per row: the smallest label of its component.
    """
    codes, names = pd.factorize(labels, sort=True)
    component = components(codes[pairs], len(names))
    smallest = pd.Series(np.arange(len(names))).groupby(component).transform("min").to_numpy()
    return pd.Series(names[smallest[codes]], index=labels.index)


def components(pairs: np.ndarray, count: int) -> np.ndarray:
    """Number of the connected component of each of `count` nodes."""
    links = (np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1]))
    return connected_components(coo_matrix(links, shape=(count, count)), directed=False)[1]
