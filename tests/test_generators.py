"""Generators are compared on the same images, by classifiers that differ in what they are shown and in nothing else."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fmlib import generators, studies
from fmlib.profiles import PROFILES


@pytest.fixture
def stage(tiny_config, tiny):
    profile = replace(PROFILES["smoke"], study_size=20, study_budget=40, autoencoder_budget=80, seeds=1)
    return SimpleNamespace(data=tiny, data_config=tiny_config, profile=profile, seed=0)


def test_the_reduction_of_the_error_is_paired():
    plain = np.random.default_rng(0).uniform(0.01, 0.1, 300)
    gap = generators.reduction(plain, 0.6 * plain, np.arange(300))
    assert (
        gap.value == pytest.approx(0.4) and gap.low == pytest.approx(0.4) and gap.high == pytest.approx(0.4)
    )
    noisy = generators.reduction(plain, 0.6 * plain[::-1], np.arange(300))
    assert noisy.low < noisy.value < noisy.high and noisy.n == 300
    copies = generators.reduction(
        np.repeat(plain, 3), np.repeat(0.6 * plain[::-1], 3), np.repeat(range(300), 3)
    )
    assert (copies.low, copies.high) == pytest.approx((noisy.low, noisy.high))


def test_contenders_differ_in_the_images_alone(stage):
    taught = generators.taught(stage, 3, generators.CONTENDERS)
    assert len(taught) == len(generators.CONTENDERS) + 2
    augmented = taught.pop(generators.AUGMENTED)
    assert augmented == replace(taught[generators.REAL], augmentation="gentle")
    assert len({replace(config, generated=None) for config in taught.values()}) == 1
    assert {config.patience for config in taught.values()} == {None}  # real images choose no epoch
    assert taught.pop(generators.REAL).generated is None
    assert {config.generated.share for config in taught.values()} == {1.0}
    changed = {name: config.generated.autoencoder.augmentation for name, config in taught.items()}
    assert changed.pop(generators.VARIED.name) == "gentle" and set(changed.values()) == {"none"}


def test_every_contender_is_scored_and_errors_are_those_of_pixels(stage):
    table = generators.scores(stage)
    assert len(table) == len(generators.BRIEF) + 2 and table.balanced_accuracy.between(0, 1).all()
    images = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)
    errors = generators.errors(studies.autoencoders(stage, "cvae")[0], images, np.array([0, 1, 0, 1]))
    assert errors.shape == (4,) and (errors > 0).all() and (errors < 1).all()
    assert studies.autoencoder_config(stage, "unet").epochs <= studies.autoencoder_config(stage, "dae").epochs
