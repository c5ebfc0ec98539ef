"""Which images train (splits) and which are scored (views); samples that respect groups."""

import hashlib

import numpy as np
import pandas as pd

from fmlib.config import CLASSES
from fmlib.errors import UsageError, known

VALIDATION_SHARE = 0.1  # of the images that may train, where the test images are published
TEST_SHARE = 0.2  # of all images, where they are not
SIDES = ("train", "validation", "test")


def schemes(manifest: pd.DataFrame) -> tuple[str, ...]:
    """The splits that a set can have: `official` only where it publishes train and test images."""
    return ("official", "grouped") if _published(manifest) else ("grouped",)


def assign(manifest: pd.DataFrame, scheme: str = "grouped") -> pd.Series:
    """The side of every image: train, validation, test or aside (used for nothing).

    `official`: as published, leaks and all; where no validation is published it is taken from train by group.
    `grouped`: no group has images on two sides. Published test images stay the test set and whatever shares a
    group with one of them stands aside; the rest falls to train or validation by a hash of the group's origin, so
    that an added image never moves an old one between train and validation.
    """
    known("split", scheme, ("official", "grouped"))
    if scheme == "official" and not _published(manifest):
        raise UsageError("this data set publishes no train and test images; its only split is 'grouped'")
    sides = _official(manifest) if scheme == "official" else _grouped(manifest)
    _check(manifest, sides)
    return sides


def views(manifest: pd.DataFrame) -> dict[str, np.ndarray]:
    """Rows to score: `test`, and `clean`: those without relatives in published train or validation."""
    test = (assign(manifest, "grouped") == "test").to_numpy()
    trained = manifest["group"][manifest["split"].isin(["train", "validation", ""]) & ~test]
    leaked = manifest["group"].isin(trained).to_numpy() & _published(manifest)
    return {"test": np.flatnonzero(test), "clean": np.flatnonzero(test & ~leaked)}


def table(manifest: pd.DataFrame) -> pd.DataFrame:
    """The grouped split in a form that others can use: path, group (named after its first path), split."""
    named = manifest.groupby("group")["path"].transform("min")
    return pd.DataFrame({"path": manifest["path"], "group": named, "split": assign(manifest, "grouped")})


def spread(rows: np.ndarray, count: int) -> np.ndarray:
    """Return `count` of these rows, evenly spread and none twice; all where there are fewer."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]


def subset(manifest: pd.DataFrame, rows: np.ndarray, size: int, seed: int = 0) -> np.ndarray:
    """About `size` of these rows: whole groups, evenly of both classes; smaller samples lie in larger."""
    rows = np.asarray(rows)
    if size >= len(rows):
        return np.sort(rows)
    part = manifest.loc[rows]
    label = part.groupby("group")["label"].transform("mean").round().astype(int)  # the group's class
    counts = label.value_counts().reindex([0, 1], fill_value=0)
    targets = {side: max(size / 2, size - counts[1 - side]) for side in (0, 1)}
    chosen = [_first_groups(part[label == side], targets[side], seed) for side in (0, 1)]
    return np.sort(np.concatenate(chosen)).astype(int)


def draw(names: pd.Series, salt: str) -> pd.Series:
    """A fixed number in [0, 1) for every name, independent between salts."""
    distinct = names.unique()
    digests = (
        hashlib.blake2b(f"{salt}/{name}".encode("utf-8", "surrogateescape"), digest_size=8)
        for name in distinct
    )
    numbers = {
        name: int(digest.hexdigest(), 16) / 2**64 for name, digest in zip(distinct, digests, strict=True)
    }
    return names.map(numbers)


def _published(manifest: pd.DataFrame) -> bool:
    return {"train", "test"} <= set(manifest["split"])


def _official(manifest: pd.DataFrame) -> pd.Series:
    sides = manifest["split"].replace("", "train")
    if (sides == "validation").any():
        return sides
    training = manifest[sides == "train"]
    return sides.where(sides != "train", _divide(training, validation=VALIDATION_SHARE).reindex(sides.index))


def _grouped(manifest: pd.DataFrame) -> pd.Series:
    if not _published(manifest):
        return _divide(manifest, test=TEST_SHARE, validation=TEST_SHARE / 2)
    test = manifest["split"] == "test"
    related = manifest["group"].isin(manifest["group"][test])
    free = _divide(manifest[~related], validation=VALIDATION_SHARE)
    return free.reindex(manifest.index, fill_value="aside").mask(test, "test")


def _divide(manifest: pd.DataFrame, validation: float, test: float = 0.0) -> pd.Series:
    """Sides by a hash of each group's first key, in a fixed order in which telling names come before contents.

    An image known by its content alone stands aside where its own hash says otherwise than its group's: so a
    newcomer that joins its group can take it out of the training images, but never over to validation.
    """
    own = manifest["key"] if "key" in manifest else manifest["group"]
    untold = own.str.startswith("sha256:")
    order = draw(own, "first") + untold
    number = draw(own, "split")
    leading = number[order.groupby(manifest["group"]).transform("idxmin")].set_axis(manifest.index)
    sides = _side(leading, validation, test)
    for side in SIDES if test else SIDES[:2]:
        sides = _at_least_one(manifest, sides, leading, side)
    astray = untold & (_side(number, validation, test) != _side(leading, validation, test))
    return sides.mask(astray, "aside")


def _side(number: pd.Series, validation: float, test: float) -> pd.Series:
    sides = pd.Series("train", index=number.index).mask(number < test + validation, "validation")
    return sides.mask(number < test, "test")


def _at_least_one(manifest: pd.DataFrame, sides: pd.Series, number: pd.Series, side: str) -> pd.Series:
    """In a tiny set, give a side that lacks a class the first group of it on the side that has most groups."""
    for label in manifest["label"].unique():
        mine = manifest["label"] == label
        if not (mine & (sides == side)).any():
            spread = manifest[mine].groupby(sides[mine])["group"].nunique()
            if spread.max() > 1:
                donors = number[mine & (sides == spread.idxmax())]
                sides = sides.mask(manifest["group"] == manifest["group"][donors.idxmin()], side)
    return sides


def _check(manifest: pd.DataFrame, sides: pd.Series) -> None:
    for side in SIDES:
        for label, name in enumerate(CLASSES):
            mine = manifest["label"] == label
            if (sides[mine] == side).any():
                continue
            published = manifest["split"] == side
            if published.any() and not (published & mine).any():
                raise UsageError(
                    f"the published {side} images hold none {name}; both classes are needed there, "
                    "or class folders alone"
                )
            raise UsageError(
                f"no image {name} is left for {side}: each class needs images of at least three origins"
            )


def _first_groups(part: pd.DataFrame, target: float, seed: int) -> np.ndarray:
    """Row labels of the first groups in the seed's order that make about `target` images."""
    number = draw(part["group"], f"subset/{seed}")
    order = part.assign(number=number).sort_values(["number", "group", "path"], kind="stable")
    sizes = order.groupby("number", sort=True).size()
    middle = sizes.cumsum() - sizes / 2  # a group is in when the larger half of it fits
    count = max(1, int((middle <= target).sum()))
    return order.index[order["number"].isin(sizes.index[:count])].to_numpy()
