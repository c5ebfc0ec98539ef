"""What the Grad-CAM stage reads off its tables: sentences, a breakdown by attribute, and results rows."""

import numpy as np
import pandas as pd

from fmlib.attention import CENTRE, ORDERS, RANDOM, Faces
from fmlib.explain.tables import advantage, areas, interval, sentence
from fmlib.figures.style import label
from fmlib.runs import Run
from fmlib.stage import Stage

POINTING, TIMES = (
    0.95,
    2,
)  # what a model that looks at the mask is held to: pointing game, energy over the prior's

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


def verdict(tables: dict[str, pd.DataFrame], prior: pd.DataFrame) -> str:
    """Whether each model looks at the mask of masked faces, against the centre prior; or that nothing tells."""
    if not _truth(prior):
        return "Here nobody knows where the masks are: shares of energy by third of the image are all that is measured."
    lines = []
    for model, table in tables.items():
        (hit, low, high), times = _pointing(table), _times(table, prior)
        lines.append(
            f"* {label(model)} **{'passes' if _passes(table, prior) else 'fails'}**: the highest point lies in the "
            f"mask in {hit:.0%} of masked faces [{low:.0%}, {high:.0%}] (asked: {POINTING:.0%}), and the mask holds "
            f"{times:.1f} times the energy that the centre prior puts there (asked: {TIMES})."
        )
    return "\n".join(lines)


def headline(tables: dict[str, pd.DataFrame], prior: pd.DataFrame) -> str:
    """How many models pass the test of looking at the mask, in a line."""
    if not _truth(prior):
        return "Where the masks are is not known: localisation is shown and not scored"
    passed = [label(model) for model, table in tables.items() if _passes(table, prior)]
    named = f" ({', '.join(passed)})" if passed else ""
    return f"{len(passed)} of {len(tables)} models demonstrably look at the mask{named}"


def confident(confidence: pd.DataFrame) -> str:
    """What drop in confidence and ROAD say of every order of pixels."""
    parts = []
    for maps, part in confidence.groupby("maps", sort=False):
        drop, low, high = interval(part["drop"], part["group"])
        road, least, most = interval(part["road"], part["group"])
        parts.append(
            f"{label(maps)} {drop:.0%} [{low:.0%}, {high:.0%}] and {road:.2f} [{least:.2f}, {most:.2f}]"
        )
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


def faithful(curves: dict[str, pd.DataFrame]) -> str:
    """For how many models the Grad-CAM order beats a random one and the centre prior, intervals considered."""
    lines = []
    for kind, verb in (("deletion", "taking away"), ("insertion", "bringing back")):
        for over in ORDERS[2:]:
            lows = {model: advantage(table, kind, over)[1] for model, table in curves.items()}
            better = [label(model) for model, low in lows.items() if low > 0]
            who = f"{len(better)} of {len(lows)} models" + (f" ({', '.join(better)})" if better else "")
            lines.append(f"* {verb} pixels in Grad-CAM's order clearly beats the {over} for {who}")
    return "\n".join(lines)


def by_attribute(tables: dict[str, pd.DataFrame], faces: Faces) -> pd.DataFrame:
    """Pointing game and energy in the mask by way of wearing and by turn of the head; empty where not known."""
    if not faces.known or "wear" not in faces.data.manifest:
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


def record(
    stage: Stage,
    run: Run,
    measured: pd.DataFrame,
    curves: pd.DataFrame,
    confidence: pd.DataFrame | None = None,
) -> None:
    """Record a run's results rows: Grad-CAM's under the plain metric names, others with their name behind."""
    for maps, ending in (("gradcam", ""), ("gradcam++", "_gradcam++"), (RANDOM, "_random_weights")):
        _record_places(stage, run, measured[measured["maps"] == maps], ending)
    table = areas(curves)
    for (kind, maps), part in table.groupby(["kind", "maps"], sort=False):
        ending = "" if maps == "gradcam" else f"_{maps.replace(' ', '_')}"
        _row(stage, run, f"{kind}_auc{ending}", part["area"], part["group"])
    if confidence is not None:
        for maps, part in confidence.groupby("maps", sort=False):
            ending = "" if maps == "gradcam" else f"_{maps.replace(' ', '_')}"
            for column, metric in (("drop", "confidence_drop"), ("road", "road")):
                _row(stage, run, f"{metric}{ending}", part[column], part["group"])


def record_prior(stage: Stage, prior: pd.DataFrame) -> None:
    """Record what the centre prior reaches, as the model of that name."""
    _record_places(stage, None, prior, "")


def _record_places(stage: Stage, run: Run | None, table: pd.DataFrame, ending: str) -> None:
    masked = table[(table["region"] == "mask") & (table["label"] == 1)]
    metrics = (("pointing_game", "pointing"), ("energy_inside", "energy"), ("iou_top20", "iou"))
    for metric, column in metrics if len(masked) else ():
        _row(stage, run, metric + ending, masked[column], masked["group"])
    frame = table[table["region"] == "frame"]
    _row(stage, run, "border_energy" + ending, frame["energy"], frame["group"])


def _row(stage: Stage, run: Run | None, metric: str, values: pd.Series, groups: pd.Series) -> None:
    names = ("model", "optimizer", "activation", "augmentation", "train_size", "split", "seed")
    about = {name: getattr(run.config, name) for name in names} if run else {"model": CENTRE}
    value, low, high = interval(values, groups)
    known = int(np.isfinite(values).sum())
    key = run.key if run else None
    stage.row(**about, view="test", metric=metric, value=value, low=low, high=high, n=known, run=key)


def _truth(prior: pd.DataFrame) -> bool:
    return "mask" in set(prior["region"])


def _masked(table: pd.DataFrame, maps: str) -> pd.DataFrame:
    return table[(table["maps"] == maps) & (table["region"] == "mask") & (table["label"] == 1)]


def _pointing(table: pd.DataFrame) -> tuple[float, float, float]:
    part = _masked(table, "gradcam")
    return interval(part["pointing"], part["group"])


def _times(table: pd.DataFrame, prior: pd.DataFrame) -> float:
    """Energy in the mask, in units of the centre prior's."""
    return _masked(table, "gradcam")["energy"].mean() / _masked(prior, CENTRE)["energy"].mean()


def _passes(table: pd.DataFrame, prior: pd.DataFrame) -> bool:
    return bool(_pointing(table)[0] >= POINTING and _times(table, prior) >= TIMES)
