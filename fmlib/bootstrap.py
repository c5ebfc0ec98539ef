"""Scores of many resamples at once: a score is a function of weights, a resample is a row of weights."""

from collections.abc import Iterator

import numpy as np

from fmlib.intervals import of_rate

RANKED = ("auc", "average_precision")
BUDGET = 2_000_000  # weights held at once (8 MB)
FEWEST = 6  # groups that a class needs for a percentile interval, see `enough`


def resamples(groups: np.ndarray, count: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield weights (resamples, images): how often each image is drawn when whole groups are drawn.

    Args:
        groups: group of each image (N); images of one origin share it and are drawn together.
        count: resamples in all, handed out in blocks that fit into memory.
        seed: the same seed draws the same groups, so that two models can be compared on the same resamples.
    """
    _, member = np.unique(groups, return_inverse=True)
    size, random = member.max() + 1, np.random.default_rng(seed)
    block = max(1, BUDGET // max(size, len(member)))
    for start in range(0, count, block):
        rows = min(block, count - start)
        picks = random.integers(0, size, (rows, size)) + size * np.arange(rows)[:, None]
        drawn = np.bincount(picks.ravel(), minlength=rows * size).reshape(rows, size)
        yield drawn[:, member].astype(np.float32)


def statistics(
    labels: np.ndarray,
    probabilities: np.ndarray,
    weights: np.ndarray,
    threshold: float = 0.5,
    bins: int = 15,
    only: str | None = None,
) -> dict[str, np.ndarray]:
    """Every score for every row of weights, or `only` the one named and its relatives.

    Args:
        labels: 0 or 1 (N), 1 is the positive class.
        probabilities: of class 1 (N).
        weights: how much each image counts (R, N).
        threshold: an image is called positive from this probability on.
        bins: equally wide bins of the expected calibration error.

    Returns:
        name -> values (R); NaN where a score is not defined (AUC and average precision of one class;
        precision, recall and F1 where no image is positive).
    """
    weights, result = np.asarray(weights, dtype=np.float32), {}
    if only not in (*RANKED, "ece"):
        result |= _thresholded(labels, probabilities >= threshold, weights)
    if only is None or only in RANKED:
        result |= _ranked(labels, probabilities, weights)
    if only in (None, "ece"):
        result["ece"] = _calibration(labels, probabilities, weights, bins)
    return result


def bootstrap(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: np.ndarray,
    count: int = 1000,
    seed: int = 0,
    **options,
) -> dict[str, np.ndarray]:
    """The scores of `count` resamples of whole groups, name -> values (count); options as in `statistics`."""
    blocks = [statistics(labels, probabilities, w, **options) for w in resamples(groups, count, seed)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def enough(labels: np.ndarray, groups: np.ndarray) -> bool:
    """Whether every class that occurs has `FEWEST` groups or more; with fewer, resampling says nothing.

    A group counts for each class of which it holds an image. All of k groups lie on one side of the median of where
    they come from with probability 2^(1 - k), and then so do all their resamples: for k < 6 that is above 5%, and no
    percentile interval of theirs can be a 95% interval.
    """
    labels, groups = np.asarray(labels), np.asarray(groups)
    counts = [len(np.unique(groups[labels == label])) for label in np.unique(labels)]
    return min(counts, default=0) >= FEWEST


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of resampled values, NaN where fewer than two of them are defined."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def ratio_interval(
    parts: np.ndarray, wholes: np.ndarray, groups: np.ndarray, draws: int = 1000, seed: int = 0
) -> tuple[float, float, float]:
    """The sum of `parts` over that of `wholes` (each N) with the ends of its 95 % interval, drawn by whole groups.

    All are NaN where the wholes come to nothing, the ends also of too few groups (`enough`).
    """
    parts, wholes = np.asarray(parts, dtype=float), np.asarray(wholes, dtype=float)
    if not wholes.sum() > 0:
        return (np.nan,) * 3
    ratio = float(parts.sum() / wholes.sum())
    if not enough(np.zeros(len(parts)), groups):
        return ratio, np.nan, np.nan
    drawn = [_ratio(w @ parts, w @ wholes, np.nan) for w in resamples(groups, draws, seed)]
    return (ratio, *interval(np.concatenate(drawn)))


def mean_interval(
    values, groups=None, draws: int = 1000, seed: int = 0, rate: bool = False
) -> tuple[float, float, float]:
    """Mean of the values that are not NaN and the ends of its 95 % bootstrap interval, drawn by whole groups.

    The ends are NaN of too few groups (`enough`). Of a `rate`, whose values are hits, they are Wilson's where
    all are 0 or all are 1: every draw has the same mean.
    """
    values = np.asarray(values, dtype=float)
    known = np.isfinite(values)
    groups = np.arange(len(values)) if groups is None else np.asarray(groups)
    values, groups = values[known], groups[known]
    mean, *ends = ratio_interval(values, np.ones(len(values)), groups, draws, seed)
    if rate and mean in (0, 1) and np.isfinite(ends[0]):
        ends = of_rate(mean, groups)
    return (mean, *ends)


def _thresholded(labels, called, weights) -> dict[str, np.ndarray]:
    """Scores of decisions: 0 for empty denominators as in scikit-learn, NaN where there is no positive to find."""
    cells = np.stack([called & (labels == 1), called & (labels == 0), ~called & (labels == 1)], axis=1)
    tp, fp, fn = (weights @ cells.astype(np.float32)).astype(float).T  # each R
    total = weights.sum(axis=1, dtype=float)
    tn = total - tp - fp - fn
    sides = np.stack([_ratio(tp, tp + fn, np.nan), _ratio(tn, tn + fp, np.nan)])
    return {
        "accuracy": _ratio(tp + tn, total, np.nan),
        "balanced_accuracy": _ratio(np.nansum(sides, axis=0), np.isfinite(sides).sum(axis=0), np.nan),
        "precision": np.where(tp + fn > 0, _ratio(tp, tp + fp), np.nan),
        "recall": _ratio(tp, tp + fn, np.nan),
        "f1": np.where(tp + fn > 0, _ratio(2 * tp, 2 * tp + fp + fn), np.nan),
        **{"tp": tp, "fp": fp, "fn": fn, "tn": tn},
    }


def _ranked(labels, probabilities, weights) -> dict[str, np.ndarray]:
    """Area under the ROC curve (ties count half) and average precision."""
    order = np.argsort(-probabilities, kind="stable")
    starts = np.flatnonzero(np.diff(probabilities[order], prepend=np.inf))  # where a new probability begins
    if not len(starts):
        return dict.fromkeys(RANKED, np.full(len(weights), np.nan))
    sorted_weights = weights[:, order]
    positive = np.add.reduceat(sorted_weights * (labels[order] == 1), starts, axis=1)  # R, distinct values
    negative = np.add.reduceat(sorted_weights, starts, axis=1) - positive
    hits, false = positive.cumsum(axis=1, dtype=float), negative.cumsum(axis=1, dtype=float)
    positives, negatives = hits[:, -1], false[:, -1]
    outranked = (positive * (negatives[:, None] - false + negative / 2)).sum(axis=1)
    precision = _ratio(hits, hits + false)
    both = (positives > 0) & (negatives > 0)
    average = _ratio((positive * precision).sum(axis=1), positives, np.nan)
    return {
        "auc": _ratio(outranked, positives * negatives, np.nan),
        "average_precision": np.where(both, average, np.nan),
    }


def _calibration(labels, probabilities, weights, bins) -> np.ndarray:
    """Expected calibration error of the positive class over equally wide bins."""
    gaps = np.zeros((len(labels), bins), dtype=np.float32)
    gaps[np.arange(len(labels)), bin_of(probabilities, bins)] = probabilities - labels
    return _ratio(np.abs(weights @ gaps).sum(axis=1, dtype=float), weights.sum(axis=1, dtype=float), np.nan)


def bin_of(probabilities: np.ndarray, bins: int) -> np.ndarray:
    """Which of `bins` equally wide bins of [0, 1] each probability (N) lies in, from 0."""
    return np.clip((probabilities * bins).astype(int), 0, bins - 1)


def _ratio(part, whole, empty=0.0) -> np.ndarray:
    """part / whole, `empty` where whole is 0."""
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, empty), where=whole > 0)
