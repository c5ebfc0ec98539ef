"""Splits and views: nothing of one origin on two sides, nothing moves when images join, samples are nested."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmlib.data import splits
from fmlib.errors import UsageError


def manifest(origins, published=False, seed=0):
    """Rows of random origins; `published` spreads them over splits without regard to origin."""
    rng = np.random.default_rng(seed)
    names = rng.integers(0, origins, 4 * origins)
    side = rng.choice(["train", "validation", "test"], len(names), p=[0.75, 0.1, 0.15]) if published else ""
    table = pd.DataFrame({"key": [f"name:{name}" for name in names], "label": names % 2, "split": side})
    return table.assign(group=table["key"], path=[f"{row:05d}.jpg" for row in range(len(table))])


@pytest.mark.parametrize("published", [True, False])
def test_grouped_split_never_separates_a_group(published):
    table = manifest(400, published)
    sides = splits.assign(table, "grouped")
    used = sides[sides != "aside"]
    assert set(used) == {"train", "validation", "test"} and used.groupby(table["group"]).size().max() > 1
    assert used.groupby(table["group"]).nunique().max() == 1


def test_published_test_images_stay_and_their_relatives_stand_aside():
    table = manifest(400, published=True)
    sides = splits.assign(table, "grouped")
    test = table["split"] == "test"
    assert ((sides == "test") == test).all()
    related = table["group"].isin(table.loc[test, "group"]) & ~test
    assert (sides[related] == "aside").all() and (sides[~related & ~test] != "aside").all()
    assert 0.05 < (sides == "validation").sum() / sides.isin(["train", "validation"]).sum() < 0.16


def test_official_split_is_as_published():
    table = manifest(300, published=True)
    assert splits.schemes(table) == ("official", "grouped")
    assert (splits.assign(table, "official") == table["split"]).all()


def test_missing_validation_is_taken_from_train():
    table = manifest(300, published=True)
    table["split"] = table["split"].replace("validation", "train")
    sides = splits.assign(table, "official")
    assert set(sides[table["split"] == "train"]) == {"train", "validation"}
    assert (sides[table["split"] == "test"] == "test").all()


def test_set_without_published_test_is_divided_three_ways():
    table = manifest(2000)
    assert splits.schemes(table) == ("grouped",)
    shares = splits.assign(table, "grouped").value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.7, abs=0.04)
    assert shares["test"] == pytest.approx(0.2, abs=0.04)
    views = splits.views(table)
    assert (views["test"] == views["clean"]).all()
    with pytest.raises(UsageError, match="publishes no"):
        splits.assign(table, "official")


def test_clean_images_have_no_relative_in_published_train_or_validation():
    table = manifest(400, published=True)
    views = splits.views(table)
    assert (table["split"].iloc[views["test"]] == "test").all()
    trained = set(table.loc[table["split"] != "test", "group"])
    expected = [row for row in views["test"] if table["group"].iloc[row] not in trained]
    assert views["clean"].tolist() == expected


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_added_images_move_no_old_one_between_train_and_validation(seed, published):
    rng = np.random.default_rng(seed)
    old = manifest(400, published, seed).assign(key=lambda table: "sha256:" + table["path"] + table["key"])
    copies = old.sample(15, random_state=seed)
    names = [f"new{row}" for row in range(15)]
    copies = copies.assign(path=names, key=[f"sha256:{name}{seed}" for name in names])
    other = manifest(15, published, seed + 1).assign(group=lambda table: "other" + table["group"])
    other = other.assign(key=other["group"], path="other" + other["path"])
    new = pd.concat([old, copies, other], ignore_index=True)
    if published:
        new.loc[len(old) :, "split"] = rng.choice(["train", "validation"], len(new) - len(old))
    before, after = splits.assign(old), splits.assign(new).iloc[: len(old)]
    moved = pd.crosstab(before, after).reindex(index=splits.SIDES, columns=splits.SIDES, fill_value=0)
    assert moved.loc["train", "validation"] == moved.loc["validation", "train"] == 0


def test_tiny_set_gets_every_class_on_every_side():
    rows = [(f"name:{label}{row}", label) for label in (0, 1) for row in range(3)]
    table = pd.DataFrame(rows, columns=["key", "label"]).assign(split="", group=lambda t: t["key"])
    table["path"] = table["key"]
    sides = splits.assign(table, "grouped")
    assert pd.crosstab(sides, table["label"]).loc[list(splits.SIDES)].to_numpy().tolist() == [[1, 1]] * 3


def test_samples_are_nested_balanced_and_of_whole_groups():
    table = manifest(500)
    rows = np.flatnonzero(splits.assign(table) == "train")
    smaller = np.array([], dtype=int)
    for size in (20, 50, 200, 600, 10**6):
        sample = splits.subset(table, rows, size, seed=3)
        assert set(smaller) <= set(sample) <= set(rows)
        whole = table.loc[rows].groupby("group").size()
        taken = table.loc[sample].groupby("group").size()
        assert (taken == whole[taken.index]).all()
        if size <= 600:
            assert abs(len(sample) - size) <= 8
            assert abs(table["label"].loc[sample].mean() - 0.5) < 0.15
        smaller = sample
    assert set(splits.subset(table, rows, 50, seed=4)) != set(splits.subset(table, rows, 50, seed=3))


@pytest.mark.parametrize(
    ("count", "expected"), [(3, [10, 14, 19]), (10, list(range(10, 20))), (18, list(range(10, 20)))]
)
def test_spread_rows_reach_from_end_to_end_and_none_comes_twice(count, expected):
    assert splits.spread(np.arange(10, 20), count).tolist() == expected
