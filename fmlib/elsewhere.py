"""What makes a classifier hold on photographs of another kind? One network, and changes to its recipe.

The network is the compact one, which in a short report sees more and larger images than the architectures of the other
studies, in the same time. Arms see about equally many images, two of them twice as many; all but one, which shows
what is learned by heart, are trained on the grouped split. Where each is trained once, parts cannot be told apart, and
only the whole is held against the usual recipe. Photographs of other collections are only judged, after everything is
decided.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

import pandas as pd

from fmlib import comparison, evaluation, judgement, runs, studies, wording
from fmlib.config import ClassifierConfig
from fmlib.data import splits
from fmlib.runs import Run
from fmlib.stage import Stage

MODEL = "compact"
SIDE = 96  # px, at most
LONGER = 3  # times the epochs of the architecture study, at most
ENOUGH = 80_000  # images seen, from which no epochs are added
PASTED = 4000  # rendered faces whose masks are pasted
SAME_RECIPE, LEAKING = "no blending", "no blending, official split"
FAR, FAR_PASTED, FAR_MAX = "elsewhere", "elsewhere, pasted masks", "elsewhere, pasted masks, maximum"
STRONG_LONG, FAR_LONG = "strong, twice as long", f"{FAR_MAX}, twice as long"
ARMS = {  # name -> what is changed
    "classic": {"augmentation": "classic"},
    "strong": {"augmentation": "strong"},
    STRONG_LONG: {"augmentation": "strong", "times": 2},
    SAME_RECIPE: {"augmentation": "gentle"},
    LEAKING: {"augmentation": "gentle", "split": "official"},
    FAR: {"augmentation": "elsewhere"},
    FAR_PASTED: {"augmentation": "elsewhere", "pasted": PASTED},
    FAR_MAX: {"augmentation": "elsewhere", "pasted": PASTED, "model": "compact-max"},
    FAR_LONG: {"augmentation": "elsewhere", "pasted": PASTED, "model": "compact-max", "times": 2},
}
TRAINED_ONCE = (FAR_MAX, FAR_LONG)  # all of a profile with a single seed, beside the usual recipe
# arm -> those that it differs from in one part, the last from another recipe as well; the others, and those of whose
# baselines one is not there, are held against the first
BASELINES = {
    STRONG_LONG: ("strong",),
    LEAKING: (SAME_RECIPE,),
    FAR_PASTED: (FAR,),
    FAR_MAX: (FAR_PASTED,),
    FAR_LONG: (FAR_MAX, STRONG_LONG),
}
DESCRIBED = {  # baselines that are more than an augmentation
    SAME_RECIPE: "trained without blending, on the grouped split",
    FAR: "for elsewhere, without pasted masks",
    FAR_PASTED: "for elsewhere, with pasted masks, without the maximum",
    FAR_MAX: "for elsewhere, with pasted masks and the maximum, trained half as long",
    STRONG_LONG: "without the maximum, with strong augmentation, trained as long",
}
METRICS = ("balanced_accuracy", "f1", "auc", "ece_calibrated")


def configs(stage: Stage) -> dict[str, list[ClassifierConfig]]:
    """Return the configurations of every arm, one for each seed, first that with the augmentation of so long a run.

    None for rendered data, where nothing is elsewhere; none on the official split of a set that publishes no split.
    """
    if stage.data_config.dataset == "synthetic":
        return {}
    own = {split: _base(stage, split) for split in splits.schemes(stage.data.manifest)}
    wanted = {arm: (own.get(changes.get("split", "grouped")), changes) for arm, changes in ARMS.items()}
    arms = {
        arm: [_changed(one, **changes) for one in base] for arm, (base, changes) in wanted.items() if base
    }
    long = own["grouped"][0]
    usual = studies.recipe(studies.train_size(stage, "grouped") * long.epochs, stage.data_config.dataset)
    return {usual: arms[usual]} | arms


def _changed(config: ClassifierConfig, times: int = 1, **fields) -> ClassifierConfig:
    """Return a configuration with other fields, and so many times its epochs."""
    return replace(config, epochs=times * config.epochs, **fields)


def _base(stage: Stage, split: str) -> list[ClassifierConfig]:
    """Return the configurations on a split, one for each seed: of the study's epochs and pixels, or of more."""
    study = [config for config in studies.architecture_configs(stage, split) if config.model == "resnet18"]
    size, epochs = studies.train_size(stage, split), study[0].epochs
    epochs = max(epochs, min(LONGER * epochs, round(ENOUGH / size)))
    side = max(stage.profile.side, min(SIDE, stage.profile.side * 3 // 2))
    return [replace(one, model=MODEL, side=side, epochs=epochs) for one in study]


def trained(stage: Stage, arms: Collection[str] | None = None) -> dict[str, list[Run]]:
    """Return the runs of these arms, one for each seed; by default those that the profile has seeds for."""
    every = configs(stage)
    if arms is None:
        arms = every if stage.profile.seeds > 1 else (*list(every)[:1], *TRAINED_ONCE)
    asked = [(arm, config) for arm, seeds in every.items() if arm in arms for config in seeds]
    found: dict[str, list[Run]] = {}
    for (arm, _), run in zip(asked, runs.get_all(config for _, config in asked), strict=True):
        found.setdefault(arm, []).append(run)
    return found


def named(arms: dict[str, list[Run]]) -> dict[str, list[Run]]:
    """Return the runs of every arm of the grouped split by the name that results have for it."""
    return {f"{MODEL} {arm}": found for arm, found in arms.items() if found[0].config.split == "grouped"}


def predictions(stage: Stage, arms: dict[str, list[Run]]) -> pd.DataFrame:
    """Return every arm's predictions on all views, as `evaluation.predictions` does, and the column `arm`."""
    parts = [
        evaluation.predictions(stage.data, stage.external, found).assign(arm=arm)
        for arm, found in arms.items()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["arm", "view"])


def scores(stage: Stage, table: pd.DataFrame) -> pd.DataFrame:
    """Return every metric of every arm and seed on all views with intervals, and the column `arm`."""
    parts = [
        evaluation.scores(rows, stage.seed).assign(arm=arm) for arm, rows in table.groupby("arm", sort=False)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def record(stage: Stage, table: pd.DataFrame, gaps: pd.DataFrame) -> None:
    """Record the scores and the gains (as of `gains`)."""
    if table.empty:
        return
    stage.record(table.assign(model=f"{MODEL} " + table["arm"], augmentation=table["arm"]))
    arms = f"{MODEL} " + gaps["arm"] + " - " + gaps["baseline"]
    metric = gaps["metric"] + "_difference"
    stage.record(gaps.assign(model=arms, metric=metric, value=gaps["difference"]))


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the scores, averaged over seeds, as text with intervals: arms and metrics down, views across."""
    if table.empty:
        return table
    part = evaluation.over_seeds(table[table["metric"].isin(METRICS)].assign(model=lambda rows: rows["arm"]))
    text = [wording.with_interval(row.value, row.low, row.high) for row in part.itertuples()]
    columns = {"recipe": part["model"], "metric": part["metric"].map(wording.label)}
    frame = pd.DataFrame({**columns, "view": part["view"].map(wording.label), "text": text})
    views = list(dict.fromkeys(frame["view"]))
    return frame.pivot(index=["recipe", "metric"], columns="view", values="text")[views]


def gains(stage: Stage, table: pd.DataFrame, metric: str = "balanced_accuracy") -> pd.DataFrame:
    """Compare each arm on the same images with its `BASELINES`, or with the first arm.

    Returns:
        DataFrame with arm, baseline, view, metric, difference, low, high, n and verdict. The intervals cover the choice
        of images, and of seeds where there are several; they are not corrected for the number of comparisons.
    """
    rows, arms = [], list(dict.fromkeys(table["arm"]))
    by_arm = table.assign(model=table["arm"], split="")
    for view in dict.fromkeys(table["view"]):
        labels, said, groups = judgement.aligned(by_arm, "", view)
        if view == "validation" or len(set(labels)) < 2:
            continue
        for arm, baseline in _compared(arms):
            gap = comparison.paired_bootstrap(
                labels, said[arm], said[baseline], groups, metric, seed=stage.seed
            )
            verdict = "better" if gap.low > 0 else "worse" if gap.high < 0 else "cannot be told apart"
            rows.append((arm, baseline, view, metric, gap.value, gap.low, gap.high, gap.n, verdict))
    columns = ["arm", "baseline", "view", "metric", "difference", "low", "high", "n", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _compared(arms: list[str]) -> Iterator[tuple[str, str]]:
    """Yield every arm but the first with each that it is held against."""
    for arm in arms[1:]:
        wanted = BASELINES.get(arm, ())
        there = [baseline for baseline in wanted if baseline in arms]
        first = [] if there and len(there) == len(wanted) else arms[:1]
        yield from ((arm, baseline) for baseline in there + first)


def sentence(gaps: pd.DataFrame) -> str:
    """Say what each arm changed on each view, against what."""
    if gaps.empty:
        return "On rendered faces this question does not arise; it is asked of sets of photographs."
    parts = []
    for baseline, rows in gaps.groupby("baseline", sort=False):
        lines = [
            f"* {row.arm.capitalize()}, {wording.label(row.view)}: {wording.label(row.metric).lower()} "
            f"{wording.with_interval(row.difference, row.low, row.high, '+.3f')}, {row.verdict}."
            for row in rows.itertuples()
        ]
        of = DESCRIBED.get(baseline, f"with {baseline} augmentation")
        parts.append(f"Against the {wording.label(MODEL)} {of}:\n\n" + "\n".join(lines))
    return "\n\n".join(parts)
