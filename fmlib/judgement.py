"""What the metrics stage may say: every sentence follows from measured values and their intervals."""

from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from scipy import stats

from fmlib import comparison
from fmlib.data.sources import Dataset
from fmlib.text import name
from fmlib.wording import counted, label, with_interval


def aligned(
    table: pd.DataFrame, split: str, view: str
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Predictions of one split's models on one view, image by image.

    Returns:
        labels (N); model -> probabilities (seeds, N); groups (N).
    """
    part = table[(table["split"] == split) & (table["view"] == view)]
    images = part.drop_duplicates("path").set_index("path")
    models = {
        model: rows.pivot(index="seed", columns="path", values="probability")[images.index].to_numpy()
        for model, rows in part.groupby("model", sort=False)
    }
    return images.label.to_numpy(), models, images.group.to_numpy()


def leak(table: pd.DataFrame, metric: str = "f1", seed: int = 0) -> pd.DataFrame:
    """What training on the official split adds to a metric: columns model, view, difference, low, high, n."""
    columns = ["model", "view", "difference", "low", "high", "n"]
    if "official" not in set(table["split"]):
        return pd.DataFrame(columns=columns)
    rows = []
    for view in _views(table):
        labels, official, groups = aligned(table, "official", view)
        if labels.all() or not labels.any():
            continue  # of one class alone these scores are not defined
        grouped = aligned(table, "grouped", view)[1]
        for model in official.keys() & grouped.keys():
            gap = comparison.paired_bootstrap(
                labels, official[model], grouped[model], groups, metric, seed=seed
            )
            rows.append((model, view, gap.value, gap.low, gap.high, gap.n))
    return pd.DataFrame(rows, columns=columns).sort_values(["view", "model"], ignore_index=True)


def readable(summary: pd.DataFrame, *metrics: str) -> pd.DataFrame:
    """Metrics as text with their intervals: models, splits and metrics down, views across."""
    part = summary[summary.metric.isin(metrics)]
    text = [with_interval(row.value, row.low, row.high) for row in part.itertuples()]
    names = {"model": part.model.map(label), "split": part["split"], "score": part.metric.map(label)}
    frame = pd.DataFrame({**names, "view": part["view"].map(label), "text": text})
    columns = list(dict.fromkeys(frame["view"]))
    return frame.pivot(index=[*names], columns="view", values="text")[columns]


def unread_sentence(external: dict, shown: int = 3) -> str:
    """How many files and folders of the external sets were not read, and why the first of them; "" if all were.

    Args:
        external: name -> data set.
    """
    lines = []
    for title, data in external.items():
        if len(data.unreadable):
            first = data.unreadable.head(shown).itertuples()
            why = "; ".join(f"{name(PurePosixPath(row.path).name)}: {row.reason}" for row in first)
            lines.append(f"* {len(data.unreadable):,} of {title} (all with `python -m fmlib audit`): {why}.")
    told = "Files and folders that were not read, and of which nothing is said:"
    return "\n".join([told, "", *lines]) if lines else ""


def ranking_sentence(ranking: pd.DataFrame, metric: str = "f1") -> str:
    """Which models lead, and which cannot be told apart from them."""
    best, rest = ranking.iloc[0], ranking.iloc[1:]
    text = f"{label(best.model)} scores highest ({label(metric)} {best.value:.3f})"
    if not len(rest):
        return f"{text}; it is the only model."
    if (ranking.value == best.value).all():
        everyone = _listed([label(model) for model in ranking.model])
        return f"{everyone} score the same ({label(metric)} {best.value:.3f})."
    tied = [label(model) for model in rest.model[rest.verdict == "cannot be told apart from the best"]]
    behind = [label(model) for model in rest.model[rest.verdict == "worse than the best"]]
    parts = [f"{_listed(tied)} cannot be told apart from it"] if tied else []
    parts += [f"{_listed(behind)} {'are' if len(behind) > 1 else 'is'} worse"] if behind else []
    return f"{text}; {', '.join(parts)}."


def leak_sentence(gaps: pd.DataFrame, metric: str = "f1") -> str:
    """What the official split brings on the published test images, beside what it brings on the clean ones."""
    if gaps.empty:
        return "This set publishes no split, so there is no leaking one to compare with."
    said = []
    for view in ("test", "clean"):
        for row in gaps[gaps["view"] == view].itertuples():
            sure = ", which cannot be told from nothing" if row.low <= 0 <= row.high else ""
            gap = with_interval(row.difference, row.low, row.high, "+.3f")
            said.append(f"* {label(row.model)}, {label(view)}: {gap}{sure}.")
    return (
        f"Trained on the official split instead of the grouped one, {label(metric)} changes by:\n\n"
        + "\n".join(said)
    )


def calibration_sentence(summary: pd.DataFrame) -> str:
    """Mean ECE over models before and after temperature scaling, and what a calibrated model would show, by view."""
    part = summary[summary.metric.isin(["ece", "ece_calibrated", "ece_by_chance"])]
    mean = part.groupby(["view", "metric"], sort=False)[["value", "high"]].mean().unstack()
    lines = [
        f"{value.ece:.3f} to {value.ece_calibrated:.3f} on {label(view)} (perfectly calibrated models would show "
        f"{value.ece_by_chance:.3f} by chance, rarely more than {mean.high.ece_by_chance[view]:.3f})"
        for view, value in mean["value"].iterrows()
    ]
    return f"Temperature scaling changes the mean ECE from {_listed(lines)}."


def shared_sentence(table: pd.DataFrame) -> str:
    """How many images of one view every run misclassifies, and the F1 of an oracle that picks a run for each image.

    Args:
        table: predictions of one view by the runs of one split.
    """
    right = (table.probability >= 0.5) == (table.label == 1)
    facts = {"label": "first", "group": "first", "right": "any"}
    images = table.assign(right=right).groupby("path").agg(facts)
    runs = f"{counted(table.run.nunique(), 'run')} of {counted(table.model.nunique(), 'model')}"
    wrong = images[~images.right]
    if wrong.empty:
        return f"Each of these {len(images):,} images is classified correctly by at least one of the {runs}."
    missed, count = int(wrong.label.sum()), len(wrong)
    text = (
        f"{counted(count, 'image')} of {len(images):,}, of {counted(wrong.group.nunique(), 'group')}, "
        f"{'is' if count == 1 else 'are'} misclassified by all {runs}: {missed} as a missed mask, {count - missed} as "
        "a false alarm."
    )
    said = np.where(images.right, images.label, 1 - images.label)
    score = comparison.seed_scores(images.label, said, "f1")[0]
    oracle = f" An oracle that picks the best run for each image would have an F1 of {score:.4f}."
    return text if np.isnan(score) else text + oracle


def kinds_sentence(breakdown: pd.DataFrame, model: str, errors: float) -> str:
    """Kinds of pictures that a model gets wrong more often than the other pictures, the four worst.

    Args:
        breakdown: as of `evaluation.breakdowns`, of one view and split.
        errors: the model's error rate on all images of the view.
    """
    if breakdown.empty:
        return "Nothing is known of these pictures but their class; the worst are shown."
    part = breakdown[breakdown.model == model]
    part = part[more_often(part) < 0.05]
    intro = f"{label(model)} errs on {errors:.1%} of all test images"
    if part.empty:
        return f"{intro}; no kind of picture stands out beyond what chance explains."
    worst = part.nlargest(4, "rate")
    kinds = [
        f"{label(row.attribute).lower()} “{row.value.replace('_', ' ')}” {row.rate:.1%} [{row.low:.1%}, {row.high:.1%}]"
        for row in worst.itertuples()
    ]
    return f"{intro}, and clearly more often on {_listed(kinds)}."


def more_often(part: pd.DataFrame) -> np.ndarray:
    """Is a kind of picture misclassified more often than the others? Fisher's exact p values, one-sided, after Holm.

    Args:
        part: one model's rows of a breakdown (N), columns attribute, n and errors. The other pictures are those of
            the attribute's other rows. Errors averaged over seeds are rounded: the test counts images, and takes them
            as independent.

    Returns:
        N p values, all N tests taken together (Holm 1979).
    """
    whole = part.groupby("attribute")[["n", "errors"]].transform("sum")
    hits = part.errors.round() - 1
    return comparison.holm(stats.hypergeom.sf(hits, whole.n, whole.errors.round(), part.n))


def known_images(data: Dataset, external: dict[str, Dataset]) -> dict[str, int]:
    """Return, by view, how many images of each external set are images of the data set as well, byte for byte."""
    return {
        f"external:{name}": int(other.manifest["sha256"].isin(data.manifest["sha256"]).sum())
        for name, other in external.items()
    }


def external_sentence(summary: pd.DataFrame, known: dict[str, int]) -> str:
    """How the model that does best on the test images does on other sets; `known`: as of `known_images`."""
    part = summary[summary["split"] == "grouped"]
    values = part.pivot_table(index=["model", "view"], columns="metric", values="value", sort=False)
    tests = values.xs("test", level="view").balanced_accuracy
    best = tests.idxmax()
    rows = [(view, row) for view, row in values.loc[best].iterrows() if str(view).startswith("external:")]
    if not rows:
        return "No pictures of another origin were given (`external`); these scores say nothing of them."
    said = [
        f"{row.balanced_accuracy:.3f} on {label(view)}"
        + (" (one class only: no AUC)" if np.isnan(row.get("auc", np.nan)) else f" (AUC {row.auc:.3f})")
        for view, row in rows
    ]
    sentence = f"{label(best)}, with a balanced accuracy of {tests[best]:.3f} on the test images, has {_listed(said)}."
    same = [f"{count} images of {label(view)}" for view, count in known.items() if count]
    if not same:
        return sentence
    return f"{sentence} But {_listed(same)} are images of the data set as well, byte for byte."


def _views(table: pd.DataFrame) -> list[str]:
    """Views in their order, without validation."""
    return [view for view in dict.fromkeys(table["view"]) if view != "validation"]


def _listed(items: list[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]])) if items else ""
