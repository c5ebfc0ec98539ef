"""Properties that must hold for any input: of names, splits, configurations, digests and scores."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from fmlib import fingerprints, metrics, runs
from fmlib.config import AutoencoderConfig, ClassifierConfig
from fmlib.data import folders, manifest, memory, splits
from fmlib.errors import UsageError

SLOW = [HealthCheck.too_slow]  # a busy machine is no fault of the code
few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, *SLOW]
)
names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]) | st.just("\udcff"),
    min_size=1,
    max_size=30,
).filter(lambda text: len(text.encode("utf-8", "surrogateescape")) < 200 and not text.startswith("."))


# --- manifests ------------------------------------------------------------------------------------------------


@few
@given(st.lists(names, max_size=20), st.integers(0, 2**64 - 1))
def test_what_is_remembered_is_what_was_seen(home, paths, number):
    table = pd.DataFrame(
        {"path": pd.Series(paths, dtype=str), "phash": np.full(len(paths), number, np.uint64)}
    )
    memory.remember("trial", table)
    back = memory.recall("trial", {"path": str, "phash": "uint64"})
    assert back["path"].tolist() == paths and back["phash"].tolist() == [number] * len(paths)


@few
@given(st.sets(names.filter(lambda text: text.lower() not in folders.CLUTTER), min_size=1, max_size=8))
def test_every_file_is_listed_once_whatever_its_name(home, tmp_path_factory, files):
    root = tmp_path_factory.mktemp("set")
    (root / "WithMask").mkdir()
    for file in files:
        (root / "WithMask" / file).write_bytes(b"no picture")
    for _ in range(2):  # seen, then remembered
        good, bad = manifest.read(folders.find(root), progress=False)
        assert good.empty
        assert bad["path"].tolist() == sorted(f"WithMask/{file}" for file in files)
        assert set(bad["reason"]) == {"not an image file"}


# --- splits ---------------------------------------------------------------------------------------------------


@st.composite
def manifests(draw):
    """Images of few origins; published splits, where there are any, that take no notice of origins."""
    origins = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 4)), min_size=12, max_size=40))
    published = draw(st.booleans())
    rows = [
        (f"sha256:{origin}-{copy}", origin, label)
        for origin, (label, n) in enumerate(origins)
        for copy in range(n)
    ]
    table = pd.DataFrame(rows, columns=["key", "group", "label"]).astype({"group": str})
    sides = st.sampled_from(["train", "train", "validation", "test"])
    table["split"] = [draw(sides) if published else "" for _ in rows]
    return table.assign(path=[f"{row:04d}.png" for row in range(len(rows))])


def assigned(table: pd.DataFrame) -> dict | None:
    """The side of each path; None where the set is too small to be divided."""
    try:
        return dict(zip(table["path"], splits.assign(table), strict=True))
    except UsageError:
        return None


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(manifests(), st.randoms(use_true_random=False))
def test_no_group_is_on_two_sides_and_order_does_not_matter(table, random):
    sides = assigned(table)
    order = list(range(len(table)))
    random.shuffle(order)
    assert assigned(table.iloc[order].reset_index(drop=True)) == sides
    if sides is not None:
        used = table.assign(side=table["path"].map(sides)).query("side != 'aside'")
        assert used.groupby("group")["side"].nunique().max() == 1


# --- configurations -------------------------------------------------------------------------------------------


@st.composite
def configurations(draw, data):
    common = {
        "data": data,
        "split": "grouped",
        "train_size": draw(st.sampled_from([None, 10, 20])),
        "side": draw(st.sampled_from([32, 64])),
        "learning_rate": draw(st.sampled_from([None, 1, 1.0, np.float64(0.1), 0.1])),
        "seed": draw(st.sampled_from([0, 1, np.int64(1)])),
    }
    if draw(st.booleans()):
        return AutoencoderConfig(**common, model=draw(st.sampled_from(["dae", "vae"])))
    activation = draw(st.sampled_from([None, "relu"]))
    changes = {
        "balance": draw(st.sampled_from(["images", "origins"])),
        "initial_scale": draw(st.sampled_from([1, 1.0, 0.5, np.float64(0.5)])),
    }
    return ClassifierConfig(
        **common, **changes, patience=None, activation=activation, pretrained=draw(st.booleans())
    )


@few
@given(given_data=st.data())
def test_keys_are_equal_exactly_where_configurations_are(tiny_config, given_data):
    one, two = (given_data.draw(configurations(tiny_config)) for _ in range(2))
    keys = [fingerprints.digest(runs.meaning(config)) for config in (one, two)]
    assert (keys[0] == keys[1]) == (one == two)
    assert keys[0] == fingerprints.digest(runs.meaning(dataclasses.replace(one)))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def same(one, two) -> bool:
    """Equality in which true is not 1."""
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[name], two[name]) for name in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    return isinstance(one, bool) == isinstance(two, bool) and one == two


@settings(deadline=None, suppress_health_check=SLOW)
@given(values, values)
def test_digests_are_equal_exactly_where_values_are(one, two):
    assert (fingerprints.digest(one) == fingerprints.digest(two)) == same(one, two)


@settings(deadline=None, suppress_health_check=SLOW)
@given(st.dictionaries(st.text(max_size=3), values, max_size=5))
def test_the_order_of_keys_does_not_count(value):
    assert fingerprints.digest(value) == fingerprints.digest(dict(reversed(value.items())))


# --- scores ---------------------------------------------------------------------------------------------------


pairs = st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1, width=32)), min_size=1, max_size=30)


@settings(max_examples=80, deadline=None, suppress_health_check=SLOW)
@given(pairs)
def test_scores_of_any_few_images_equal_scikit_learn(pairs):
    labels, probabilities = (np.array(column) for column in zip(*pairs, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = metrics.scores(labels, probabilities, resamples=5).set_index("metric")["value"]
    called = probabilities >= 0.5
    assert table["accuracy"] == pytest.approx(oracle.accuracy_score(labels, called))
    for measure in ("precision", "recall", "f1"):
        wanted = getattr(oracle, f"{measure}_score")(labels, called, zero_division=0)
        assert table[measure] == pytest.approx(wanted if labels.any() else np.nan, nan_ok=True), measure
    if len(set(labels)) == 2:
        assert table["auc"] == pytest.approx(oracle.roc_auc_score(labels, probabilities), abs=1e-6)
        wanted = oracle.average_precision_score(labels, probabilities)
        assert table["average_precision"] == pytest.approx(wanted, abs=1e-6)
    else:
        assert np.isnan(table["auc"])
