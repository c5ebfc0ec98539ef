"""Runs that differ in one setting (architecture, optimizer, activation) and in their seeds: who is ahead?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fmlib import comparison, evaluation
from fmlib.figures.style import label, with_interval
from fmlib.runs import Run


def ranking(found: Sequence[Run], by: str, metric: str = "f1", seed: int = 0) -> pd.DataFrame:
    """Rank the values of the setting `by`, each with all its seeds, on the test images: a `comparison.ranking`."""
    tests = [run.predictions[run.predictions.split == "test"] for run in found]
    models: dict[str, list] = {}
    for run, test in zip(found, tests, strict=True):
        models.setdefault(getattr(run.config, by), []).append(test.probability.to_numpy())
    models = {name: np.stack(trainings) for name, trainings in models.items()}
    return comparison.ranking(tests[0].label.to_numpy(), models, tests[0].group.to_numpy(), metric, seed=seed)


def standing(
    scores: pd.DataFrame, found: Sequence[Run], by: str, metric: str = "f1", seed: int = 0
) -> pd.DataFrame:
    """Return where every value of the setting `by` stands on the test images, best first.

    Args:
        scores: of the runs, as of `evaluation.scores`.

    Returns:
        DataFrame with columns model (the value of the setting), metric, value (mean over seeds), low, high, n, seeds
        (the value of each seed, as text) and verdict (of `comparison.ranking`).
    """
    names = {run.key: getattr(run.config, by) for run in found}
    own = scores[(scores["view"] == "test") & (scores.metric == metric)]
    own = own.assign(model=own.run.map(names)).sort_values("seed", kind="stable")
    mean = evaluation.over_seeds(own)[["model", "metric", "value", "low", "high", "n"]]
    each = own.groupby("model").value.agg(lambda values: " ".join(f"{value:.4f}" for value in values))
    ranks = ranking(found, by, metric, seed)[["model", "verdict"]]
    return ranks.merge(mean.assign(seeds=mean.model.map(each)))[[*mean.columns, "seeds", "verdict"]]


def readable(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return a standing to be read."""
    text = [with_interval(row.value, row.low, row.high) for row in table.itertuples()]
    columns = {f"{label(table.metric[0])} (95% interval)": text, "of each seed": table.seeds}
    columns |= {"images": table.n.astype(int), "verdict": table.verdict}
    return pd.DataFrame(columns).set_index(table.model.map(label).rename(by))


def readable_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return comparisons of all pairs to be read: a - b with its interval, whether they are told apart, other tests.

    Args:
        pairs: what `comparison.pairs`, `discordant` and `over_seeds` find of the same models, merged.
    """
    columns = {
        "a": pairs.a.map(label),
        "b": pairs.b.map(label),
        "a - b": [with_interval(*gap, "+.3f") for gap in pairs[["difference", "low", "high"]].to_numpy()],
        "p (Holm)": pairs.p_holm.round(4),
        "told apart": pairs.apart.map({True: "yes", False: "no"}),
        "a alone right": pairs.only_a,
        "b alone right": pairs.only_b,
        "p (McNemar)": pairs.p_mcnemar.round(4),
        "a - b over seeds": [
            _gap(*gap) for gap in pairs[["seeds_mean", "seeds_low", "seeds_high"]].to_numpy()
        ],
    }
    return pd.DataFrame(columns).set_index(["a", "b"])


def _gap(value: float, low: float, high: float) -> str:
    """A difference with its interval, if it has one."""
    return f"{value:+.3f}" + (f" [{low:+.3f}, {high:+.3f}]" if np.isfinite(low) else "")
