"""Results rows of the Grad-CAM stage: Grad-CAM's under the plain metric names, others with their name behind."""

import numpy as np
import pandas as pd

from fmlib.bootstrap import mean_interval
from fmlib.explain.tables import CENTRE, RANDOM, RIVALS, advantage, areas
from fmlib.runs import Run
from fmlib.stage import Stage

FIELDS = ("model", "optimizer", "activation", "augmentation", "train_size", "split", "seed")


def places(stage: Stage, run: Run, measured: pd.DataFrame) -> None:
    """Record where a run's maps lie, by `attention.look`."""
    for maps, ending in (("gradcam", ""), ("gradcam++", "_gradcam++"), (RANDOM, "_random_weights")):
        _places(stage, run, measured[measured["maps"] == maps], ending)


def prior(stage: Stage, measured: pd.DataFrame) -> None:
    """Record what the centre prior reaches, as the model of that name."""
    _places(stage, None, measured, "")


def curves(stage: Stage, run: Run, table: pd.DataFrame, view: str) -> None:
    """Record the areas under a run's curves on a view, and by how much Grad-CAM's is better than the rivals'."""
    for (kind, maps), part in areas(table).groupby(["kind", "maps"], sort=False):
        _row(stage, run, f"{kind}_auc{_ending(maps)}", part["area"], part["group"], view)
    n = table["image"].nunique()
    for kind in table["kind"].unique():
        for over in RIVALS:
            gain = advantage(table, kind, over)
            _write(stage, run, f"{kind}_advantage_over{_ending(over)}", gain, n, view)


def confidence(stage: Stage, run: Run, table: pd.DataFrame) -> None:
    """Record drop in confidence and ROAD by order of pixels."""
    for maps, part in table.groupby("maps", sort=False):
        for column, metric in (("drop", "confidence_drop"), ("road", "road")):
            _row(stage, run, metric + _ending(maps), part[column], part["group"])


def classes(stage: Stage, run: Run, table: pd.DataFrame) -> None:
    """Record how alike the maps of the two classes are."""
    for logit, ending in (("less the mean", ""), ("single", "_single_logit")):
        part = table[table["logit"] == logit]
        _row(stage, run, f"class_similarity{ending}", part["similarity"], part["group"])


def borders(stage: Stage, run: Run, found: pd.Series) -> None:
    """Record energy at the border of altered images less that of others, a row of `readings.borders`."""
    gap = tuple(found[["difference", "low", "high"]])
    _write(stage, run, "border_energy_altered_less_others", gap, found["images"])


def _ending(maps: str) -> str:
    return "" if maps == "gradcam" else f"_{maps.replace(' ', '_')}"


def _places(stage: Stage, run: Run | None, table: pd.DataFrame, ending: str) -> None:
    masked = table[(table["region"] == "mask") & (table["label"] == 1)]
    metrics = (("pointing_game", "pointing"), ("energy_inside", "energy"), ("iou_top20", "iou"))
    for metric, column in metrics if len(masked) else ():
        _row(stage, run, metric + ending, masked[column], masked["group"])
    frame = table[table["region"] == "frame"]
    _row(stage, run, "border_energy" + ending, frame["energy"], frame["group"])


def _row(
    stage: Stage, run: Run | None, metric: str, values: pd.Series, groups: pd.Series, view: str = "test"
) -> None:
    measured = mean_interval(values, groups, rate=metric.startswith("pointing_game"))
    _write(stage, run, metric, measured, int(np.isfinite(values).sum()), view)


def _write(
    stage: Stage, run: Run | None, metric: str, measured: tuple[float, ...], n: int, view: str = "test"
) -> None:
    about = {name: getattr(run.config, name) for name in FIELDS} if run else {"model": CENTRE}
    value, low, high = measured
    key = run.key if run else None
    stage.row(**about, view=view, metric=metric, value=value, low=low, high=high, n=int(n), run=key)
