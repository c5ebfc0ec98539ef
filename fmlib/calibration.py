"""Do probabilities mean what they say? Expected calibration error, reliability, temperature scaling."""

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit

from fmlib.bootstrap import bin_of, interval
from fmlib.intervals import of_rate
from fmlib.metrics import checked


def ece_by_chance(
    probabilities, groups, bins: int = 15, draws: int = 400, seed: int = 0
) -> tuple[float, float, float]:
    """The ECE that a perfectly calibrated model would show on so few images, all of it chance.

    ECE is biased upwards (Roelofs et al. 2022): a bin's few labels never come out at its mean probability. Labels are
    drawn from the probabilities themselves, those of one group by one number, as its images show one face.

    Args:
        probabilities: of label 1 (N).
        groups: group of each image (N).
        draws: how many times labels are drawn.

    Returns:
        Mean over the draws, and the 2.5th and 97.5th percentile.
    """
    probabilities = np.asarray(probabilities, dtype=float)
    _, member = np.unique(groups, return_inverse=True)
    random = np.random.default_rng(seed)
    place, errors = bin_of(probabilities, bins), np.empty(draws)
    for draw in range(draws):
        labels = random.random(member.max() + 1)[member] < probabilities
        gaps = np.bincount(place, probabilities - labels, bins)
        errors[draw] = np.abs(gaps).sum() / len(labels)
    return float(np.mean(errors)), *interval(errors)


def reliability(labels, probabilities, groups=None, bins: int = 10) -> pd.DataFrame:
    """How often label 1 occurs where probability p was predicted.

    Args:
        labels: 0 or 1 (N).
        probabilities: of label 1 (N).
        groups: images of one origin (N); without it every image is its own group.

    Returns:
        A row per occupied bin with columns left, right (its ends), n, predicted (mean probability), frequency
        (share of label 1) and its 95% Wilson interval low, high, over the effective number of images.
    """
    labels, probabilities = checked(labels, probabilities)
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    place, rows = bin_of(probabilities, bins), []
    for b in np.unique(place):
        inside = place == b
        n, rate = int(inside.sum()), float(labels[inside].mean())
        said, ends = probabilities[inside].mean(), of_rate(rate, groups[inside])
        rows.append((b / bins, (b + 1) / bins, n, said, rate, *ends))
    return pd.DataFrame(rows, columns=["left", "right", "n", "predicted", "frequency", "low", "high"])


def temperature(labels, logits) -> float:
    """The temperature T > 0 for which sigmoid(logit / T) has the lowest negative log-likelihood.

    Targets are Platt's (1999), just inside 0 and 1, so that images all classified correctly, which validation
    images may be, do not drive T to 0 and every probability to certainty. One class alone leaves T at 1.

    Args:
        labels: 0 or 1 (N), of validation images.
        logits: log odds of label 1 (N).
    """
    labels, logits = np.asarray(labels, dtype=int), np.asarray(logits, dtype=float)
    positives, negatives = int((labels == 1).sum()), int((labels == 0).sum())
    if not positives or not negatives:
        return 1.0
    targets = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(log_t: float) -> float:
        scaled = logits / np.exp(log_t)
        return float(np.mean(np.logaddexp(0, scaled) - targets * scaled))

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded").x))


def calibrated(logits, t: float) -> np.ndarray:
    """Probabilities of logits (N) at temperature `t`."""
    return expit(np.asarray(logits, dtype=float) / t)
