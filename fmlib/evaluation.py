"""All models on all views: predictions, scores and costs of runs as tidy tables."""

import time
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from fmlib import calibration, metrics, tables
from fmlib.data import splits
from fmlib.environment import environment
from fmlib.intervals import with_seeds

KEYS = ["model", "split", "seed", "run", "view"]
ATTRIBUTES = ("wear", "mask_kind", "skin_tone", "yaw", "occluder")
EDGES = {"yaw": (-90, -30, -10, 10, 30, 90), "skin_tone": (0, 3, 7, 10)}  # bins (left, right]
UNNAMED = {"mask_kind": "no mask", "occluder": "nothing"}
FIRST = ("none", "no mask", "nothing", "proper", "under_nose", "on_chin")  # in this order, others behind


def predictions(data, external: dict, trained: list) -> pd.DataFrame:
    """Every image of every view, as each run sees it.

    Args:
        data: the data set that the runs were trained on.
        external: name -> data set that no run was trained on.
        trained: classifier runs.

    Returns:
        A row per run, view and image: model, split, seed, run, view ("validation", "test", "clean",
        "external:<name>"), path, group, label, logit, probability, temperature (fitted to the run's validation
        images) and calibrated (the probability at that temperature).
    """
    views = {name: set(data.manifest.path.iloc[rows]) for name, rows in splits.views(data.manifest).items()}
    return pd.concat([_of_run(run, views, external) for run in trained], ignore_index=True)


def _of_run(run, views: dict[str, set], external: dict) -> pd.DataFrame:
    own = run.predictions
    validation = own[own.split == "validation"]
    parts = {"validation": validation}
    parts |= {name: own[own.path.isin(paths)] for name, paths in views.items()}
    parts |= {f"external:{name}": run.predict(other) for name, other in external.items()}
    table = pd.concat([part.assign(view=name) for name, part in parts.items()], ignore_index=True)
    t = calibration.temperature(validation.label, validation.logit)
    return table.assign(
        **{"model": run.config.model, "split": run.config.split, "seed": run.config.seed, "run": run.key},
        **{"temperature": t, "calibrated": calibration.calibrated(table.logit, t)},
    )


def scores(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Score each run on each view, with 95% intervals.

    Of calibrated probabilities there are the error (`ece_calibrated`), the error that a perfectly calibrated model with
    the same probabilities would show (`ece_by_chance`, with the interval of 95% of draws), and the temperature.
    """
    content = int(pd.util.hash_pandas_object(table[["run", "view", "path", "label", "group", "logit"]]).sum())
    return tables.remembered("scores", {"predictions": content, "seed": seed}, lambda: _scores(table, seed))


def _scores(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    parts = []
    for keys, rows in table[table["view"] != "validation"].groupby(KEYS, sort=False):
        part = metrics.scores(rows.label, rows.probability, rows.group, seed=seed)
        after = metrics.scores(rows.label, rows.calibrated, rows.group, seed=seed, only="ece")
        mean, low, high = calibration.ece_by_chance(rows.calibrated, rows.group, seed=seed)
        chance = {"metric": "ece_by_chance", "value": mean, "low": low, "high": high, "n": len(rows)}
        fitted = {"metric": "temperature", "value": rows.temperature.iloc[0], "n": len(rows)}
        after = after.assign(metric="ece_calibrated")
        part = pd.concat([part, after, pd.DataFrame([chance, fitted])], ignore_index=True)
        parts.append(part.assign(**dict(zip(KEYS, keys, strict=True))))
    return pd.concat(parts, ignore_index=True)


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Scores averaged over seeds: model, split, view, metric, value, low, high, spread, seeds, n.

    An interval covers the choice of images and of seeds (`intervals.with_seeds`); `spread` is the seeds' standard
    deviation.
    """
    by = table.groupby(["model", "split", "view", "metric"], sort=False)
    mean = by[["value", "low", "high", "n"]].mean(skipna=False)
    seeds, spread = by.size(), by["value"].std().fillna(0)
    low, high = with_seeds(mean.value, mean.low, mean.high, spread, seeds)
    bounded = ~mean.index.get_level_values("metric").isin([*metrics.COUNTS, "temperature"])
    high = high.where(~bounded, high.clip(upper=1))
    columns = {"low": low.clip(lower=0), "high": high, "spread": spread, "seeds": seeds}
    return mean.assign(**columns).reset_index()


def costs(trained: list) -> pd.DataFrame:
    """What each model costs: parameters, flops (per image), train_seconds (mean of its runs), images_per_second.

    Speed is measured on this machine, once, at the side that the model was trained with.
    """
    rows, here = [], environment()
    machine = {name: here[name] for name in ("machine", "cpu_count", "torch_threads", "device")}
    for name in dict.fromkeys(run.config.model for run in trained):
        mine = [run for run in trained if run.config.model == name]
        measured = tables.remembered("cost", {"run": mine[0].key, **machine}, lambda run=mine[0]: _cost(run))
        seconds = float(np.mean([run.seconds for run in mine]))
        rows.append({"model": name, "train_seconds": seconds, **measured.iloc[0].to_dict()})
    return pd.DataFrame(rows)


@torch.no_grad()
def _cost(run, batch: int = 64, repeats: int = 3) -> pd.DataFrame:
    """Parameters, operations per image and images per second of one run's model."""
    model = run.model()
    device = next(model.parameters()).device
    images = torch.rand(batch, 3, run.config.side, run.config.side, device=device)
    with FlopCounterMode(display=False) as counter:
        model(images[:1])
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        model(images).cpu()
        durations.append(time.perf_counter() - start)
    parameters = sum(p.numel() for p in model.parameters())
    row = {"parameters": parameters, "flops": counter.get_total_flops()}
    return pd.DataFrame([row | {"images_per_second": batch / min(durations)}])


def breakdowns(table: pd.DataFrame, data) -> pd.DataFrame:
    """Error rates by what is known of the pictures: model, split, attribute, value, n, errors, rate, low, high.

    Args:
        table: predictions of one view of `data`.
        data: data set; one without attributes gives an empty table.
    """
    columns = ["model", "split", "attribute", "value", "n", "errors", "rate", "low", "high"]
    known = [name for name in ATTRIBUTES if name in data.attributes]
    joined = table.merge(binned(data.manifest[["path", *known]]), on="path")
    parts = [
        metrics.breakdown(rows, name).assign(model=model, split=split, attribute=name)
        for (model, split), rows in joined.groupby(["model", "split"], sort=False)
        for name in known
    ]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def binned(manifest: pd.DataFrame) -> pd.DataFrame:
    """Attributes as few named categories: angles and skin tones in bins, words for what is absent."""
    table = manifest.copy()
    for name in table.columns.intersection(list(EDGES)):
        edges = EDGES[name]
        names = [_range(name, left, right) for left, right in pairwise(edges)]
        numbers = pd.to_numeric(table[name], errors="coerce")
        table[name] = pd.cut(numbers, edges, labels=names, include_lowest=True)
    for name in table.columns.intersection(list(UNNAMED)):
        table[name] = table[name].fillna("").astype(str).replace("", UNNAMED[name])
    for name in table.columns.intersection(["wear", *UNNAMED]):
        table[name] = table[name].astype(str)
        values = set(table[name])
        ordered = [value for value in FIRST if value in values] + sorted(values - set(FIRST))
        table[name] = pd.Categorical(table[name], ordered)
    return table


def _range(name: str, left: int, right: int) -> str:
    """A bin's name: skin tones are whole numbers, angles go on without end."""
    if name == "skin_tone":
        return f"{left + 1} to {right}"
    if left == -90:
        return f"below {right}°".replace("-", "−")
    name = f"above {left}°" if right == 90 else f"{left}° to {right}°"
    return name.replace("-", "−")


def worst(table: pd.DataFrame, count: int = 12) -> pd.DataFrame:
    """The images of one view that cost most loss, one of each origin, worst first.

    Returns:
        columns path, group, label, probability (mean over runs), loss (mean), wrong (runs), runs.
    """
    said = table.probability.where(table.label == 1, 1 - table.probability)
    table = table.assign(loss=-np.log(said.clip(lower=1e-7)), wrong=said < 0.5, runs=1)
    columns = {"probability": "mean", "loss": "mean", "wrong": "sum", "runs": "sum"}
    images = table.groupby(["path", "group", "label"]).agg(columns).reset_index()
    ordered = images[images.wrong > 0].sort_values("loss", ascending=False, kind="stable")
    return ordered.drop_duplicates("group").head(count).reset_index(drop=True)


def photographs(data, paths: pd.Series, side: int = 128) -> np.ndarray:
    """Images of a data set as uint8 (N, side, side, 3)."""
    row = {path: i for i, path in enumerate(data.manifest.path)}
    shape = (len(paths), side, side, 3)
    return np.array([data.open(row[path]).resize((side, side)) for path in paths], dtype=np.uint8).reshape(
        shape
    )
