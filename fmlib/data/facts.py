"""The data stage's facts in the forms that its notebook shows: a data sheet, results rows, pairs, sentences."""

import numpy as np
import pandas as pd

from fmlib.data import shortcuts, splits
from fmlib.data.audit import Audit
from fmlib.data.resolution import THROUGH, matched
from fmlib.data.sources import Dataset
from fmlib.data.splits import draw

SEEN = tuple(name for name in shortcuts.SHORTCUTS if name not in shortcuts.FOUND_IN_FILES)


def sheet(dataset: Dataset, audit: Audit) -> pd.DataFrame:
    """The data sheet: what a reader has to know before using the set."""
    table = dataset.manifest
    scored = splits.views(table)
    facts = dict(dataset.sheet) | {
        "images": f"{len(table):,} ({table['label'].sum():,} with mask), {len(dataset.unreadable)} unreadable",
        "sizes": f"{table['width'].min()}x{table['height'].min()} to {table['width'].max()}x{table['height'].max()} px",
        "origins": f"{table['group'].nunique():,} groups; the largest holds {table['group'].value_counts().iloc[0]}",
        "pictures of nothing": f"{len(audit.blank)}",
        "groups with both labels": f"{len(audit.conflicts)}",
        "views": f"test: {len(scored['test']):,} images; clean: {len(scored['clean']):,}",
        "fingerprint": dataset.fingerprint,
    }
    return pd.DataFrame({"": facts.keys(), "value": facts.values()}).set_index("")


def rows(audit: Audit, scored: dict[str, pd.DataFrame]) -> list[dict]:
    """Results rows of the stage: counts, leaks and what shortcuts score (split -> table of `scores`)."""
    leaked = audit.leaks.get("test", {"share an origin": 0, "images": 0})
    counts = [
        {"metric": "images", "value": audit.images},
        {"metric": "unreadable", "value": len(audit.unreadable)},
        {"metric": "duplicate_groups", "value": len(audit.groups), "n": audit.images},
        {"metric": "leaked_test", "value": leaked["share an origin"], "n": leaked["images"], "view": "test"},
    ]
    found = [
        {"metric": "shortcut_accuracy", "model": row.shortcut, "split": split, "view": "test"}
        | {"value": row.accuracy, "low": row.low, "high": row.high, "n": row.n}
        for split, table in scored.items()
        for row in table.itertuples()
    ]
    return counts + found


def samples(dataset: Dataset, count: int, seed: int) -> list[list[int]]:
    """Rows to show of each class: the first `count` origins in the seed's order, one image each."""
    table = dataset.manifest
    order = table.assign(number=draw(table["path"], f"samples/{seed}")).sort_values("number")
    order = order.drop_duplicates("group")
    return [order.index[order["label"] == label][:count].tolist() for label in (0, 1)]


def leaking_pairs(dataset: Dataset, count: int, seed: int) -> list[tuple[int, int, str]]:
    """Rows of test images and of a training image of the same group, and how they differ if that is known."""
    table = dataset.manifest
    trained = (
        table[table["split"] == "train"].reset_index().drop_duplicates("group").set_index("group")["index"]
    )
    leaked = table[(table["split"] == "test") & table["group"].isin(trained.index)]
    leaked = leaked.assign(number=draw(leaked["path"], f"leaks/{seed}")).sort_values("number")
    leaked = leaked.drop_duplicates("group")[:count]
    return [
        (row, int(trained[group]), _how(table, row, int(trained[group])))
        for row, group in leaked["group"].items()
    ]


def _how(table: pd.DataFrame, test: int, train: int) -> str:
    if table["sha256"][test] == table["sha256"][train]:
        return "same bytes"
    if "copy" not in table:
        return ""
    made = [name for name in (table["copy"][test], table["copy"][train]) if name]
    return " + ".join(made)


def matched_scores(dataset: Dataset, side: int, progress: bool = True) -> pd.DataFrame:
    """What shortcuts score on pixels of `side` px without their margin, of no more detail than `THROUGH` px hold."""
    pixels = shortcuts.measured(
        lambda row: matched(dataset.open(row), side, min(THROUGH, side)), len(dataset), progress
    )
    return shortcuts.of_split(dataset, pixels, names=SEEN)


def leak_heading(audit: Audit) -> str:
    """A heading and a paragraph that say how far the published test images leak."""
    leak = audit.leaks.get("test")
    if leak is None:
        return "### This set publishes no test images, so nothing can leak into them\nThe split is made by group."
    if not leak["share an origin"]:
        return (
            "### No test image has a relative among the images to train and validate on\n"
            f"None of the {leak['images']:,} is found again there, by name, bytes or looks."
        )
    share = leak["share an origin"] / leak["images"]
    return (
        f"### {leak['share an origin']:,} of {leak['images']:,} test images ({share:.0%}) have a relative among the "
        f"images to train and validate on\n{leak['same bytes']:,} of them are byte-identical to one. A network that "
        f"learned these by heart would be counted as right. The `clean` view leaves all of them out; the grouped "
        f"split keeps their relatives out of training."
    )


def shortcut_heading(table: pd.DataFrame) -> str:
    """A heading and a paragraph: what tells the label without the face, and what its coarsest look tells."""
    if table.empty:
        return "### Too few images of each class to look for shortcuts"
    blind = table["shortcut"].isin(shortcuts.BLIND)
    strong, chance = shortcuts.strong(table[blind]), table["majority"].iloc[0]
    best = table[blind].loc[table["accuracy"][blind].idxmax()]
    if strong.empty:
        heading = (
            f"No strong shortcut beside the face: the best, {best.shortcut}, reaches {best.accuracy:.1%}"
        )
        then = f"One is called strong if its whole interval lies more than {100 * shortcuts.FAR:.0f} points above that."
    else:
        heading = (
            f"{best.shortcut.capitalize()} alone tells the label of {best.accuracy:.1%} of the test images"
        )
        others = _listed(strong[1:])
        then = f"Also far above that: {others}. " if others else ""
        then += "None of it is a mask, nor a face."
    coarse = _listed(shortcuts.strong(table[~blind]))
    looks = f" What sees the whole picture, mask and all, without any detail: {coarse}." if coarse else ""
    return (
        f"### {heading}\n95% interval {best.low:.1%} to {best.high:.1%}, learned from the grouped training images; "
        f"always answering one class scores {chance:.1%}. {then}{looks}"
    )


def _listed(table: pd.DataFrame) -> str:
    return ", ".join(f"{row.shortcut} {row.accuracy:.1%}" for row in table.itertuples())


def balance_sentence(table: pd.DataFrame, sides: dict[str, pd.Series]) -> str:
    """A paragraph on class shares and on what the grouped split costs."""
    share = table["label"].mean()
    aside = sides["grouped"] == "aside"
    text = f"{share:.0%} of all images are of the class with mask."
    if aside.any():
        masked = table.loc[aside, "label"].sum()
        text += (
            f" The grouped split leaves {aside.sum():,} images ({aside.mean():.0%}) aside, {masked:,} with and "
            f"{aside.sum() - masked:,} without a mask, and trains on {(sides['grouped'] == 'train').sum():,}."
        )
    return text


def lesson(audit: Audit, table: pd.DataFrame, scored: dict[str, np.ndarray], manifest: pd.DataFrame) -> str:
    """Which view to trust and why, and what to watch for."""
    clean = manifest["label"].iloc[scored["clean"]]
    points = [_view_advice(len(scored["test"]), int((clean == 0).sum()), int((clean == 1).sum()))]
    if audit.leaks.get("test", {}).get("share an origin"):
        points.append(
            "Train on the grouped split; what the official split's score beside it has more is the leak's, or that of "
            "more training images."
        )
    for row in shortcuts.strong(table[table["shortcut"].isin(shortcuts.BLIND)]).head(1).itertuples():
        square = " Networks get squares of one size, and see of it what the pixels still tell."
        points.append(
            f"A test score is to be read beside {row.accuracy:.1%}, which {row.shortcut} alone reaches; external "
            "images tell whether more than that was learned."
            + (square if row.shortcut in shortcuts.FOUND_IN_FILES else "")
        )
    if audit.blank:
        points.append(f"{len(audit.blank)} images show nothing; they are no evidence of a common origin.")
    return "\n".join(f"* {point}" for point in points)


def _view_advice(test: int, without: int, masked: int) -> str:
    if test == without + masked:
        return f"No test image has a relative among the training images: `clean` equals `test` ({test:,} images)."
    text = f"Of {test:,} test images {without + masked:,} are clean: {without:,} without and {masked:,} with a mask. "
    if min(without, masked) < shortcuts.LEAST:
        return text + (
            "That is too few of one class to judge a classifier by: trust `test` after training on the grouped "
            "split, where none of them has a relative, and external images."
        )
    return text + "Scores on `clean` are free of leaks whatever split a model was trained on."
