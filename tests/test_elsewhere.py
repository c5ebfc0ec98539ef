"""The recipes for elsewhere differ by what they say, and what is said of them follows from paired intervals."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fmlib import elsewhere, runs, studies
from fmlib.config import ClassifierConfig, DataConfig
from fmlib.profiles import PROFILES
from fmlib.stage import Stage


def asking(monkeypatch, profile, sizes, epochs):
    """A stage whose study asks for ResNet-18 with two seeds, on training sets of these sizes."""
    base = [
        ClassifierConfig(model="resnet18", epochs=epochs, side=profile.side, seed=seed) for seed in (0, 1)
    ]
    by_split = {"grouped": base, "official": [replace(config, split="official") for config in base]}
    monkeypatch.setattr(studies, "architecture_configs", lambda stage, split: by_split[split])
    monkeypatch.setattr(studies, "train_size", lambda stage, split: sizes[split])
    published = SimpleNamespace(manifest=pd.DataFrame({"split": ["train", "test"]}))
    return SimpleNamespace(data=published, data_config=DataConfig("folder"), profile=profile, seed=0)


@pytest.mark.parametrize(
    ("profile", "size", "side", "usual", "grouped", "official"),
    [
        ("quick", 7_000, 96, "strong", 11, 8),
        ("quick", 500, 96, "classic", 15, 15),
        ("smoke", 140, 48, "classic", 15, 15),
    ],
)
def test_arms_change_what_they_say_and_the_usual_one_is_first(
    monkeypatch, profile, size, side, usual, grouped, official
):
    sizes = {"grouped": size, "official": 10_000 if size > 1000 else size}
    arms = elsewhere.configs(asking(monkeypatch, PROFILES[profile], sizes, 5))
    assert next(iter(arms)) == usual and arms.keys() == elsewhere.ARMS.keys()
    base = [
        ClassifierConfig(model="compact", epochs=grouped, side=side, augmentation=usual, seed=seed)
        for seed in (0, 1)
    ]
    assert arms[usual] == base
    assert arms["no blending"] == [replace(config, augmentation="gentle") for config in base]
    leaking = [replace(config, epochs=official, augmentation="gentle", split="official") for config in base]
    assert arms["no blending, official split"] == leaking
    far = [replace(config, augmentation="elsewhere") for config in base]
    assert arms["elsewhere"] == far
    pasted = [replace(config, pasted=4000) for config in far]
    assert arms["elsewhere, pasted masks"] == pasted
    largest = [replace(config, model="compact-max") for config in pasted]
    assert arms["elsewhere, pasted masks, maximum"] == largest
    assert arms["strong, twice as long"] == [
        replace(config, augmentation="strong", epochs=2 * grouped) for config in base
    ]
    longer = [replace(config, epochs=2 * grouped) for config in largest]
    assert arms["elsewhere, pasted masks, maximum, twice as long"] == longer


def test_a_long_study_is_not_made_longer_but_for_the_arm_that_says_so(monkeypatch):
    arms = elsewhere.configs(
        asking(monkeypatch, PROFILES["full"], {"grouped": 7_000, "official": 10_000}, 23)
    )
    longest = arms.pop(elsewhere.FAR_LONG) + arms.pop(elsewhere.STRONG_LONG)
    assert {(config.epochs, config.side) for config in longest} == {(46, 96)}
    assert {(config.epochs, config.side) for seeds in arms.values() for config in seeds} == {(23, 96)}


@pytest.mark.parametrize(("profile", "asked"), [("quick", 3), ("full", len(elsewhere.ARMS))])
def test_parts_are_trained_one_by_one_where_seeds_can_tell_them_apart(monkeypatch, profile, asked):
    monkeypatch.setattr(runs, "get_all", lambda configs: list(configs))
    stage = asking(monkeypatch, PROFILES[profile], {"grouped": 7_000, "official": 10_000}, 5)
    arms = elsewhere.trained(stage)
    assert len(arms) == asked and next(iter(arms)) == "strong" and elsewhere.FAR_LONG in arms
    assert elsewhere.trained(stage, ["classic"]).keys() == {"classic"}


def test_where_its_own_baseline_is_not_trained_an_arm_is_held_against_the_usual_one():
    images = pd.DataFrame({"path": list("abcdefgh"), "group": list("abcdefgh"), "label": [0, 1] * 4})
    table = pd.concat(
        images.assign(arm=arm, view="test", seed=0, probability=0.5)
        for arm in ("strong", elsewhere.FAR_MAX, elsewhere.FAR_LONG)
    )
    gaps = elsewhere.gains(SimpleNamespace(seed=0), table)
    assert gaps.baseline.tolist() == ["strong", elsewhere.FAR_MAX, "strong"]
    longer = table[table.arm == "strong"].assign(arm=elsewhere.STRONG_LONG)
    gaps = elsewhere.gains(SimpleNamespace(seed=0), pd.concat([table, longer]))
    assert gaps.baseline[gaps.arm == elsewhere.FAR_LONG].tolist() == [
        elsewhere.FAR_MAX,
        elsewhere.STRONG_LONG,
    ]


def test_a_set_that_publishes_no_split_has_no_arm_on_it():
    table = pd.DataFrame(
        {"path": list("abcdefghij"), "label": [0, 1] * 5, "split": "", "group": list("abcdefghij")}
    )
    table = table.assign(origin=table.path, sha256=table.path)
    stage = SimpleNamespace(data=SimpleNamespace(manifest=table), data_config=DataConfig("folder"), seed=0)
    stage.profile = PROFILES["smoke"]
    arms = elsewhere.configs(stage)
    assert {config.split for seeds in arms.values() for config in seeds} == {"grouped"}
    assert arms.keys() == elsewhere.ARMS.keys() - {elsewhere.LEAKING}


def test_rows_say_on_which_split_an_arm_was_trained_and_hold_the_differences():
    arms = {"strong": "grouped", elsewhere.SAME_RECIPE: "grouped", elsewhere.LEAKING: "official"}
    row = {
        "view": "test",
        "metric": "f1",
        "value": 1.0,
        "low": 1.0,
        "high": 1.0,
        "n": 9,
        "run": "a",
        "seed": 0,
    }
    gap = {"arm": elsewhere.LEAKING, "baseline": elsewhere.SAME_RECIPE, "view": "test", "metric": "f1"}
    gap |= {"difference": 0.1, "low": 0.0, "high": 0.2, "n": 9}
    rows = []
    stage = SimpleNamespace(row=lambda **fields: rows.append(fields))
    stage.record = partial(Stage.record, stage)
    table = pd.DataFrame([{"arm": arm, "split": split, **row} for arm, split in arms.items()])
    elsewhere.record(stage, table, pd.DataFrame([gap]))
    assert [(r["augmentation"], r["split"]) for r in rows[:-1]] == list(arms.items())
    assert rows[-1]["model"] == "compact no blending, official split - no blending"
    assert (rows[-1]["metric"], rows[-1]["value"], rows[-1]["high"]) == ("f1_difference", 0.1, 0.2)


def test_rendered_data_ask_for_nothing_and_say_so(monkeypatch):
    monkeypatch.setattr(runs, "get_all", list)
    stage = SimpleNamespace(data_config=DataConfig("synthetic"), external={}, data=None, seed=0)
    stage.profile = PROFILES["full"]
    arms = elsewhere.trained(stage)
    table = elsewhere.predictions(stage, arms)
    assert arms == elsewhere.named(arms) == {}
    assert table.empty and elsewhere.scores(stage, table).empty
    gaps = elsewhere.gains(stage, table)
    assert "does not arise" in elsewhere.sentence(gaps)
    elsewhere.record(stage, elsewhere.scores(stage, table), gaps)


def test_gains_are_paired_and_leave_out_views_of_one_class():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 2
    quality = {
        "classic": 0.25,
        elsewhere.SAME_RECIPE: 0.25,
        "elsewhere": 0.25,
        "elsewhere, pasted masks": 1.0,
        elsewhere.LEAKING: 0.25,
    }
    parts = []
    for view, chosen in (("test", labels >= 0), ("clean", labels == 0)):
        paths = [f"{view}{number}" for number in range(chosen.sum())]
        for arm, strength in quality.items():
            noise = np.random.default_rng(1 if strength < 1 else 2).normal(0, 0.3, chosen.sum())
            probability = 0.5 + strength * (labels[chosen] - 0.5) + noise
            columns = {"label": labels[chosen], "probability": probability.clip(0, 1), "group": paths}
            order = rng.permutation(len(paths))
            for seed in (0, 1):
                of = {"arm": arm, "view": view, "seed": seed, "path": paths}
                parts.append(pd.DataFrame({**of, **columns}).iloc[order])
    gaps = elsewhere.gains(SimpleNamespace(seed=0), pd.concat(parts)).set_index("arm")
    assert set(gaps["view"]) == {"test"}
    alike = (elsewhere.SAME_RECIPE, "elsewhere", elsewhere.LEAKING)
    same = dict.fromkeys(alike, "cannot be told apart")
    assert dict(gaps.verdict) == {**same, "elsewhere, pasted masks": "better"}
    assert gaps.baseline[elsewhere.LEAKING] == elsewhere.SAME_RECIPE and gaps.baseline.iloc[0] == "classic"
    assert gaps.baseline["elsewhere, pasted masks"] == "elsewhere"
    assert gaps.difference["no blending"] == 0
    text = elsewhere.sentence(gaps.reset_index())
    assert "test: balanced accuracy +0.000" in text and text.count("Against the compact network") == 3
