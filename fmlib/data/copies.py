"""Finding altered copies of one photograph by looks alone, whatever the files are called.

Every picture is compared with all others by its colours, which turning, zooming, shifting and mirroring leave as
they are. Of the most alike, those are copies whose fine structure agrees once one is laid over the other.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from fmlib.data.groups import components
from fmlib.data.looks import Look, look, sameness
from fmlib.progress import tqdm

CANDIDATES = 20  # most alike pictures that are looked at
ROUNDS = (0, 4, 8, 14, 20)  # ranks of candidates that are looked at together
LIKENESS = 0.8  # of colours (Bhattacharyya coefficient) below which nothing is looked at
SAME = 0.9  # agreement of fine structure that proves a copy
BLOCK = 2048


def find(open_image: Callable[[int], Image.Image], count: int, progress: bool = True) -> np.ndarray:
    """Pairs of pictures that are copies of each other.

    Args:
        open_image: gives the i-th picture as RGB.
        count: number of pictures.
    Returns:
        int64 P 2. Of a group of copies not every pair is listed, but enough to connect the group.
    """
    bar = {"disable": not progress, "leave": False, "mininterval": 1}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        views = pool.map(lambda row: look(open_image(row)), range(count))
        looks = list(tqdm(views, "looking at images", count, **bar))
        pairs = np.zeros((0, 2), np.int64)
        near = ranked(np.stack([view.histogram for view in looks]))
        for low, high in pairwise(ROUNDS):
            group = components(pairs, count)
            open_pairs = _open(near[(near[:, 2] >= low) & (near[:, 2] < high), :2], group)
            with threadpool_limits(1, "blas"):  # the products of one pair are too small to be shared
                judged = pool.map(lambda pair: _same(*pair, looks), open_pairs, chunksize=64)
                same = np.array(list(tqdm(judged, "finding copies", len(open_pairs), **bar)), dtype=bool)
            pairs = np.concatenate([pairs, open_pairs[same]])
    return pairs


def ranked(histograms: np.ndarray) -> np.ndarray:
    """Pairs of alike colours: int64 P 3, both rows (first below second) and the better of their mutual ranks."""
    rows = []
    for row, others in enumerate(candidates(histograms)):
        rows.append(np.column_stack([np.full_like(others, row), others, np.arange(len(others))]))
    table = np.concatenate(rows)
    table[:, :2].sort(axis=1)
    table = table[np.lexsort((table[:, 2], table[:, 1], table[:, 0]))]
    first = np.ones(len(table), bool)
    first[1:] = (table[1:, :2] != table[:-1, :2]).any(1)
    return table[first]


def candidates(histograms: np.ndarray) -> Iterator[np.ndarray]:
    """For every row the other rows that are most alike, best first."""
    count = min(CANDIDATES, len(histograms) - 1)
    for start in range(0, len(histograms), BLOCK):
        alike = histograms[start : start + BLOCK] @ histograms.T  # block N
        alike[np.arange(len(alike)), start + np.arange(len(alike))] = -1
        for row in alike:
            best = np.argpartition(-row, count - 1)[:count] if count else np.zeros(0, np.int64)
            best = best[np.argsort(-row[best], kind="stable")]
            yield best[row[best] >= LIKENESS]


def _open(pairs: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The pairs that are not yet known to belong together."""
    return pairs[group[pairs[:, 0]] != group[pairs[:, 1]]]


def _same(first: int, second: int, looks: list[Look]) -> bool:
    return sameness(looks[first], looks[second]) >= SAME
