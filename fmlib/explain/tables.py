"""What tables of per-image measures say: means with intervals, advantages, where a model looks in words."""

import numpy as np
import pandas as pd

from fmlib.bootstrap import enough, interval, mean_interval, resamples

RANDOM = "random weights"  # the maps of a network that has learned nothing
CENTRE = "centre prior"
RIVALS = ("random map", "random order", CENTRE)  # orders of pixels that do not look at the image
EVEN = 1.1  # a band that holds less than this times its share of the area is not looked at more than the rest


def gap(values, chosen, groups, draws: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """Mean of the `chosen` values (bool N) less that of the others, with its 95 % interval, drawn by whole groups.

    The ends are NaN where one of the two has too few groups (`bootstrap.enough`).
    """
    values, chosen = np.asarray(values, dtype=float), np.asarray(chosen, dtype=bool)
    known = np.isfinite(values)
    values, chosen, groups = values[known], chosen[known], np.asarray(groups)[known]
    if not chosen.any() or chosen.all():
        return (np.nan,) * 3
    value = float(values[chosen].mean() - values[~chosen].mean())
    if not enough(chosen, groups):
        return value, np.nan, np.nan
    differences = []
    for weights in resamples(groups, draws, seed):
        with np.errstate(invalid="ignore"):  # a draw may hold none of one kind; `interval` leaves it out
            sides = [weights[:, part] @ values[part] / weights[:, part].sum(1) for part in (chosen, ~chosen)]
        differences.append(sides[0] - sides[1])
    return (value, *interval(np.concatenate(differences)))


def concentration(table: pd.DataFrame) -> pd.DataFrame:
    """For each band its mean share of energy and of area, and their quotient with its interval.

    Args:
        table: of `measures.table`, with the rows of the bands only; `group` (if there) is drawn as a whole.

    Returns:
        a row per band, the most looked at first: `energy`, `area`, `times`, `low`, `high`.
    """
    rows = {}
    for name, part in table.groupby("region", sort=False):
        area = part["area"].mean()
        energy, low, high = mean_interval(part["energy"], part.get("group"))
        rows[name] = {
            "energy": energy,
            "area": area,
            "times": energy / area,
            "low": low / area,
            "high": high / area,
        }
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("times", ascending=False)


def sentence(model: str, table: pd.DataFrame) -> str:
    """Say in words where a model looks, from the bands of `measures.table`."""
    bands = concentration(table)
    first = bands.iloc[0]
    if np.isnan(first["low"]):
        return f"Too few images to tell where {model} looks."
    if not first["low"] > EVEN:
        return f"{model} looks at no part of the image clearly more than at the rest."
    tied = bands.index[bands["high"] >= first["low"]]
    energy, area = bands.loc[tied, ["energy", "area"]].sum()
    return (
        f"{model} looks at the {' and the '.join(tied)}: {energy:.0%} of its maps' energy lies there, on {area:.0%} "
        f"of the area, {energy / area:.1f} times an even spread."
    )


def areas(table: pd.DataFrame) -> pd.DataFrame:
    """Area under each image's curve: columns `kind`, `maps`, `image`, `group`, `area`."""
    keys = ["kind", "maps", "image", "group"]
    wide = table.pivot_table(index=keys, columns="share", values="probability", sort=False)
    return pd.Series(np.trapezoid(wide, wide.columns, axis=1), wide.index, name="area").reset_index()


def advantage(
    table: pd.DataFrame, kind: str, over: str, method: str = "gradcam"
) -> tuple[float, float, float]:
    """By how much a method's area is better than that of other maps, image by image, with its 95 % interval."""
    wide = areas(table).query("kind == @kind").pivot(index=["image", "group"], columns="maps", values="area")
    sign = -1 if kind == "deletion" else 1
    difference = sign * (wide[method] - wide[over])
    return mean_interval(difference, difference.index.get_level_values("group"))
