"""Runs that differ in one setting (architecture, optimizer, activation) and in their seeds: who is ahead?"""

from collections.abc import Sequence

import pandas as pd

from fmlib import comparison, evaluation, judgement
from fmlib.runs import Run
from fmlib.wording import label, with_interval


def ranking(found: Sequence[Run], by: str, metric: str = "f1", seed: int = 0) -> pd.DataFrame:
    """Rank the values of the setting `by`, each with all its seeds, on the test images: a `comparison.ranking`."""
    parts = [run.predictions.assign(model=getattr(run.config, by), seed=run.config.seed) for run in found]
    table = pd.concat(parts).rename(columns={"split": "view"}).assign(split="")
    return comparison.ranking(*judgement.aligned(table, "", "test"), metric, seed=seed)


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
            with_interval(*gap, "+.3f", "no interval")
            for gap in pairs[["seeds_mean", "seeds_low", "seeds_high"]].to_numpy()
        ],
    }
    return pd.DataFrame(columns).set_index(["a", "b"])
