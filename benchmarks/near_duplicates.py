"""How the search for near duplicates scales, and how well copies are found where file names tell the truth.

python benchmarks/near_duplicates.py                    10^4 to 10^6 hashes with planted near duplicates
python benchmarks/near_duplicates.py compare FOLDER     copies in FaceMask 12K against the names of its files
"""

import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from fmlib.data import groups, hashing, relatives, sources

JUDGED = Path(__file__).with_name(
    "face-mask-12k-same-photo.csv"
)  # pairs that a viewer took for one photograph
ALIKE = 0.9  # correlation of two thumbnails from which they show one photograph


def scale() -> pd.DataFrame:
    """Seconds, memory and recall of planted near duplicates by number of hashes."""
    rows = [_scaled(count) for count in (10**4, 10**5, 10**6)]
    return pd.DataFrame(rows)


def _scaled(count: int) -> dict:
    rng = np.random.default_rng(count)
    planted = count // 10
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    for _ in range(hashing.NEAR):  # up to NEAR bits of a copy differ
        hashes[-planted:] = hashes[:planted] if _ == 0 else hashes[-planted:]
        hashes[-planted:] ^= hashing.WEIGHTS[rng.integers(0, 64, planted)]
    start = time.perf_counter()
    pairs = hashing.near_pairs(hashes)
    seconds = time.perf_counter() - start
    group = groups.components(pairs, count)
    recall = np.mean(group[:planted] == group[-planted:])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"hashes": count, "seconds": seconds, "peak GB": memory, "planted": planted, "recall": recall}


def compare(folder: str) -> pd.DataFrame:
    """Pair recall and precision on the augmented files of three truths, for the finder and for plain hashes."""
    data = sources.read(Path(folder))
    table = data.manifest
    names = groups.keys(table)
    twins = groups.join(names, groups.twins(table))
    alike = groups.join(twins, _alike(data))
    truths = {"names": names, "+ same bytes": twins, "+ originals alike": alike}
    truths["+ judged by eye"] = groups.join(alike, _judged(table))
    thumbnails = np.stack([hashing.thumbnail(data.open(row)) for row in range(len(data))])
    dhash = _dhash([data.open(row) for row in range(len(data))])
    finders = {"looks": relatives.find(data.root, table)}
    for distance in (0, 4, 10):
        finders[f"dHash 64, up to {distance} bits"] = hashing.near_pairs(dhash, distance)
        median = hashing.near_pairs(_median_phash(thumbnails), distance)
        finders[f"pHash 64 (median), up to {distance} bits"] = median
    rows = np.flatnonzero(table["path"].str.contains("Augmented_"))
    return pd.DataFrame(
        [{"finder": name} | _scores(pairs, truths, rows, len(table)) for name, pairs in finders.items()]
    )


def _scores(pairs: np.ndarray, truths: dict, rows: np.ndarray, count: int) -> dict:
    found = groups.components(pairs, count)[rows]
    scores = {"recall (names)": _shared(found, truths["names"].to_numpy()[rows])[0]}
    for name, truth in truths.items():
        scores[f"precision ({name})"] = _shared(found, truth.to_numpy()[rows])[1]
    return scores


def _shared(found: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Recall and precision over pairs of images that two groupings put together."""

    def pairs(*labels) -> int:
        sizes = pd.DataFrame(dict(enumerate(labels))).value_counts().to_numpy().astype(np.int64)
        return int((sizes * (sizes - 1) // 2).sum())

    both = pairs(found, truth)
    return both / pairs(truth), both / max(1, pairs(found))


def _alike(data: sources.Dataset) -> np.ndarray:
    """Pairs of files that nobody altered and whose thumbnails hardly differ, mirrored or not: one photograph.

    The names tell which files are copies of which original, not that two originals are one photograph.
    """
    plain = np.flatnonzero(~data.manifest["path"].str.contains("Augmented_"))
    small = np.stack([hashing.thumbnail(data.open(row), 24) for row in plain])
    views = [values.reshape(len(plain), -1) for values in (small, small[:, :, ::-1])]
    views = [(v - v.mean(1, keepdims=True)) / (v.std(1, keepdims=True) + 1e-6) for v in views]
    pairs = []
    for start in range(0, len(plain), 1000):
        block = views[0][start : start + 1000]
        likeness = np.maximum(block @ views[0].T, block @ views[1].T) / block.shape[1]
        first, second = np.nonzero(likeness >= ALIKE)
        pairs.append(np.column_stack([first + start, second]))
    pairs = np.concatenate(pairs)
    return plain[pairs[pairs[:, 0] < pairs[:, 1]]]


def _judged(table: pd.DataFrame) -> np.ndarray:
    """Rows of the pairs in JUDGED; file suffixes do not count."""
    row = pd.Series(table.index, index=table["path"].str.replace(r"\.\w+$", "", regex=True))
    pairs = pd.read_csv(JUDGED)
    return np.column_stack([row.loc[pairs["first"]], row.loc[pairs["second"]]])


def _dhash(images: list) -> np.ndarray:
    """Difference hash: is a pixel of a 9 x 8 thumbnail brighter than its left neighbour."""
    small = np.stack([np.asarray(image.convert("L").resize((9, 8), 1)).astype(int) for image in images])
    return ((np.diff(small, axis=2) > 0).reshape(-1, 64) * hashing.WEIGHTS).sum(1, dtype=np.uint64)


def _median_phash(thumbnails: np.ndarray) -> np.ndarray:
    """Perceptual hash as imagehash and imagededup compute it: 8 x 8 lowest frequencies against their median."""
    from scipy.fft import dctn

    flat = dctn(thumbnails, axes=(1, 2))[:, :8, :8].reshape(-1, 64)
    return ((flat > np.median(flat, axis=1, keepdims=True)) * hashing.WEIGHTS).sum(1, dtype=np.uint64)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        result = scale()
    elif len(sys.argv) == 3 and sys.argv[1] == "compare":
        result = compare(sys.argv[2])
    else:
        sys.exit(__doc__)
    print(result.round(4).to_string(index=False))
