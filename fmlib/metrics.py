"""Scores of a classifier with 95% intervals. The positive class is label 1, wearing a mask."""

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from fmlib.bootstrap import bootstrap, enough, interval, statistics
from fmlib.errors import FmlibError, UsageError
from fmlib.intervals import Z, effective, wilson

RATES = ("accuracy", "precision", "recall")
SCORES = (*RATES, "balanced_accuracy", "f1", "auc", "average_precision", "ece")
COUNTS = ("tp", "fp", "fn", "tn")


def scores(
    labels,
    probabilities,
    groups=None,
    threshold: float = 0.5,
    resamples: int = 1000,
    seed: int = 0,
    bins: int = 15,
    only: str | None = None,
) -> pd.DataFrame:
    """Score predictions, each score with its 95% interval.

    Accuracy, precision and recall have Wilson intervals over the effective number of images (`effective`); the
    others percentile intervals of a bootstrap over groups, NaN where a class has too few of them
    (`bootstrap.enough`). A perfect score, which no resample can lower, gets a closed-form lower end instead, and one
    of 0 an upper one.

    Args:
        labels: 0 or 1 (N).
        probabilities: of label 1 (N).
        groups: images of one origin (N); without it every image is its own group.
        threshold: an image is called positive from this probability on.
        resamples: of the bootstrap, drawn with `seed`.
        bins: of the expected calibration error.
        only: the one metric to compute, such as "ece"; None for all.

    Returns:
        A row per metric with value, low, high and n (images that the metric is measured on). AUC and average
        precision of one class are NaN, and so are precision, recall and F1 where no image is positive; other empty
        denominators give 0 as in scikit-learn.
    """
    labels, probabilities = checked(labels, probabilities)
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    options = {"threshold": threshold, "bins": bins, "only": only}
    value = _values(labels, probabilities, **options)
    drawn = {}
    if enough(labels, groups):
        drawn = bootstrap(labels, probabilities, groups, resamples, seed, **options)
    sizes = _sizes(labels == 1, probabilities >= threshold, groups)
    asked = [name for name in (*SCORES, *COUNTS) if name in value and only in (None, name)]
    rows = [
        (name, value[name], *_interval(name, value, drawn, sizes), _measured_on(name, value, len(labels)))
        for name in asked
    ]
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high", "n"])


def _sizes(positive: np.ndarray, called: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """Effective numbers of images: those that each rate is measured on, the negatives, and the errors (bool N each)."""
    parts = {"accuracy": slice(None), "precision": called, "recall": positive}
    parts |= {"negatives": ~positive, "errors": called != positive}
    return {name: effective(groups[part]) for name, part in parts.items()}


def breakdown(predictions: pd.DataFrame, by: str, threshold: float = 0.5) -> pd.DataFrame:
    """Error rate for each value of the column `by`.

    Args:
        predictions: columns label, probability, `by`, and seed where several trainings judge the same images;
            their errors are averaged, since n images judged twice are not 2n images; group where images share origins.

    Returns:
        DataFrame with columns value, n, errors, rate, low, high (95% Wilson interval, over the
        `effective` number of images).
    """
    repeats = predictions.seed.nunique() if "seed" in predictions else 1
    wrong = (predictions.probability >= threshold) != (predictions.label == 1)
    table = wrong.groupby(predictions[by], sort=True, observed=True).agg(["size", "sum"]) / max(1, repeats)
    sizes = table["size"]
    if "group" in predictions:
        sizes = predictions["group"].groupby(predictions[by], sort=True, observed=True).agg(effective)
    rows = [
        (str(key), int(n), errors, errors / n, *wilson(errors / n * sizes[key], sizes[key]))
        for key, n, errors in table.itertuples()
    ]
    return pd.DataFrame(rows, columns=["value", "n", "errors", "rate", "low", "high"])


def checked(labels, probabilities) -> tuple[np.ndarray, np.ndarray]:
    """Labels as int and probabilities as float arrays of one length; errors name what is wrong with them."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=float)
    if labels.shape != probabilities.shape or labels.ndim != 1:
        raise UsageError(
            f"labels {labels.shape} and probabilities {probabilities.shape} must be lists of one length"
        )
    if not np.isin(labels, (0, 1)).all():
        raise UsageError("labels must be 0 or 1")
    if not np.isfinite(probabilities).all():
        raise FmlibError("some probabilities are not numbers: the training diverged; lower the learning rate")
    if len(probabilities) and (probabilities.min() < 0 or probabilities.max() > 1):
        raise UsageError("probabilities must lie between 0 and 1; apply a sigmoid to logits first")
    return labels.astype(int), probabilities


def _values(labels, probabilities, **options) -> dict[str, float]:
    """The scores of the images themselves: one row of ones as weights."""
    weights = np.ones((1, len(labels)))
    return {
        name: float(row[0]) for name, row in statistics(labels, probabilities, weights, **options).items()
    }


def _measured_on(name: str, value: dict[str, float], n: int) -> int:
    """How many images a metric is measured on: precision on the called positives, recall on the positives."""
    parts = {"precision": ("tp", "fp"), "recall": ("tp", "fn")}.get(name)
    return int(sum(value[part] for part in parts)) if parts else n


def _interval(
    name: str, value: dict[str, float], drawn: dict[str, np.ndarray], sizes: dict[str, float]
) -> tuple[float, float]:
    """The 95% interval of one score; `sizes`: the effective numbers of images by what is measured on them."""
    if np.isnan(value[name]) or name in COUNTS:
        return np.nan, np.nan
    if name in RATES:
        return wilson(value[name] * sizes[name], sizes[name])
    if name != "ece" and value[name] in (0, 1):
        return _closed(name, value[name], sizes)
    if not drawn:
        return np.nan, np.nan
    return _centred(value[name], drawn[name]) if name == "ece" else interval(drawn[name])


def _closed(name: str, value: float, sizes: dict[str, float]) -> tuple[float, float]:
    """The interval of a score of 1 or 0, where every resample scores the same.

    An F1 of 0 has the upper end that its overlap, of which there is none in fp + fn images, has by Wilson's interval.
    Calling each image the opposite turns a balanced accuracy or an AUC of 0 into one of 1, whose interval is mirrored.
    """
    positives, negatives = sizes["recall"], sizes["negatives"]
    if value == 1:
        return _below_perfect(name, positives, negatives), 1.0
    if name == "f1":
        overlap = wilson(0, sizes["errors"])[1]
        return 0.0, 2 * overlap / (1 + overlap)
    return 0.0, 1 - _below_perfect(name, positives, negatives)


def _centred(value: float, drawn: np.ndarray) -> tuple[float, float]:
    """Percentiles moved by the bootstrap's bias: resampling noise alone raises a calibration error."""
    low, high = np.array(interval(drawn)) - (np.median(drawn) - value)
    return float(max(0.0, min(low, value))), float(min(1.0, max(high, value)))


def _below_perfect(name: str, positives: float, negatives: float) -> float:
    """The lower end of a score of 1, where every resample scores 1 as well.

    F1 from the Wilson interval of F1/(2-F1), which is the rate tp/(tp+fp+fn); balanced accuracy from the two
    rates' intervals (Newcombe 1998); AUC from Newcombe's score interval (2006); average precision, which has
    none, from that of an AUC against as many negatives as positives.
    """
    if name == "f1":
        overlap = wilson(positives, positives)[0]
        return 2 * overlap / (1 + overlap)
    if name == "balanced_accuracy":
        gaps = [1 - wilson(n, n)[0] for n in (positives, negatives) if n]
        return float(1 - np.hypot.reduce(gaps) / len(gaps))
    return _auc_below_perfect(positives, positives if name == "average_precision" else negatives)


def _auc_below_perfect(m: float, n: float) -> float:
    """The AUC of m and n images that lies 1.96 of its standard errors (Hanley and McNeil 1982) below 1."""

    def excess(auc: float) -> float:
        others = (m + n) / 2 - 1
        variance = auc / (m * n) * (1 + others * (1 - auc) / (2 - auc) + others * auc / (1 + auc))
        return (1 - auc) - Z**2 * variance  # both sides of the equation divided by 1 - auc

    return float(brentq(excess, 0.0, 1.0))
