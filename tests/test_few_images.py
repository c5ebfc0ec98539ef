"""The studies on few images compare like with like, and what they say follows from the numbers."""

from argparse import ArgumentTypeError
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fmlib import attempts, few_images, generation, inputs, making, runs, wording
from fmlib.config import AutoencoderConfig
from fmlib.data import splits
from fmlib.errors import UsageError
from fmlib.profiles import PROFILES


def arms(**scores):
    """An augmentation table of one size from lists of scores by arm, a seed each."""
    rows = [(100, arm, seed, value) for arm, values in scores.items() for seed, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["per_class", "arm", "seed", "balanced_accuracy"])


def test_verdicts_follow_from_paired_intervals():
    rng = np.random.default_rng(0)
    seeds = rng.normal(0.8, 0.05, 10)  # seeds differ much, pairs little
    noise = rng.normal(0, 0.004, (3, 10))
    table = arms(
        none=seeds,
        classic=seeds + 0.05 + noise[0],
        vae=seeds - 0.05 + noise[1],
        cvae=seeds,
        learned=seeds + 0.05 + noise[2],
        **{"classic+cvae": seeds + 0.05 + noise[2]},
    )
    gains = few_images.gains(table).set_index(["arm", "baseline"])
    helps = dict.fromkeys([("classic", "none"), ("learned", "none")], "helps")
    unsure = [("cvae", "none"), ("learned", "classic"), ("classic+cvae", "classic")]
    expected = {**helps, ("vae", "none"): "hurts", **dict.fromkeys(unsure, "cannot be told")}
    assert dict(gains.verdict) == expected
    assert np.isnan(gains.low["cvae", "none"]) and (gains.pairs == 10).all()  # all its pairs are equal
    apart = gains.drop(("cvae", "none"))
    assert ((apart.low <= apart.difference) & (apart.difference <= apart.high)).all()
    said = few_images.gain_sentences(gains.reset_index())
    for words in (
        "classic augmentation against no augmentation **helps**",
        "VAE images against no augmentation **hurts**",
    ):
        assert words in said


@pytest.fixture
def stage(tiny_config, tiny):
    profile = replace(PROFILES["smoke"], sizes=(10, 5000), size_budget=40, autoencoder_budget=40)
    return SimpleNamespace(data=tiny, data_config=tiny_config, profile=profile, seed=0)


def test_arms_differ_in_augmentation_alone_and_generators_see_no_other_image(stage):
    arms = few_images.augmentation_arms(stage, 10, seed=1)
    assert tuple(arms) == few_images.ARMS
    plain = {replace(config, augmentation="none", generated=None) for config in arms.values()}
    assert len(plain) == 1
    sources = inputs.training_images(arms["none"])[0]
    for name in ("vae", "cvae", "learned", "classic+cvae"):
        made = arms[name].generated
        np.testing.assert_array_equal(inputs.training_images(made.autoencoder)[0], sources)
    assert arms["cvae"].generated == arms["classic+cvae"].generated != arms["vae"].generated
    assert arms["learned"].generated.autoencoder.augmentation == arms["classic"].augmentation


def test_sizes_are_those_that_the_data_can_fill(stage):
    rows = stage.data.manifest[splits.assign(stage.data.manifest, "grouped") == "train"]
    whole = rows.label.value_counts().min()
    for wanted, found in (
        ((10, 5000), [10]),
        ((5000,), [whole]),
        ((10, None), [10, whole]),
        ((whole, None), [whole]),
    ):
        stage.profile = replace(stage.profile, sizes=wanted)
        assert few_images.sizes(stage) == found


def test_copies_are_changed_images_of_the_same_classes(stage):
    images, labels = inputs.training_images(few_images.generator(stage, 10, 0, "cvae"))
    changed, kinds = generation.copies(images, labels, "gentle", 0)
    assert len(changed) == len(kinds) == generation.COPIES * len(images) and changed.dtype == np.uint8
    assert kinds.mean() == labels.mean() and len(np.unique(changed, axis=0)) == len(changed)
    far = np.abs(changed.mean((1, 2, 3))[:, None] - images.mean((1, 2, 3))[None]).min(1)
    assert far.max() < 60  # lit differently, nothing more


def test_what_a_learned_arm_is_given_is_drawn_from_copies_and_belongs_to_its_key(stage, monkeypatch):
    drawn = []
    monkeypatch.setattr(making, "Mixture", lambda *_: None)
    monkeypatch.setattr(generation, "generate", lambda vae, images, *_: drawn.append(len(images)) or ())
    arms = few_images.augmentation_arms(stage, 10, seed=1)
    for name in ("cvae", "learned"):
        making.mixture(arms[name], lambda config: None)
    assert drawn[1] == generation.COPIES * drawn[0]
    assert "generation.py" in runs.code(arms["learned"])


def test_an_autoencoder_takes_no_blended_images(stage):
    config = replace(few_images.generator(stage, 10, 0, "vae"), augmentation="classic")
    with pytest.raises(UsageError, match="'classic' mixes images"):
        inputs.batches(config)


def test_every_arm_is_trained_and_scored_in_pairs(stage):
    table = few_images.augmentation(stage)
    available = few_images.sizes(stage)
    assert available == [10] and set(table.arm) == set(few_images.ARMS)
    assert (table.groupby("arm").seed.nunique() == stage.profile.size_seeds).all()
    assert table.balanced_accuracy.between(0, 1).all() and table.validation.between(0, 1).all()
    gains = few_images.gains(table)
    assert len(gains) == len(few_images.COMPARED) and (gains.pairs == stage.profile.size_seeds).all()


def test_pretraining_compares_starts_of_one_network(stage):
    table = few_images.pretraining(stage)
    assert list(table.arm.unique()) == list(few_images.STARTS) and table.run.is_unique
    gains = few_images.gains(table, few_images.STARTED)
    assert set(zip(gains.arm, gains.baseline, strict=True)) == set(few_images.STARTED)
    assert (gains.pairs == stage.profile.size_seeds).all()
    plain, other = few_images.dae(stage), few_images.unmasking(stage)
    assert other.pasted and replace(other, model="dae", pasted=0, augmentation="none") == plain
    started = replace(few_images.augmentation_arms(stage, 10, 0)["classic"], start=other)
    encoder = runs.get(other).model().encoder
    assert not encoder[0].weight.equal(runs.get(few_images.finder(stage)).model().encoder[0].weight)
    assert making.started(started, runs._trained).cam_layer[0].weight.equal(encoder[0].weight)


def test_attempts_differ_from_their_baseline_in_the_generated_images_alone(stage):
    arms = attempts.arms(stage, 10, 0, attempts.ATTEMPTS)
    base = arms.pop(attempts.BASELINE)
    assert len(arms) == len(attempts.ATTEMPTS) and {replace(c, generated=None) for c in arms.values()} == {
        base
    }
    assert len({arm.generated for arm in arms.values()}) == len(arms)
    for arm in arms.values():
        np.testing.assert_array_equal(
            inputs.training_images(arm.generated.autoencoder)[0], inputs.training_images(base)[0]
        )


def test_attempts_are_scored_and_told_as_their_intervals_say(stage):
    table = attempts.scored(stage)
    gains = attempts.gains(table)
    assert len(gains) == len(attempts.BRIEF) and set(gains.baseline) == {attempts.BASELINE}
    gains["verdict"] = ["helps", "cannot be told", "hurts"]
    said = attempts.sentence(gains)
    assert f"these helped: {gains.arm[0]} (1 hurt, and for 1 it cannot be told)" in said
    assert "10 images per class" in said
    assert "none was shown to help" in attempts.sentence(gains[1:])


@pytest.mark.parametrize("setting", [{"pasted": 20}, {"beta": 0.5}, {"warm_up": 0.5}, {"edges": 1.0}])
def test_a_setting_that_does_not_concern_an_autoencoder_is_misuse(setting):
    with pytest.raises(UsageError, match=f"{next(iter(setting))} is of .*'vae'"):
        AutoencoderConfig(model="vae", **setting)


def test_the_benchmark_takes_sizes_or_all(benchmark):
    size = benchmark("few_images").size
    assert [size(text) for text in ("all", "25")] == [None, 25]
    for text in ("ten", "0", "-3"):
        with pytest.raises(ArgumentTypeError, match="a positive number or all"):
            size(text)


@pytest.mark.parametrize(
    ("numbers", "said"), [([1], "1 seed"), ([3, 3], "3 seeds"), ([2, 4, 3], "2 to 4 seeds")]
)
def test_figures_tell_over_how_many_seeds(numbers, said):
    assert wording.seeds(numbers) == said
