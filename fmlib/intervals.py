"""95% intervals in closed form, and how many images copies of one origin are worth."""

import numpy as np
from scipy import stats

Z = 1.959963984540054  # normal quantile of a 95% interval


def effective(groups) -> float:
    """The number of images that tell as much as these do, if images of one group are all right or all wrong alike.

    n / (1 + the design effect's excess) for clusters of unequal sizes with a correlation of one (Kish 1965): the
    number of images where each is a group of its own, of groups where all have one size. It errs on the safe side.
    """
    counts = np.unique(np.asarray(groups), return_counts=True)[1].astype(float)
    return float(counts.sum() ** 2 / (counts**2).sum()) if len(counts) else 0.0


def wilson(hits: float, n: float) -> tuple[float, float]:
    """The 95% Wilson score interval of a rate; everything (0, 1) is possible where nothing was measured."""
    if n <= 0:
        return 0.0, 1.0
    rate, extra = hits / n, Z**2 / n
    middle = (rate + extra / 2) / (1 + extra)
    half = np.sqrt(rate * (1 - rate) * extra + extra**2 / 4) / (1 + extra)
    return float(middle - half) if hits > 0 else 0.0, float(middle + half) if hits < n else 1.0


def of_rate(rate: float, groups) -> tuple[float, float]:
    """The 95% Wilson interval of a rate among images with these groups, over their `effective` number."""
    size = effective(groups)
    return wilson(rate * size, size)


def with_seeds(value, low, high, spread, seeds) -> tuple:
    """The interval of a mean over seeds, which covers the choice of images and of seeds.

    Half the width of the images' interval (the mean of the seeds' own) and half the seeds' Student t interval, added in
    quadrature; numbers or arrays.

    Args:
        value, low, high: means over seeds.
        spread: standard deviation over seeds.
    """
    error = t_reach(spread, seeds)
    return value - np.hypot(value - low, error), value + np.hypot(high - value, error)


def t_reach(spread, n):
    """Half the 95% Student t interval of a mean of n values with this standard deviation; 0 of a single value."""
    quantile = stats.t.ppf(0.975, np.maximum(n, 2) - 1)
    return np.where(np.asarray(n) > 1, quantile * spread / np.sqrt(n), 0.0)
