"""What the studies say follows from the numbers."""

from types import SimpleNamespace

import pytest

from fmlib import studies
from fmlib.config import ACTIVATIONS, OPTIMIZERS, DataConfig
from fmlib.errors import UsageError
from fmlib.profiles import PROFILES
from fmlib.stage import Stage


def test_the_smaller_studies_train_every_contender_with_every_seed(monkeypatch):
    monkeypatch.setattr(studies, "train_size", lambda stage, split: 7000)
    monkeypatch.setattr(studies.runs, "get_all", list)
    stage = SimpleNamespace(profile=PROFILES["full"], data_config=DataConfig("set"), seed=5)
    seeds = (5, 6, 7, 8, 9)
    search = studies.rate_search(stage)
    assert len(search) == len(OPTIMIZERS) * len(stage.profile.rates) and {c.seed for c in search} == {5}
    assert len({(c.optimizer, c.learning_rate) for c in search}) == len(search)
    found = studies.optimizers(stage, {"adam": None, "sgd": 0.15})
    assert [(c.optimizer, c.learning_rate, c.seed) for c in found] == [
        (name, rate, seed) for name, rate in (("adam", None), ("sgd", 0.15)) for seed in seeds
    ]
    # what the search has trained is not trained again
    assert found[0] in search
    asked = studies.activations(stage)
    assert [(c.activation, c.seed) for c in asked] == [(a, s) for a in ACTIVATIONS for s in seeds]


def test_every_profile_spends_its_budget_on_any_number_of_images():
    quick = PROFILES["quick"]
    assert quick.epochs(1400, quick.budget) == 5 and quick.epochs(10_000, quick.budget) == quick.least_epochs


def test_a_network_sees_as_many_images_on_either_split(monkeypatch):
    sizes = {"grouped": 7000, "official": 10_000}
    monkeypatch.setattr(studies, "train_size", lambda stage, split: sizes[split])
    stage = SimpleNamespace(profile=PROFILES["quick"], data_config=DataConfig("set"), seed=0)
    for one, two in zip(*(studies.architecture_configs(stage, split) for split in sizes), strict=True):
        assert one.model == two.model and one.augmentation == two.augmentation
        assert two.epochs * 10_000 == pytest.approx(one.epochs * 7000, abs=5000)


def test_two_vaes_see_twice_the_images_of_one_and_a_unet_half(monkeypatch):
    monkeypatch.setattr(studies, "train_size", lambda stage, split: 960)
    stage = SimpleNamespace(profile=PROFILES["full"], data_config=DataConfig("set"), seed=0)
    epochs = {
        name: studies.autoencoder_config(stage, name).epochs for name in ("vae", "vae-per-class", "unet")
    }
    assert epochs["vae-per-class"] == pytest.approx(2 * epochs["vae"], abs=1)
    assert 2 * epochs["unet"] == pytest.approx(epochs["vae"], abs=1)


def test_long_runs_are_augmented_strongly_or_left_whole_and_short_ones_are_not(monkeypatch):
    monkeypatch.setattr(studies, "train_size", lambda stage, split: 7000)
    for profile, dataset, expected in (
        ("quick", "set", "classic"),
        ("full", "set", "strong"),
        ("full", "synthetic", "whole"),
    ):
        stage = SimpleNamespace(profile=PROFILES[profile], data_config=DataConfig(dataset), seed=0)
        asked = studies.architecture_configs(stage)
        assert {config.augmentation for config in asked} == {expected}
        assert {config.patience for config in asked} == {None}  # all train to the end


def test_both_splits_are_augmented_alike_just_above_the_limit(monkeypatch):
    sizes = {"grouped": 10_000, "official": 12_000}  # seen 50,000 and 48,000 times
    monkeypatch.setattr(studies, "train_size", lambda stage, split: sizes[split])
    stage = SimpleNamespace(profile=PROFILES["quick"], data_config=DataConfig("set"), seed=0)
    found = {c.augmentation for split in sizes for c in studies.architecture_configs(stage, split)}
    assert found == {"strong"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"profile": "slow"}, "smoke, quick, full"),
        ({"name": "dea"}, "dae"),
        ({"seed": -1}, "seed"),
        ({"dataset": "mnist"}, "mnist"),
    ],
)
def test_a_stage_refuses_what_it_does_not_know(home, tmp_path, change, message):
    asked = {
        "name": "dae",
        "dataset": "synthetic",
        "profile": "smoke",
        "seed": 0,
        "external": [],
        "out": tmp_path,
    }
    with pytest.raises(UsageError, match=message):
        Stage(**(asked | change))
