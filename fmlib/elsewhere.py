"""What makes a classifier hold on photographs of another kind? One network, and changes to its recipe.

Every arm sees about equally many images; all but one, which shows what is learned by heart, are trained on the grouped
split. Photographs of other collections are only judged, after everything is decided.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from fmlib import comparison, evaluation, runs, studies
from fmlib.config import ClassifierConfig
from fmlib.data import splits
from fmlib.figures import style
from fmlib.stage import Stage

MODEL = "resnet18"
PASTED = 4000  # rendered faces whose masks are pasted
SAME_RECIPE, LEAKING = "no blending", "no blending, official split"
ARMS = {  # name -> what is changed in the architecture study's recipe
    "classic": {"augmentation": "classic"},
    "strong": {"augmentation": "strong"},
    SAME_RECIPE: {"augmentation": "gentle"},
    LEAKING: {"augmentation": "gentle", "split": "official"},
    "elsewhere, pasted masks": {"augmentation": "elsewhere", "pasted": PASTED},
}
METRICS = ("balanced_accuracy", "f1", "auc", "ece_calibrated")


def configs(stage: Stage) -> dict[str, ClassifierConfig]:
    """Return the configuration of every arm, the architecture study's own first.

    None for rendered data, where nothing is elsewhere; none on the official split of a set that publishes no split.
    """
    if stage.data_config.dataset == "synthetic":
        return {}
    own = {
        split: next(config for config in studies.architecture_configs(stage, split) if config.model == MODEL)
        for split in splits.schemes(stage.data.manifest)
    }
    wanted = {arm: (own.get(changes.get("split", "grouped")), changes) for arm, changes in ARMS.items()}
    arms = {arm: replace(base, **changes) for arm, (base, changes) in wanted.items() if base}
    return {own["grouped"].augmentation: own["grouped"]} | arms


def predictions(stage: Stage) -> pd.DataFrame:
    """Return every arm's predictions on all views, as `evaluation.predictions` does, and the column `arm`."""
    asked = configs(stage)
    found = runs.get_all(asked.values())
    parts = [
        evaluation.predictions(stage.data, stage.external, [run]).assign(arm=arm)
        for arm, run in zip(asked, found, strict=True)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["arm", "view"])


def scores(stage: Stage, table: pd.DataFrame) -> pd.DataFrame:
    """Return every metric of every arm on all views with intervals, and the column `arm`."""
    parts = [
        evaluation.scores(rows, stage.seed).assign(arm=arm) for arm, rows in table.groupby("arm", sort=False)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def record(stage: Stage, table: pd.DataFrame) -> None:
    """Record the scores of all arms but the first, whose run is one of the architecture study's."""
    asked = configs(stage)
    for row in table[table["arm"] != table["arm"].iloc[0]].to_dict("records") if len(table) else ():
        arm = row["arm"]
        measured = {name: row[name] for name in ("view", "metric", "value", "low", "high", "n", "run")}
        stage.row(model=f"{MODEL} {arm}", augmentation=arm, split=asked[arm].split, **measured)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the scores as text with intervals, arms and metrics down, views across."""
    if table.empty:
        return table
    part = table[table["metric"].isin(METRICS)]
    text = [
        "not defined" if np.isnan(row.value) else f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
        for row in part.itertuples()
    ]
    columns = {"recipe": part["arm"], "metric": part["metric"].map(style.label)}
    views = part["view"].map(style.label)
    frame = pd.DataFrame({**columns, "view": views, "text": text})
    return frame.pivot(index=["recipe", "metric"], columns="view", values="text")[list(dict.fromkeys(views))]


def gains(stage: Stage, table: pd.DataFrame, metric: str = "balanced_accuracy") -> pd.DataFrame:
    """Compare each arm with the first on the same images; the leaking one with the same recipe on the grouped split.

    Returns:
        DataFrame with arm, baseline, view, difference, low, high, n and verdict.
    """
    rows, arms = [], list(dict.fromkeys(table["arm"]))
    for view in dict.fromkeys(table["view"]):
        images = {arm: rows.set_index("path") for arm, rows in table[table["view"] == view].groupby("arm")}
        if view == "validation" or images[arms[0]].label.nunique() < 2:
            continue
        for arm in arms[1:]:
            baseline = SAME_RECIPE if arm == LEAKING else arms[0]
            first = images[baseline]
            probability = images[arm].probability.loc[first.index]
            gap = comparison.paired_bootstrap(
                first.label, probability, first.probability, first.group, metric, seed=stage.seed
            )
            verdict = "better" if gap.low > 0 else "worse" if gap.high < 0 else "cannot be told apart"
            rows.append((arm, baseline, view, gap.value, gap.low, gap.high, gap.n, verdict))
    return pd.DataFrame(
        rows, columns=["arm", "baseline", "view", "difference", "low", "high", "n", "verdict"]
    )


def sentence(gaps: pd.DataFrame) -> str:
    """Say what each arm changed on each view, and what the official split is worth to one of them."""
    if gaps.empty:
        return "On rendered faces this question does not arise; it is asked of sets of photographs."
    parts = []
    for baseline, rows in gaps.groupby("baseline", sort=False):
        lines = [
            f"* {row.arm.capitalize()}, {style.label(row.view)}: {row.difference:+.3f} "
            f"[{row.low:+.3f}, {row.high:+.3f}] balanced accuracy, {row.verdict}."
            for row in rows.itertuples()
        ]
        of = (
            "without blending, on the grouped split"
            if baseline == SAME_RECIPE
            else f"with {baseline} augmentation"
        )
        parts.append(f"Against the same {style.label(MODEL)} {of}:\n\n" + "\n".join(lines))
    return "\n\n".join(parts)
