"""What the Grad-CAM stage reads off its tables: sentences, and breakdowns to be shown as tables."""

from typing import NamedTuple

import pandas as pd

from fmlib.attention import cells, itself
from fmlib.bootstrap import mean_interval
from fmlib.explain.tables import CENTRE, RIVALS, advantage, gap, sentence
from fmlib.faces import Faces
from fmlib.runs import Run
from fmlib.wording import counted, label, with_interval

POINTING, TIMES = 0.95, 2  # asked of a model that looks at the mask: pointing game, energy over the prior's
ALIKE = 0.3  # rank correlation below which two maps are called unrelated


def where(tables: dict[str, pd.DataFrame], faces: Faces) -> str:
    """A list of sentences, one for each model: where its Grad-CAM maps lie, and how many maps are flat."""
    lines = []
    for model, table in tables.items():
        part = table[(table["maps"] == "gradcam") & table["region"].isin(list(faces.bands))]
        flat = (part.groupby("image")["energy"].sum() == 0).mean()
        blank = f" {flat:.0%} of its maps are flat: nothing speaks for the true class." if flat else ""
        lines.append(f"* {sentence(label(model), part)}{blank}")
    return "\n".join(lines)


class Ceiling(NamedTuple):
    """What the mask itself would score as a map of so many cells: pointing game, energy over the prior's."""

    cells: tuple[int, int]
    pointing: float
    times: float


def ceilings(runs: dict[str, Run], faces: Faces, prior: pd.DataFrame) -> dict[str, Ceiling]:
    """What no map as coarse as each model's can be expected to exceed; nothing where masks are not known."""
    if not _truth(prior):
        return {}
    found: dict[tuple[int, int], Ceiling] = {}
    grids = {model: cells(run, faces) for model, run in runs.items()}
    for grid in grids.values():
        if grid not in found:
            drawn = itself(faces, grid).assign(maps="gradcam")
            found[grid] = Ceiling(grid, _pointing(drawn)[0], _times(drawn, prior))
    return {model: found[grid] for model, grid in grids.items()}


def verdict(tables: dict[str, pd.DataFrame], prior: pd.DataFrame, limits: dict[str, Ceiling]) -> str:
    """Whether each model passes the test of looking at the mask, and whether its maps are fine enough for it.

    Args:
        tables: by model, of `attention.look`; prior: of `attention.prior`.
        limits: of `ceilings`.
    """
    if not limits:
        return "Here nobody knows where the masks are: shares of energy by third of the image are all that is measured."
    words = {True: "passes", False: "fails", None: "cannot be tested"}
    spared = "not asked of so coarse a map"
    lines = []
    for model, table in tables.items():
        hit, times = with_interval(*_pointing(table), ".0%"), _times(table, prior)
        grid, pointing, most = limits[model]
        lines.append(
            f"* {label(model)} **{words[_passes(table, prior, limits[model])]}**: the highest point lies in the mask "
            f"in {hit} of masked faces ({f'asked: {POINTING:.0%}' if pointing >= POINTING else spared}), and the mask "
            f"holds {times:.1f} times the energy that the centre prior puts there "
            f"({f'asked: {TIMES}' if most >= TIMES else spared}). The mask itself, drawn in its maps' {grid[0]} × "
            f"{grid[1]} cells, comes to {pointing:.1%} and {most:.2f}."
        )
    return "\n".join(lines)


def headline(tables: dict[str, pd.DataFrame], prior: pd.DataFrame, limits: dict[str, Ceiling]) -> str:
    """How many models pass the test of looking at the mask, in a line."""
    if not limits:
        return "Where the masks are is not known: localisation is shown and not scored"
    said = {model: _passes(table, prior, limits[model]) for model, table in tables.items()}
    passed = [label(model) for model, passes in said.items() if passes]
    tested = counted(sum(passes is not None for passes in said.values()), "model")
    named = f" ({', '.join(passed)})" if passed else ""
    coarse = [label(model) for model, passes in said.items() if passes is None]
    if len(coarse) == len(said):
        return "No map is fine enough to tell whether a model looks at the mask"
    left = f"; too coarse for it are the maps of {', '.join(coarse)}" if coarse else ""
    return f"{len(passed)} of {tested} passed the test of looking at the mask{named}{left}"


def confident(confidence: pd.DataFrame) -> str:
    """What drop in confidence and ROAD say of every order of pixels."""
    parts = []
    for maps, part in confidence.groupby("maps", sort=False):
        drop, road = (mean_interval(part[column], part["group"]) for column in ("drop", "road"))
        parts.append(f"{label(maps)} {with_interval(*drop, '.0%')} and {with_interval(*road, '.2f')}")
    return (
        "mean loss of confidence when only what the map shows is left (lower is better), and ROAD, the confidence kept "
        f"without the map's lowest 30% of pixels less that without its highest (higher is better): {'; '.join(parts)}."
    )


def sanity(cascades: dict[str, pd.DataFrame]) -> str:
    """How much of the maps is left when all weights are random."""
    left = {
        label(model): table[table["share"] == table["share"].max()]["similarity"].mean()
        for model, table in cascades.items()
    }
    words = ", ".join(f"{model} {value:.2f}" for model, value in left.items())
    lost = "destroy" if max(map(abs, left.values())) < ALIKE else "do not wholly destroy"
    return f"Random weights {lost} the maps: rank correlation with the trained model's maps {words}."


def images(faces: Faces) -> str:
    """How many images these are, of which class."""
    masked = int((faces.labels == 1).sum())
    return f"{len(faces.rows)} images, {masked} of them with a mask"


def faithful(curves: dict[str, pd.DataFrame]) -> str:
    """For how many models the Grad-CAM order beats each order that does not look, intervals considered."""
    lines = []
    for kind, verb in (("deletion", "taking away"), ("insertion", "bringing back")):
        for over in RIVALS:
            lows = {model: advantage(table, kind, over)[1] for model, table in curves.items()}
            better = [label(model) for model, low in lows.items() if low > 0]
            who = f"{len(better)} of {len(lows)} models" + (f" ({', '.join(better)})" if better else "")
            lines.append(f"* {verb} pixels in Grad-CAM's order clearly beats the {over} for {who}")
    return "\n".join(lines)


def by_attribute(tables: dict[str, pd.DataFrame], faces: Faces) -> pd.DataFrame:
    """Pointing game and energy in the mask by way of wearing and by turn of the head; empty where not known."""
    if not (faces.known and faces.described):
        return pd.DataFrame()
    manifest, parts = faces.data.manifest, []
    for model, table in tables.items():
        part = table[(table["maps"] == "gradcam") & (table["region"] == "mask") & table["pointing"].notna()]
        about = manifest.iloc[part["row"]]
        turned = pd.cut(about["yaw"].abs(), [-1, 15, 30, 180], labels=["to 15°", "15 to 30°", "over 30°"])
        keys = {"model": label(model), "wear": about["wear"].to_numpy(), "head turned": turned.to_numpy()}
        parts.append(part.assign(**keys))
    groups = pd.concat(parts).groupby(["wear", "head turned", "model"], observed=True)
    return groups.agg(
        faces=("pointing", "size"), pointing=("pointing", "mean"), energy=("energy", "mean")
    ).round(2)


def classes(tables: dict[str, pd.DataFrame]) -> str:
    """Whether the maps of the two classes differ, of single logits and of logits less their mean."""
    parts = []
    for name in ("single", "less the mean"):
        means = {label(model): _similarity(table, name) for model, table in tables.items()}
        words = ", ".join(f"{model} {value:.2f}" for model, value in means.items())
        alike = [model for model, value in means.items() if value >= ALIKE]
        parts.append(f"{words} ({'alike: ' + ', '.join(alike) if alike else 'they differ in every model'})")
    return (
        f"Rank correlation between an image's maps of the two classes: by single logits {parts[0]}; by logits less "
        f"their mean, which are shown and measured here, {parts[1]}."
    )


def _similarity(table: pd.DataFrame, logit: str) -> float:
    return table.loc[table["logit"] == logit, "similarity"].mean()


def borders(tables: dict[tuple[str, str], pd.DataFrame], faces: Faces) -> pd.DataFrame:
    """Energy at the border of altered and of other images: a row per model and split that it was trained on.

    Args:
        tables: by model and split, of `attention.look`.

    Returns:
        columns `altered`, `others` (mean shares), `difference` with `low` and `high` (95 % interval), `even`
        (share of the area), `images` and `altered images`; no rows where no image is known to be altered.
    """
    columns = ["altered", "others", "difference", "low", "high", "even", "images", "altered images"]
    if faces.altered is None:
        return pd.DataFrame(columns=columns)
    rows = {}
    for key, table in tables.items():
        part = table[(table["maps"] == "gradcam") & (table["region"] == "frame")]
        chosen = faces.altered[part["image"]]
        means = [part.loc[side, "energy"].mean() for side in (chosen, ~chosen)]
        difference = gap(part["energy"], chosen, part["group"])
        rows[key] = (*means, *difference, part["area"].mean(), len(part), int(chosen.sum()))
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def smeared(found: pd.DataFrame) -> str:
    """Whether models look more at the border of altered images, which is smeared, than at that of others."""
    if found.empty:
        return "Of no image here is it known that it is an altered copy, so smeared borders cannot be told from others."
    lines = []
    for (model, split), row in found.iterrows():
        more = "looks more at" if row["low"] > 0 else "shows no sign of looking more at"
        points = with_interval(*(100 * row[["difference", "low", "high"]]), "+.0f")
        lines.append(
            f"* {label(model)}, {label(split)}, {more} the border of altered images: {row['altered']:.0%} of the "
            f"energy against {row['others']:.0%} on others; difference in points: {points}."
        )
    return f"An even map has {found['even'].mean():.0%} of its energy there.\n\n" + "\n".join(lines)


def _truth(prior: pd.DataFrame) -> bool:
    return "mask" in set(prior["region"])


def _masked(table: pd.DataFrame, maps: str) -> pd.DataFrame:
    return table[(table["maps"] == maps) & (table["region"] == "mask") & (table["label"] == 1)]


def _pointing(table: pd.DataFrame) -> tuple[float, float, float]:
    part = _masked(table, "gradcam")
    return mean_interval(part["pointing"], part["group"], rate=True)


def _times(table: pd.DataFrame, prior: pd.DataFrame) -> float:
    """Energy in the mask, in units of the centre prior's."""
    return _masked(table, "gradcam")["energy"].mean() / _masked(prior, CENTRE)["energy"].mean()


def _passes(table: pd.DataFrame, prior: pd.DataFrame, limit: Ceiling) -> bool | None:
    """Whether a model passes in what the mask itself, as coarse as its maps, would pass; None where that is nothing."""
    asked = []
    if limit.pointing >= POINTING:
        asked.append(_pointing(table)[0] >= POINTING)
    if limit.times >= TIMES:
        asked.append(_times(table, prior) >= TIMES)
    return all(asked) if asked else None
