"""Is one model better than another? Paired tests on the same images, and a ranking that admits ties."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from fmlib.bootstrap import bootstrap, enough, interval, statistics
from fmlib.errors import UsageError
from fmlib.intervals import t_reach
from fmlib.metrics import SCORES, checked


@dataclass(frozen=True)
class Difference:
    """A difference a - b with its 95% interval, two-sided p value and number of pairs."""

    value: float
    low: float
    high: float
    p: float
    n: int


@dataclass(frozen=True)
class McNemar:
    """Images that only one of two models classified correctly, and the exact two-sided p value."""

    only_a: int
    only_b: int
    p: float


def mcnemar(labels, a, b) -> McNemar:
    """McNemar's exact test of two models' decisions `a` and `b` (0 or 1, each N) on the same images."""
    labels, a, b = (np.asarray(values).astype(int) for values in (labels, a, b))
    only_a, only_b = int(((a == labels) & (b != labels)).sum()), int(((a != labels) & (b == labels)).sum())
    discordant = only_a + only_b
    return McNemar(only_a, only_b, float(stats.binomtest(only_a, discordant).pvalue) if discordant else 1.0)


def discordant(labels, models: dict) -> pd.DataFrame:
    """McNemar's test of all pairs of models, decided at 0.5; of several trainings of one the mean probability counts.

    Args:
        models: name -> probabilities (N) or (seeds, N) for the same images.

    Returns:
        DataFrame with columns a, b, only_a, only_b (images that one of the two alone gets right) and p_mcnemar.
    """
    decided = {name: np.atleast_2d(values).mean(axis=0) >= 0.5 for name, values in models.items()}
    rows = []
    for a, b in combinations(decided, 2):
        found = mcnemar(labels, decided[a], decided[b])
        rows.append((a, b, found.only_a, found.only_b, found.p))
    return pd.DataFrame(rows, columns=["a", "b", "only_a", "only_b", "p_mcnemar"])


def paired_difference(a_values, b_values) -> Difference:
    """The mean of paired differences, as of two models' scores over the same seeds, with Student's interval.

    Args:
        a_values, b_values: one value per pair (n). One pair alone has no interval (NaN), and neither have pairs that
            all differ by the same: few coarse scores may well, and say nothing of how far others would lie apart.
    """
    gaps = np.asarray(a_values, dtype=float) - np.asarray(b_values, dtype=float)
    n, mean = len(gaps), float(gaps.mean())
    error = float(gaps.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    if error <= 1e-12 * max(1.0, abs(mean)):
        return Difference(mean, np.nan, np.nan, np.nan, n)
    reach = float(t_reach(gaps.std(ddof=1), n))
    return Difference(mean, mean - reach, mean + reach, float(2 * stats.t.sf(abs(mean) / error, n - 1)), n)


def over_seeds(labels, models: dict, metric: str = "f1") -> pd.DataFrame:
    """All paired differences of a metric between models over their seeds, by Student's t.

    Args:
        models: name -> probabilities (seeds, N) for the same images, row i of the same seed for all.

    Returns:
        DataFrame with columns a, b, seeds_mean, seeds_low, seeds_high (NaN with one seed, and
        where all seeds differ by the same).
    """
    values = {name: seed_scores(labels, rows, metric) for name, rows in models.items()}
    rows = []
    for a, b in combinations(values, 2):
        gap = paired_difference(values[a], values[b])
        rows.append((a, b, gap.value, gap.low, gap.high))
    return pd.DataFrame(rows, columns=["a", "b", "seeds_mean", "seeds_low", "seeds_high"])


def seed_scores(labels, probabilities, metric: str) -> np.ndarray:
    """A metric of each of a model's trainings, float64 (seeds), from probabilities (seeds, N) or (N)."""
    if metric not in SCORES:
        raise UsageError(f"unknown metric {metric!r}; known are: {', '.join(SCORES)}")
    scores = []
    for row in np.atleast_2d(np.asarray(probabilities, dtype=float)):
        labels, row = checked(labels, row)
        scores.append(statistics(labels, row, np.ones((1, len(row))), only=metric)[metric][0])
    return np.array(scores)


def paired_bootstrap(
    labels, a, b, groups=None, metric: str = "f1", resamples: int = 4000, seed: int = 0
) -> Difference:
    """The difference a - b of a metric between two models on the same images, resampled by group.

    Its interval and p value are NaN where a class has too few groups (`bootstrap.enough`).

    Args:
        labels: 0 or 1 (N).
        a, b: probabilities (N), or (seeds, N) for a model trained several times: its scores are averaged, and the
            interval then covers the choice of seeds as well, by Student's t.
    """
    value_a, drawn_a = _mean_score(labels, a, groups, metric, resamples, seed, stream=1)
    value_b, drawn_b = _mean_score(labels, b, groups, metric, resamples, seed, stream=2)
    gaps = drawn_a - drawn_b
    return Difference(value_a - value_b, *interval(gaps), _two_sided(gaps), len(np.asarray(labels)))


def pairs(labels, models: dict, groups=None, metric: str = "f1", resamples: int = 4000, seed: int = 0):
    """All paired differences of a metric between models (name -> probabilities, as in `paired_bootstrap`).

    Returns:
        DataFrame with columns a, b, difference, low, high, p, p_holm and apart: whether the two can be told
        apart at 5%, all comparisons taken together (Holm 1979). With too few groups of a class (`bootstrap.enough`)
        low, high and p are NaN, and no two are apart.
    """
    drawn = {
        name: _mean_score(labels, values, groups, metric, resamples, seed, stream)
        for stream, (name, values) in enumerate(models.items())
    }
    rows = []
    for a, b in combinations(drawn, 2):
        gaps = drawn[a][1] - drawn[b][1]
        rows.append((a, b, drawn[a][0] - drawn[b][0], *interval(gaps), _two_sided(gaps)))
    table = pd.DataFrame(rows, columns=["a", "b", "difference", "low", "high", "p"])
    table["p_holm"] = holm(table.p.to_numpy())
    return table.assign(apart=table.p_holm < 0.05)


def ranking(labels, models: dict, groups=None, metric: str = "f1", resamples: int = 4000, seed: int = 0):
    """Models in order of a metric; equal ranks where they cannot be told apart.

    Args:
        models: name -> probabilities (N) or (seeds, N) for the same images.

    Returns:
        DataFrame, best first (lowest first for ECE), with columns model, value, rank (1 + the number of
        models shown to be better) and verdict ("best", shown to be better than all others; "highest, not shown to be
        best"; "cannot be told apart from the best"; "worse than the best").
    """
    table = pairs(labels, models, groups, metric, resamples, seed)
    sign = -1 if metric == "ece" else 1
    value = {name: float(seed_scores(labels, given, metric).mean()) for name, given in models.items()}
    ordered = sorted(models, key=lambda name: -sign * np.nan_to_num(value[name], nan=-sign * np.inf))
    beaten = table[table.apart]
    losers = np.where(sign * beaten.difference > 0, beaten.b, beaten.a)
    lost_to_best = set(losers[(beaten.a == ordered[0]) | (beaten.b == ordered[0])])
    alone = len(lost_to_best) == len(ordered) - 1
    rows = [
        (m, value[m], 1 + int((losers == m).sum()), _verdict(m, ordered[0], m in lost_to_best, alone))
        for m in ordered
    ]
    return pd.DataFrame(rows, columns=["model", "value", "rank", "verdict"])


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down adjusted p values; a p value that is not defined counts as 1."""
    p = np.nan_to_num(np.asarray(p, dtype=float), nan=1.0)
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(steps, 1)
    return adjusted


def _verdict(model: str, best: str, lost: bool, alone: bool) -> str:
    """What can be said of a model against the one that scored highest."""
    if lost:
        return "worse than the best"
    if model == best:
        return "best" if alone else "highest, not shown to be best"
    return "cannot be told apart from the best"


def _mean_score(labels, values, groups, metric, resamples, seed, stream) -> tuple[float, np.ndarray]:
    """A metric averaged over a model's trainings, and how that varies with the choice of images and of seeds.

    Images are resampled by group, unless a class has too few of them. The seeds' part is drawn from Student's t, since
    few trainings, resampled, would vary too little.
    """
    trained, drawn = seed_scores(labels, values, metric), []
    labels, rows = np.asarray(labels).astype(int), np.atleast_2d(np.asarray(values, dtype=float))
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    if enough(labels, groups):
        drawn = [bootstrap(labels, row, groups, resamples, seed, only=metric)[metric] for row in rows]
    if not drawn:
        return float(trained.mean()), np.empty(0)
    images, count = np.mean(drawn, axis=0), len(trained)
    if count == 1:
        return float(trained.mean()), images
    by_seeds = np.random.default_rng([seed, stream]).standard_t(count - 1, resamples)
    return float(trained.mean()), images + by_seeds * trained.std(ddof=1) / np.sqrt(count)


def _two_sided(gaps: np.ndarray) -> float:
    """Bootstrap p value of no difference: twice the smaller share of resamples on either side of 0."""
    gaps = gaps[np.isfinite(gaps)]
    if not len(gaps):
        return np.nan
    return float(min(1.0, 2 * (1 + min((gaps <= 0).sum(), (gaps >= 0).sum())) / (1 + len(gaps))))
