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
    stage = SimpleNamespace(data_config=DataConfig("folder"), profile=PROFILES["smoke"], seed=0)
    arms = elsewhere.configs(stage)
    assert next(iter(arms.items())) == (own, base) and arms.keys() == elsewhere.ARMS.keys()
    assert arms["no blending"] == ClassifierConfig(model="resnet18", epochs=3, augmentation="gentle")
    leaking = ClassifierConfig(model="resnet18", epochs=2, augmentation="gentle", split="official")
    assert arms["no blending, official split"] == leaking
    far = ClassifierConfig(model="resnet18", epochs=3, augmentation="elsewhere", pasted=4000)
    assert arms["elsewhere, pasted masks"] == far


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
    quality = {"classic": 0.25, "no blending": 0.25, "elsewhere, pasted masks": 1.0}
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
    assert dict(gaps.verdict) == {"no blending": "cannot be told apart", "elsewhere, pasted masks": "better"}
    assert gaps.difference["no blending"] == 0
    assert "test: +0.000" in elsewhere.sentence(gaps.reset_index())
