"""What the decision threshold changes, and the one that validation images choose."""

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve

from fmlib.bootstrap import statistics
from fmlib.wording import label

LIMITS = (0.1, 0.3, 0.5, 0.7, 0.9)
SHOWN = ("precision", "recall", "f1")
CHOSEN = "chosen on validation images"


def best(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the threshold of the highest F1: the middle of the widest gap between probabilities that has it.

    Args:
        labels: 0 or 1 (N).
        probabilities: of class 1 (N); an image is called positive from the threshold on.

    Returns:
        A threshold in [0, 1]; 0.5 where no image is positive, so that F1 is not defined.
    """
    if not np.any(labels):
        return 0.5
    # called positive from one of these values on, however far below it the threshold lies
    precision, recall, values = precision_recall_curve(labels, probabilities)
    f1 = (2 * precision * recall / np.maximum(precision + recall, 1e-12))[:-1]
    below = np.concatenate([[0.0], values[:-1]])
    widest = max(np.flatnonzero(f1 == f1.max()), key=lambda row: values[row] - below[row])
    return float((values[widest] + below[widest]) / 2)


def table(predictions: pd.DataFrame, model: str, split: str = "grouped") -> pd.DataFrame:
    """Return precision, recall and F1 of a model at several thresholds, means over its seeds.

    Args:
        predictions: as of `evaluation.predictions`.

    Returns:
        DataFrame with columns view, name (the threshold, or `CHOSEN` for what validation images choose, for each
        seed anew), threshold (of the chosen one the mean over seeds), precision, recall and f1.
    """
    own = predictions[(predictions["model"] == model) & (predictions["split"] == split)]
    rows = []
    for seed, trained in own.groupby("seed", sort=True):
        watched = trained[trained["view"] == "validation"]
        choice = best(watched.label.to_numpy(), watched.probability.to_numpy())
        for view, images in trained[trained["view"] != "validation"].groupby("view", sort=False):
            for name, limit in [*((limit, limit) for limit in LIMITS), (CHOSEN, choice)]:
                rows.append((seed, view, str(name), limit, *_at(images, limit)))
    found = pd.DataFrame(rows, columns=["seed", "view", "name", "threshold", *SHOWN])
    return found.groupby(["view", "name"], sort=False)[["threshold", *SHOWN]].mean().reset_index()


def _at(images: pd.DataFrame, limit: float) -> list[float]:
    labels, probabilities = images.label.to_numpy(), images.probability.to_numpy()
    found = statistics(labels, probabilities, np.ones((1, len(labels))), threshold=limit, only="f1")
    return [float(found[name][0]) for name in SHOWN]


def readable(found: pd.DataFrame) -> pd.DataFrame:
    """Return the table to be read: thresholds down, views and scores across."""
    names = found.name.where(found.name != CHOSEN, [f"{CHOSEN}: {limit:.2f}" for limit in found.threshold])
    frame = found.assign(threshold=names, view=found["view"].map(label)).rename(
        columns={s: label(s) for s in SHOWN}
    )
    wide = frame.pivot(index="threshold", columns="view", values=[label(score) for score in SHOWN])
    order = [(label(score), view) for view in dict.fromkeys(frame["view"]) for score in SHOWN]
    return wide.loc[list(dict.fromkeys(names)), order].swaplevel(axis=1).round(3)
