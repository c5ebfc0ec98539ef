"""The recipes for elsewhere differ by what they say, and what is said of them follows from paired intervals."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fmlib import elsewhere, runs, studies
from fmlib.config import PROFILES, ClassifierConfig, DataConfig


@pytest.mark.parametrize("own", ["classic", "strong"])
def test_arms_change_what_they_say_and_the_study_s_own_is_first(monkeypatch, own):
    base = ClassifierConfig(model="resnet18", epochs=3, augmentation=own)
    official = ClassifierConfig(model="resnet18", epochs=2, augmentation=own, split="official")
    by_split = {"grouped": [base], "official": [official]}
    monkeypatch.setattr(studies, "architecture_configs", lambda stage, split: by_split[split])
    published = SimpleNamespace(manifest=pd.DataFrame({"split": ["train", "test"]}))
    stage = SimpleNamespace(
        data=published, data_config=DataConfig("folder"), profile=PROFILES["smoke"], seed=0
    )
    arms = elsewhere.configs(stage)
    assert next(iter(arms.items())) == (own, base) and arms.keys() == elsewhere.ARMS.keys()
    assert arms["no blending"] == ClassifierConfig(model="resnet18", epochs=3, augmentation="gentle")
    leaking = ClassifierConfig(model="resnet18", epochs=2, augmentation="gentle", split="official")
    assert arms["no blending, official split"] == leaking
    far = ClassifierConfig(model="resnet18", epochs=3, augmentation="elsewhere", pasted=4000)
    assert arms["elsewhere, pasted masks"] == far


def test_a_set_that_publishes_no_split_has_no_arm_on_it():
    table = pd.DataFrame(
        {"path": list("abcdefghij"), "label": [0, 1] * 5, "split": "", "group": list("abcdefghij")}
    )
    table = table.assign(origin=table.path, sha256=table.path)
    stage = SimpleNamespace(data=SimpleNamespace(manifest=table), data_config=DataConfig("folder"), seed=0)
    stage.profile = PROFILES["smoke"]
    arms = elsewhere.configs(stage)
    assert {config.split for config in arms.values()} == {"grouped"}
    assert arms.keys() == elsewhere.ARMS.keys() - {elsewhere.LEAKING}


def test_rows_say_on_which_split_an_arm_was_trained(monkeypatch):
    arms = {"strong": "grouped", elsewhere.SAME_RECIPE: "grouped", elsewhere.LEAKING: "official"}
    monkeypatch.setattr(
        elsewhere,
        "configs",
        lambda stage: {arm: ClassifierConfig(split=split) for arm, split in arms.items()},
    )
    row = {"view": "test", "metric": "f1", "value": 1.0, "low": 1.0, "high": 1.0, "n": 9, "run": "a"}
    rows = []
    stage = SimpleNamespace(row=lambda **fields: rows.append(fields))
    elsewhere.record(stage, pd.DataFrame([{"arm": arm, **row} for arm in arms]))
    assert [(r["augmentation"], r["split"]) for r in rows] == list(arms.items())[1:]


def test_rendered_data_ask_for_nothing_and_say_so(monkeypatch):
    monkeypatch.setattr(runs, "get_all", list)
    stage = SimpleNamespace(data_config=DataConfig("synthetic"), external={}, data=None, seed=0)
    table = elsewhere.predictions(stage)
    assert table.empty and elsewhere.scores(stage, table).empty
    assert "does not arise" in elsewhere.sentence(elsewhere.gains(stage, table))
    elsewhere.record(stage, elsewhere.scores(stage, table))


def test_gains_are_paired_and_leave_out_views_of_one_class():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 2
    quality = {
        "classic": 0.25,
        elsewhere.SAME_RECIPE: 0.25,
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
            parts.append(pd.DataFrame({"arm": arm, "view": view, "path": paths, **columns}).iloc[order])
    gaps = elsewhere.gains(SimpleNamespace(seed=0), pd.concat(parts)).set_index("arm")
    assert set(gaps["view"]) == {"test"}
    same = dict.fromkeys((elsewhere.SAME_RECIPE, elsewhere.LEAKING), "cannot be told apart")
    assert dict(gaps.verdict) == {**same, "elsewhere, pasted masks": "better"}
    assert gaps.baseline[elsewhere.LEAKING] == elsewhere.SAME_RECIPE and gaps.baseline.iloc[0] == "classic"
    assert gaps.difference["no blending"] == 0
    text = elsewhere.sentence(gaps.reset_index())
    assert "test: +0.000" in text and text.count("Against the same ResNet-18") == 2
