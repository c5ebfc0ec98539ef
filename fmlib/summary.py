"""What the results say at a glance: the answer in a sentence, what the official split brought, models by views."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from fmlib.intervals import with_seeds
from fmlib.wording import label

SPLITS = {
    "grouped": "Trained without leaks (grouped split)",
    "official": "Trained as published (official split)",
}
STAGES = ("metrics", "classifier")  # where the comparison of architectures is looked for, in this order


@dataclass(frozen=True)
class Score:
    """F1 of one model, trained on one split and scored on one view."""

    model: str
    split: str
    view: str
    value: float
    low: float | None
    high: float | None
    n: int | None
    row: int  # the first of its rows, as counted in results.json
    best: bool = False

    @property
    def label(self) -> str:
        return label(self.model)


def scores(rows: Sequence[dict], metric: str = "f1") -> dict[tuple[str, str, str], Score]:
    """The scores of the architectures by (split, view, model); several seeds are averaged."""
    for stage in STAGES:
        found: dict[tuple[str, str, str], dict[int, dict]] = {}
        for number, row in enumerate(rows):
            if row["stage"] == stage and row["metric"] == metric and _plain(row):
                found.setdefault((row["split"], row["view"], row["model"]), {})[number] = row
        if found:
            return {
                key: _joined(key, list(group.values()), next(iter(group))) for key, group in found.items()
            }
    return {}


def _plain(row: dict) -> bool:
    """Whether a row scores an architecture by itself, not an arm of another study."""
    scored = row["model"] and row["split"] and row["view"] and row["value"] is not None
    return bool(scored) and not row["train_size"] and " " not in row["model"]


def _joined(key: tuple[str, str, str], rows: Sequence[dict], first: int) -> Score:
    """The mean over seeds; its interval covers the choice of images and of seeds, as in `evaluation.over_seeds`."""
    split, view, model = key
    values = [row["value"] for row in rows]
    value = fmean(values)
    low = high = None
    if all(row["low"] is not None and row["high"] is not None for row in rows):
        spread = stdev(values) if len(values) > 1 else 0.0
        ends = (fmean(row[end] for row in rows) for end in ("low", "high"))
        low, high = with_seeds(value, *ends, spread, len(values))
        low, high = max(0.0, float(low)), min(1.0, float(high))
    return Score(model, split, view, value, low, high, rows[0]["n"], first)


def summarise(rows: Sequence[dict]) -> dict:
    """What the index page shows of the results; parts that cannot be computed are None or empty."""
    found = scores(rows)
    honest = [score for (split, view, _), score in found.items() if (split, view) == ("grouped", "test")]
    honest.sort(key=lambda score: score.value, reverse=True)
    best = honest[0] if honest else None
    leak = _leak(rows, honest, found)
    return {"best": best, "leak": leak, "answer": answer(best, leak, len(honest)), "tables": tables(found)}


def _leak(
    rows: Sequence[dict], honest: Sequence[Score], found: dict[tuple[str, str, str], Score]
) -> dict | None:
    """How much more the best model trained both ways scores with the official split; paired, where measured."""
    paired = {row["model"]: row for row in rows if (row["metric"], row["view"]) == ("f1_leak", "test")}
    for score in honest:
        leaking = found.get(("official", "test", score.model))
        if leaking:
            row = paired.get(score.model, {"value": leaking.value - score.value, "low": None, "high": None})
            gain = {"gain": row["value"], "low": row["low"], "high": row["high"]}
            return {"model": score.label, "official": leaking, "grouped": score, **gain}
    return None


def answer(best: Score | None, leak: dict | None, models: int) -> str:
    """The answer in one sentence, or why there is none."""
    if best is None:
        return "This run has no classifier scored on the test images yet; run report 02 to get the answer."
    among = f"the highest-scoring of {models} networks" if models > 1 else "the network"
    text = f"Trained without relatives of the test images, {among}, {best.label}, reaches an F1 of "
    text += f"{best.value:.3f}"
    if best.low is not None:
        text += f" (95% interval {best.low:.3f} to {best.high:.3f})"
    if leak is None:
        return text + "."
    gain, who = leak["gain"], "it" if leak["model"] == best.label else leak["model"]
    if abs(gain) < 0.0005:
        return text + f"; trained on the split as published, leaks and all, {who} scores the same."
    text += f"; trained on the split as published, leaks and all, {who} scores {abs(gain):.3f} "
    text += "more" if gain > 0 else "less"
    if leak["low"] is None:
        return text + "."
    unsure = ", which may be chance" if leak["low"] <= 0 <= leak["high"] else ""
    return text + f" (paired difference {leak['low']:+.3f} to {leak['high']:+.3f}{unsure})."


def tables(found: dict[tuple[str, str, str], Score]) -> list[dict]:
    """One table of models by views for each split."""
    return [
        _table(SPLITS[split], [score for (where, _, _), score in found.items() if where == split])
        for split in SPLITS
        if any(where == split for where, _, _ in found)
    ]


def _table(title: str, scores: Sequence[Score]) -> dict:
    views = sorted({score.view for score in scores}, key=lambda view: (view != "test", view != "clean", view))
    models = list(dict.fromkeys(score.model for score in scores))
    cells = {(score.model, score.view): score for score in scores}
    winners = {view: winner([score for score in scores if score.view == view]) for view in views}
    lines = [
        {
            "label": label(model),
            "cells": [_cell(cells.get((model, view)), winners[view]) for view in views],
        }
        for model in models
    ]
    return {"title": title, "views": [label(view) for view in views], "lines": lines}


def winner(scores: Sequence[Score]) -> Score | None:
    """The score whose interval lies above every other's; None if there is no such score."""
    if len(scores) < 2 or any(score.low is None or score.high is None for score in scores):
        return None
    best = max(scores, key=lambda score: score.value)
    return best if all(score.high < best.low for score in scores if score is not best) else None


def _cell(score: Score | None, winner: Score | None) -> dict | None:
    if score is None:
        return None
    shown = {"value": score.value, "low": score.low, "high": score.high, "row": score.row}
    return shown | {"best": score is winner}
