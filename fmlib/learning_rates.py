"""A learning rate for each optimizer, by the same small search: the lowest loss on validation images.

Every optimizer is tried at the same factors on its usual rate, once each. What counts is the loss after the last epoch,
whose weights are kept; the test images have no part in it.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fmlib.runs import Run
from fmlib.training import OPTIMIZERS
from fmlib.wording import label


def rates(optimizer: str, factors: Sequence[float]) -> list[float | None]:
    """Return the rates to try, to three digits; None, as a configuration has it, for the optimizer's usual one."""
    usual = OPTIMIZERS[optimizer][1]
    return [None if factor == 1 else float(f"{usual * factor:.3g}") for factor in factors]


def searched(found: Sequence[Run]) -> pd.DataFrame:
    """Return what the search found.

    Args:
        found: a finished run of every optimizer at every rate, but for those that did not survive an epoch.

    Returns:
        DataFrame with columns optimizer, learning_rate, usual (it is the optimizer's usual rate), validation_loss (inf
        where training exploded after an epoch), chosen (the lowest of its optimizer) and run.
    """
    rows = []
    for run in found:
        usual = run.config.learning_rate is None
        rate = OPTIMIZERS[run.config.optimizer][1] if usual else run.config.learning_rate
        rows.append((run.config.optimizer, rate, usual, _last_loss(run), run.key))
    table = pd.DataFrame(rows, columns=["optimizer", "learning_rate", "usual", "validation_loss", "run"])
    best = table.groupby("optimizer").validation_loss.idxmin()
    return table.assign(chosen=table.index.isin(best))


def _last_loss(run: Run) -> float:
    """Return the validation loss after the last epoch of a run, inf if it stopped before."""
    complete = len(run.history) == run.config.epochs
    return float(run.history.validation_loss.iloc[-1]) if complete else np.inf


def chosen(table: pd.DataFrame) -> dict[str, float | None]:
    """Return optimizer -> the rate that was chosen; None for its usual one."""
    return {
        row.optimizer: None if row.usual else row.learning_rate for row in table[table.chosen].itertuples()
    }


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the search to be read: optimizers down, rates across, from the lowest; the last column is the choice."""
    ordered = table.sort_values(["optimizer", "learning_rate"], kind="stable")
    place = ordered.groupby("optimizer").cumcount().map(lambda rank: f"rate {rank + 1}")
    text = [f"{row.validation_loss:.3f} at {row.learning_rate:.3g}" for row in ordered.itertuples()]
    frame = pd.DataFrame({"optimizer": ordered.optimizer, "place": place, "text": text})
    frame = frame.pivot(index="optimizer", columns="place", values="text").rename_axis(columns=None)
    frame = frame.fillna("not finite")  # the largest rates are those that no training survives
    choice = table[table.chosen].set_index("optimizer").learning_rate.map("{:.3g}".format)
    order = list(dict.fromkeys(table.optimizer))
    return frame.assign(chosen=choice).loc[order].rename(index=label).rename_axis("validation loss")


def sentence(table: pd.DataFrame) -> str:
    """Say which rates were chosen, and whose lies at the edge of what was tried.

    An optimizer that has fewer rates than another has lost its largest, which no training survived.
    """
    said, edge, tried = [], [], table.groupby("optimizer").size().max()
    for name, rows in table.groupby("optimizer", sort=False):
        pick = rows[rows.chosen].iloc[0]
        said.append(
            f"{pick.learning_rate:.3g} for {label(name)}" + (" (the usual one)" if pick.usual else "")
        )
        smallest, largest = pick.learning_rate == rows.learning_rate.agg(["min", "max"])
        if tried > 2 and (smallest or (largest and len(rows) == tried)):
            edge.append(label(name))
    text = f"Of {tried} learning rates each, the lowest loss on validation images chose {', '.join(said)}."
    if not edge:
        return text
    return (
        f"{text} For {', '.join(edge)} that is the smallest or the largest that was tried: a wider search may find a "
        "better one."
    )
