"""The altered copies of a set, found once and remembered by content."""

import hashlib
import warnings
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fmlib.data import copies, memory, pictures
from fmlib.data.groups import BLANK
from fmlib.fingerprints import code_version

CODE = ("data/copies.py", "data/looks.py", "data/pictures.py")
LIMIT = 100_000  # images above which the search, which compares all colours with all, would take too long


def find(root: Path, manifest: pd.DataFrame, progress: bool = True) -> np.ndarray:
    """Pairs of rows, int64 P 2, that are altered copies of one photograph by their looks; see `copies.find`.

    Of files with the same bytes only the first is looked at; blank pictures are not.
    """
    none = np.zeros((0, 2), np.int64)
    shown = manifest[manifest["contrast"] >= BLANK].drop_duplicates("sha256")
    if len(shown) < 2:
        return none
    if len(shown) > LIMIT:
        warnings.warn(f"altered copies are not searched for among more than {LIMIT} images", stacklevel=2)
        return none
    store = _store(shown["sha256"])
    known = memory.recall(store, {"first": str, "second": str})
    if known is None:
        known = _search(root, shown, progress)
        memory.remember(store, known)
    row = pd.Series(shown.index, index=shown["sha256"])
    return np.column_stack([row.loc[known[side]].to_numpy() for side in ("first", "second")]).astype(np.int64)


def _search(root: Path, shown: pd.DataFrame, progress: bool) -> pd.DataFrame:
    paths, digests = shown["path"].to_numpy(), shown["sha256"].to_numpy()
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the search runs in as many threads as there are cores already
    try:
        pairs = copies.find(lambda row: pictures.open_rgb(root / paths[row]), len(shown), progress)
    finally:
        cv2.setNumThreads(threads)
    return pd.DataFrame({"first": digests[pairs[:, 0]], "second": digests[pairs[:, 1]]})


def _store(digests: pd.Series) -> str:
    content = hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()[:16]
    return f"{content}-{code_version(CODE)}-copies"
