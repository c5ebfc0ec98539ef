"""A 64-bit perceptual hash of a picture, and the search for near duplicates among millions of them."""

from itertools import combinations, pairwise
from math import comb, log2

import numpy as np
from PIL import Image

SIDE = 32  # px of the grey thumbnail that is hashed
NEAR = 4  # differing bits up to which two hashes count as near duplicates


def _lowest() -> np.ndarray:
    """The 64 lowest frequencies (vertical, horizontal) of the cosine transform, the constant one left out."""
    grid = [(down, across) for down in range(12) for across in range(12) if down + across > 0]
    return np.array(sorted(grid, key=lambda pair: (pair[0] + pair[1], pair))[:64])


FREQUENCIES = _lowest()
COSINES = np.cos(np.pi * np.outer(np.arange(12), np.arange(SIDE) + 0.5) / SIDE).astype(np.float32)  # 12 32
WEIGHTS = np.uint64(1) << np.arange(64, dtype=np.uint64)
MIRRORED = WEIGHTS[FREQUENCIES[:, 1] % 2 == 1].sum()  # bits that turn over in a mirror


def thumbnail(image: Image.Image, side: int = SIDE) -> np.ndarray:
    """Grey thumbnail, float32 side x side, 0..255, averaged over areas."""
    grey = image.convert("L")
    return np.asarray(grey.resize((side, side), Image.Resampling.BOX), dtype=np.float32)


def phash(thumbnails: np.ndarray) -> np.ndarray:
    """Perceptual hashes: the signs of the 64 lowest frequencies.

    Args:
        thumbnails: float N 32 32.
    Returns:
        uint64 N; similar pictures differ in few bits, a mirrored one in those of `MIRRORED`.
    """
    spectrum = COSINES @ thumbnails @ COSINES.T  # N 12 12
    bits = spectrum[:, FREQUENCIES[:, 0], FREQUENCIES[:, 1]] > 0
    return (bits * WEIGHTS).sum(axis=1, dtype=np.uint64)


def near_pairs(hashes: np.ndarray, distance: int = NEAR, mirrors: bool = False) -> np.ndarray:
    """Pairs that differ in at most `distance` bits, without comparing all with all.

    The bits are cut into blocks; two near hashes agree on all but `distance` of them, so on at least one choice
    of the others. Each choice sorts the hashes by those bits and compares only neighbours that agree on them.

    Args:
        hashes: uint64 N.
        distance: differing bits allowed.
        mirrors: compare with mirror images as well.
    Returns:
        int64 P 2, first row below second. Of equal hashes each is paired with the first of them only.
    """
    distinct, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    pool = np.concatenate([distinct, distinct ^ MIRRORED]) if mirrors else distinct
    near = _search(pool, distance)
    near = np.unique(np.sort(first[near % len(distinct)], axis=1), axis=0)
    rows = np.arange(len(hashes))
    same = np.column_stack([first[inverse], rows])[first[inverse] != rows]
    return np.concatenate([same, near[near[:, 0] != near[:, 1]]])


def _search(hashes: np.ndarray, distance: int) -> np.ndarray:
    """Pairs of positions in distinct hashes; a pair may come several times."""
    found = [np.zeros((0, 2), np.int64)]
    blocks, kept = plan(len(hashes), distance)
    edges = np.linspace(0, 64, blocks + 1).astype(int)
    masks = [WEIGHTS[low:high].sum() for low, high in pairwise(edges)]
    for choice in combinations(masks, kept):
        found.append(_agreeing(hashes, np.bitwise_or.reduce(choice), distance))
    return np.concatenate(found)


def plan(count: int, distance: int) -> tuple[int, int]:
    """Number of blocks, and how many of them have to agree, with the least expected work for `count` hashes."""

    def work(kept: int) -> float:
        blocks = distance + kept
        return comb(blocks, kept) * count * (20 + count / 2 ** min(64 * kept / blocks, 2 * log2(count + 2)))

    kept = min(range(1, 9), key=work)
    return distance + kept, kept


def _agreeing(hashes: np.ndarray, mask: np.uint64, distance: int) -> np.ndarray:
    """Near pairs among the hashes that agree on the bits of `mask`."""
    part = hashes & mask
    order = np.argsort(part)
    part, values = part[order], hashes[order]
    found = [np.zeros((0, 2), np.int64)]
    alive = np.arange(len(part))
    for step in range(1, len(part)):  # compare each with the one `step` places on, while they still agree
        alive = alive[: np.searchsorted(alive, len(part) - step)]
        alive = alive[part[alive] == part[alive + step]]
        if not len(alive):
            break
        close = alive[np.bitwise_count(values[alive] ^ values[alive + step]) <= distance]
        found.append(np.column_stack([order[close], order[close + step]]))
    return np.concatenate(found)
