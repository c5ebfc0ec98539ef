"""What is wrong with a folder of images: unreadable files, twins, copies, conflicting labels, leaks, shortcuts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from fmlib.config import CLASSES
from fmlib.data import groups, hashing, shortcuts, splits
from fmlib.data.sources import Dataset, read
from fmlib.errors import UsageError
from fmlib.text import printable

LISTED = 10  # entries of a list that the short text names


@dataclass(frozen=True)
class Audit:
    """Findings about one folder; lists of paths, sorted, and numbers."""

    root: str
    fingerprint: str
    images: int
    counts: dict  # split -> class -> images
    unreadable: dict  # path -> reason
    blank: list  # pictures of nothing
    twins: list  # lists of paths with the same bytes
    near: list  # pairs of paths with nearly the same perceptual hash, mirrored or not
    groups: list  # lists of paths of one origin
    named_origins: int  # images whose file name or source tells their origin
    conflicts: list  # groups that carry both labels
    leaks: dict  # "test" -> number of images, share with train, ...
    shortcuts: list = field(default_factory=list)  # rows of `shortcuts.scores`

    def to_dict(self) -> dict:
        """All findings as plain lists, numbers and strings."""
        return {"schema": 1} | vars(self)

    def __str__(self) -> str:
        return "\n".join(map(printable, _sentences(self)))


def audit(folder: str | Path, progress: bool = True) -> Audit:
    """Audit a folder in one of the known layouts, whatever is in it; nothing is written into it.

    Raises:
        UsageError: the folder is missing, has no class folders, or holds no image at all.
    """
    return of(read(Path(folder), progress=progress), progress)


def of(dataset: Dataset, progress: bool = True) -> Audit:
    """Audit a loaded data set."""
    table = dataset.manifest
    return Audit(
        root=str(dataset.root),
        fingerprint=dataset.fingerprint,
        images=len(table),
        counts=counts(table),
        unreadable=dict(zip(dataset.unreadable["path"], dataset.unreadable["reason"], strict=True)),
        blank=table.loc[table["contrast"] < groups.BLANK, "path"].tolist(),
        twins=together(table["path"], table["sha256"]),
        near=near_pairs(table),
        groups=together(table["path"], table["group"]),
        named_origins=int((~table["key"].str.startswith("sha256:")).sum()),
        conflicts=conflicts(table),
        leaks=leaks(table),
        shortcuts=_shortcuts(dataset, progress),
    )


def counts(table: pd.DataFrame) -> dict:
    """Images by published split ("all" where there is none) and class."""
    number = table.groupby([table["split"].replace("", "all"), "label"]).size()
    return {
        split: {name: int(number.get((split, label), 0)) for label, name in enumerate(CLASSES)}
        for split in sorted(set(number.index.get_level_values(0)))
    }


def together(paths: pd.Series, names: pd.Series) -> list[list[str]]:
    """The paths that share a name, for names of two paths or more."""
    shared = names[names.duplicated(keep=False)]
    return sorted(part.tolist() for _, part in paths[shared.index].groupby(shared))


def near_pairs(table: pd.DataFrame) -> list[list[str]]:
    """Pairs of paths with nearly the same perceptual hash though not the same bytes."""
    rows = np.flatnonzero(table["contrast"] >= groups.BLANK)
    pairs = rows[hashing.near_pairs(table["phash"].to_numpy()[rows], mirrors=True)]
    digests, paths = table["sha256"].to_numpy(), table["path"].to_numpy()
    pairs = pairs[digests[pairs[:, 0]] != digests[pairs[:, 1]]]
    return sorted([paths[first], paths[second]] for first, second in pairs)


def conflicts(table: pd.DataFrame) -> list[list[str]]:
    """Groups whose images do not all carry one label."""
    mixed = table.groupby("group")["label"].transform("nunique") > 1
    return together(table.loc[mixed, "path"], table.loc[mixed, "group"])


def leaks(table: pd.DataFrame) -> dict:
    """How many images of each later split share an origin, or even their bytes, with an earlier one."""
    found = {}
    for split, earlier in (("validation", ["train"]), ("test", ["train", "validation"])):
        here, before = table[table["split"] == split], table[table["split"].isin(earlier)]
        if len(here) and len(before):
            found[split] = {
                "images": len(here),
                "share an origin": int(here["group"].isin(before["group"]).sum()),
                "same bytes": int(here["sha256"].isin(before["sha256"]).sum()),
                "groups": int(here.loc[here["group"].isin(before["group"]), "group"].nunique()),
            }
    return found


def _shortcuts(dataset: Dataset, progress: bool) -> list[dict]:
    try:
        as_published = splits.schemes(dataset.manifest)[0]
        return shortcuts.published(dataset, as_published, progress).to_dict("records")
    except UsageError:  # too small, or one class only: nothing can be told from it
        return []


def _sentences(audit: Audit) -> Iterable[str]:
    yield f"{audit.root}: {audit.images:,} images, {len(audit.unreadable)} unreadable files"
    for split, numbers in audit.counts.items():
        yield f"  {split}: " + ", ".join(f"{number:,} {name}" for name, number in numbers.items())
    yield from (
        f"  unreadable: {path} ({reason})" for path, reason in list(audit.unreadable.items())[:LISTED]
    )
    if len(audit.unreadable) > LISTED:
        yield f"  ... and {len(audit.unreadable) - LISTED} more unreadable files"
    yield f"Nothing to see (one even colour): {len(audit.blank)}"
    yield f"Byte-identical: {_members(audit.twins)}"
    yield f"Of one origin (names, bytes, looks): {_members(audit.groups)}"
    yield f"Groups that carry both labels: {len(audit.conflicts)}"
    for split, leak in audit.leaks.items():
        yield (
            f"Leaks: {leak['share an origin']} of {leak['images']} {split} images share an origin with an earlier "
            f"split, {leak['same bytes']} are byte-identical to one"
        )
    learned = "published" if {"train", "test"} <= audit.counts.keys() else "grouped"
    yield from _shortcut_sentences(pd.DataFrame(audit.shortcuts), learned)


def _members(lists: list[list[str]]) -> str:
    return f"{sum(map(len, lists)):,} images in {len(lists):,} groups"


def _shortcut_sentences(table: pd.DataFrame, learned: str) -> Iterable[str]:
    if table.empty:
        yield "Shortcuts: too few images of each class to measure any"
        return
    strong = shortcuts.strong(table)
    for row in strong.itertuples():
        yield (
            f"Shortcut: {row.shortcut} alone tells the label of {row.accuracy:.1%} of the test images "
            f"({row.low:.1%} to {row.high:.1%}; the more frequent class: {row.majority:.1%}), learned from the "
            f"{learned} training images"
        )
    if strong.empty:
        yield f"Shortcuts: none found (best {table['accuracy'].max():.1%}, chance {table['majority'].max():.1%})"
