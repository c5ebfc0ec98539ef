"""The tables of the README and of pages in docs/, made from published results: `python -m fmlib.readme`."""

from pathlib import Path

import pandas as pd

from fmlib import evaluation
from fmlib.config import REPO
from fmlib.models import BUILDERS
from fmlib.wording import label

PAGES = (REPO / "README.md", REPO / "docs" / "recipe.md", REPO / "docs" / "results.md")
PUBLISHED = REPO / "figures" / "face-mask-12k"
RESULTS, LEAK = PUBLISHED / "results.csv", PUBLISHED / "leak.csv"
COMPACT = PUBLISHED / "compact.csv"  # rows of one more model
RECIPE = PUBLISHED / "recipe.csv"
IMPROPER_WEAR = REPO / "figures" / "synthetic" / "improper_wear.csv"
ELSEWHERE = PUBLISHED / "elsewhere.csv"
# of validation images, whose scores are shown
CHANGED = ("as they are", "70% of the frame's side", "50% of the frame's side", "grey")
CONTENDERS = PUBLISHED / "contenders.csv"
FAITHFULNESS = PUBLISHED / "gradcam_faithfulness.csv"
FEW_IMAGES = [PUBLISHED / f"{name}.csv" for name in ("vae_gains", "dae_pretraining_gains")]
ORIGINAL = {"precision": 0.8448, "recall": 0.7538, "f1": 0.7967}  # as the original report published them


def score_table(results: pd.DataFrame) -> str:
    """Return a Markdown table of every model's scores on the test images and elsewhere, by the split it trained on.

    Scores are means over seeds; F1 also has its range over them.
    """
    rows = results[results.split.notna() & results.train_size.isna() & results.model.isin(BUILDERS)]
    stage = "metrics" if (rows.stage == "metrics").any() else "classifier"  # both score the architectures
    rows = rows[rows.stage == stage]
    views = [view for view in rows["view"].dropna().unique() if view.startswith("external:")]
    names = ["precision", "recall", "F1 (95% interval)", "F1 of each seed", "AUC"]
    names += [f"balanced accuracy on {label(view)}" for view in views]
    original = " | ".join(f"{value:.4f}" for value in ORIGINAL.values())
    lines = [f"| model | trained on | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    lines.append(f"| original report | as published | {original} |{' |' * (len(names) - 3)}")
    elsewhere = [(view, "balanced_accuracy") for view in views]
    means = evaluation.over_seeds(rows).set_index(["view", "metric"])
    for (split, model), part in rows.groupby(["split", "model"], sort=False):
        found = means[(means["split"] == split) & (means.model == model)]
        if not {("test", "f1"), ("test", "auc"), *elsewhere} <= set(found.index):
            continue
        cells = [f"{found.loc['test', name].value:.4f}" for name in ("precision", "recall")]
        cells.append(_with_interval(found.loc["test", "f1"]))
        seeds = part[(part["view"] == "test") & (part.metric == "f1")].value
        cells += [" ".join(f"{value:.4f}" for value in seeds), f"{found.loc['test', 'auc'].value:.4f}"]
        cells += [_with_interval(found.loc[key]) for key in elsewhere]
        lines.append(f"| {label(model)} | {label(split)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _with_interval(score: pd.Series, form: str = ".4f", to: str = "–") -> str:
    """A score with its interval where it has one."""
    ends = "" if pd.isna(score.low) else f" ({score.low:{form}}{to}{score.high:{form}})"
    return f"{score.value:{form}}{ends}"


def leak_table(scores: pd.DataFrame) -> str:
    """Return a Markdown table of one recipe's scores by split and view, from what `benchmarks/leak.py` wrote."""
    splits = ("grouped", "official", "official - grouped")
    lines = ["| judged on | score | grouped split | official split | difference |", "|---|---|---|---|---|"]
    cells = scores.set_index(["view", "metric", "split"])
    for view in scores["view"].unique():
        one_class = cells.value.isna().get((view, "auc", "grouped"), True)
        for metric in ("accuracy",) if one_class else ("balanced_accuracy", "f1", "auc"):
            found = [cells.loc[(view, metric, split)] for split in splits]
            texts = [*map(_with_interval, found[:2]), _with_interval(found[2], "+.4f", " to ")]
            of = f"{label(view)}, {int(found[0].n)} images"
            lines.append(f"| {of} | {label(metric)} | {' | '.join(texts)} |")
    return "\n".join(lines)


def gains_table(gains: pd.DataFrame) -> str:
    """Return a Markdown table of paired differences in balanced accuracy, a column per number of images per class."""
    sizes = sorted(gains.per_class.unique())
    lines = [f"| images per class | {' | '.join(map(str, sizes))} |", "|---" * (len(sizes) + 1) + "|"]
    for (arm, baseline), part in gains.groupby(["arm", "baseline"], sort=False):
        cells = part.rename(columns={"difference": "value"}).set_index("per_class")
        found = [
            _with_interval(cells.loc[size], "+.3f", " to ") if size in cells.index else "" for size in sizes
        ]
        lines.append(f"| {label(arm)} against {label(baseline)} | {' | '.join(found)} |")
    return "\n".join(lines)


def faithfulness_table(found: pd.DataFrame) -> str:
    """Return a Markdown table of how much better Grad-CAM's order is than others, by `benchmarks/faithfulness.py`."""
    rows = found[found["maps"] == "gradcam"]
    columns = rows[["kind", "over"]].drop_duplicates()
    names = [f"{kind}, against {'' if 'centre' in over else 'a '}{over}" for kind, over in columns.values]
    lines = [f"| model | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for model, part in rows.groupby("model", sort=False):
        cells = part.set_index(["kind", "over"])[["advantage", "low", "high"]]
        gaps = ["{:+.3f} ({:+.3f} to {:+.3f})".format(*cells.loc[tuple(key)]) for key in columns.values]
        lines.append(f"| {label(model)} | {' | '.join(gaps)} |")
    return "\n".join(lines)


def wear_table(found: pd.DataFrame) -> str:
    """Return a Markdown table of the errors by the way a mask is worn, by `benchmarks/improper_wear.py`."""
    ways = {"proper": "properly worn, missed", "under_nose": "below the nose, called a mask"}
    ways |= {"on_chin": "on the chin, called a mask", "none": "no mask, called one"}
    lines = [
        f"| model | augmentation | rendered faces | {' | '.join(ways.values())} |",
        "|---" * (len(ways) + 3) + "|",
    ]
    for (view, model, augmentation), part in found.groupby(["view", "model", "augmentation"], sort=False):
        of = part.set_index("wear")
        cells = [
            "{0.errors:.0f} of {0.n:,.0f}: {0.rate:.4f} ({0.low:.4f}–{0.high:.4f})".format(of.loc[way])
            if way in of.index
            else ""
            for way in ways
        ]
        lines.append(f"| {label(model)} | {augmentation} | {label(view)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def recipe_table(found: pd.DataFrame) -> str:
    """Return a Markdown table of what changes of the recipe bring, by `benchmarks/recipe.py`."""
    lines = [
        "| model | recipe | folds | errors | balanced accuracy | difference |",
        "|---|---|---|---|---|---|",
    ]
    for row in found.itertuples():
        gap = ""
        if not pd.isna(row.difference):
            gap = f"{row.difference:+.4f} ({row.low:+.4f} to {row.high:+.4f}) against {row.baseline}"
            gap += f", {row.paired:.0f} folds" if row.paired > 1 else ", 1 fold"
        errors, folds = f"{row.errors} of {row.images:,}", len(row.folds.split())
        cells = [label(row.model), row.change, str(folds), errors, f"{row.balanced_accuracy:.4f}", gap]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def contenders_table(found: pd.DataFrame) -> str:
    """Return a Markdown table of optimizers and activations, by `benchmarks/contenders.py`."""
    lines = ["| | learning rate | F1 (95% interval) | F1 of each seed | |", "|---|---|---|---|---|"]
    for row in found.itertuples():
        cells = [label(row.model), f"{row.learning_rate:.3g}", _with_interval(row), row.seeds, row.verdict]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def elsewhere_table(found: pd.DataFrame) -> str:
    """Return a Markdown table of the recipes for elsewhere, by `benchmarks/elsewhere.py`."""
    rows = found[found.split.notna() & ~found.metric.str.endswith("_difference")]
    means = evaluation.over_seeds(rows).set_index(["view", "metric"])
    views = [view for view in rows["view"].unique() if view.startswith("external:")]
    shown = {"F1 on test": ("test", "f1")}
    for view in views:
        shown |= {
            f"balanced accuracy on {label(view)}": (view, "balanced_accuracy"),
            f"AUC on {label(view)}": (view, "auc"),
        }
    changed = {f"validation, {name}": (f"validation:{name}", "balanced_accuracy") for name in CHANGED}
    lines = [f"| recipe | trained on | {' | '.join([*shown, *changed])} |"]
    lines.append("|---" * (2 + len(shown) + len(changed)) + "|")
    for (split, model), _ in rows.groupby(["split", "model"], sort=False):
        own = means[(means["split"] == split) & (means["model"] == model)]
        cells = [_with_interval(own.loc[key]) for key in shown.values()]
        cells += [_with_interval(own.loc[key], ".3f") if key in own.index else "" for key in changed.values()]
        name = label(model).removeprefix("compact network, ")
        lines.append(f"| {name} | {label(split)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def with_table(text: str, name: str, table: str) -> str:
    """Return a text with the table between the marks of this name replaced; as it is if it has no such marks."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, mark, rest = text.partition(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}" if mark else text


MEASURED = (  # name, what a benchmark wrote, how it is shown
    ("leak", LEAK, leak_table),
    ("faithfulness", FAITHFULNESS, faithfulness_table),
    ("recipe", RECIPE, recipe_table),
    ("contenders", CONTENDERS, contenders_table),
    ("elsewhere", ELSEWHERE, elsewhere_table),
    ("improper wear", IMPROPER_WEAR, wear_table),
)


def with_tables(text: str) -> str:
    """Return a page's text with its tables made anew from the published results."""
    scored = [pd.read_csv(path) for path in (RESULTS, COMPACT) if path.exists()]
    text = with_table(text, "scores", score_table(pd.concat(scored)))
    for name, path, table in MEASURED:
        text = with_table(text, name, table(pd.read_csv(path))) if path.exists() else text
    few = [pd.read_csv(path) for path in FEW_IMAGES if path.exists()]
    return with_table(text, "few images", gains_table(pd.concat(few))) if few else text


def update(pages: tuple[Path, ...] = PAGES) -> None:
    """Rewrite the tables of these pages from the published results."""
    for page in pages:
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    update()
