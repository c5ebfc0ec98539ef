"""A class of few originals in many copies counts by its originals; the compact network fits sides of any kind."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fmlib import inputs, models, objectives, runs
from fmlib.compact import WIDTHS, Compact
from fmlib.config import AutoencoderConfig, ClassifierConfig, Generated
from fmlib.errors import FmlibError, UsageError
from fmlib.explain import explainer

MADE = Generated(autoencoder=AutoencoderConfig(model="vae"))


class Bias(nn.Module):
    """A classifier that knows nothing of an image: one number stands for what it believes."""

    def __init__(self, value: float):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, images):
        return torch.stack([torch.zeros(()), self.value]).expand(len(images), 2)


def test_the_offset_is_the_logarithm_of_origins_per_image():
    labels, groups = np.array([0, 0, 0, 1, 1, 1, 1]), np.array(list("abcddde"))
    torch.testing.assert_close(
        objectives.origins(labels, groups), torch.tensor([1.0, 0.5], dtype=torch.float64).log()
    )


def test_without_copies_nothing_changes():
    labels = np.array([0, 0, 0, 1])
    assert not objectives.origins(labels, np.arange(4)).any()


def test_what_knows_nothing_leans_to_the_class_of_few_originals_and_is_judged_as_it_is():
    labels = np.arange(200) % 2
    groups = np.where(labels, np.arange(200) // 20, np.arange(200) + 1000)  # ten originals against a hundred
    plain = objectives.classification(torch.ones(2))
    objective = objectives.adjusted(plain, objectives.origins(labels, groups))
    model, images, truth = Bias(float(np.log(10))), torch.zeros(200, 1), torch.from_numpy(labels)
    objective(model, images, truth)["loss"].backward()
    assert model.value.grad.item() == pytest.approx(0, abs=1e-6)  # the lowest loss: ten times as likely
    model.eval()
    assert torch.equal(objective(model, images, truth)["loss"], plain(model, images, truth)["loss"])


@pytest.fixture
def config(tiny_config):
    return ClassifierConfig(
        data=tiny_config, model="compact", side=32, epochs=1, augmentation="gentle", balance="origins"
    )


@pytest.mark.parametrize("change", [{"augmentation": "classic"}, {"pasted": 40}, {"generated": MADE}])
def test_mixed_images_have_no_origin_to_balance(config, change):
    with pytest.raises(UsageError, match="use balance='images'"):
        objectives.objective_of(replace(config, **change), inputs.batches(config)[0])


def test_an_unknown_augmentation_is_named(config):
    with pytest.raises(UsageError, match="unknown augmentation 'other'"):
        objectives.objective_of(replace(config, augmentation="other"), inputs.batches(config)[0])


def test_an_unknown_balance_is_named(config):
    with pytest.raises(UsageError, match="unknown balance 'groups'; known are: images, origins"):
        replace(config, balance="groups")


def test_a_run_of_the_compact_network_is_trained_and_another_balance_is_another_run(config, tiny):
    run = runs.get(config)
    assert len(run.predict(tiny)) == len(tiny.manifest)
    assert run.key != runs.get(replace(config, balance="images")).key


@pytest.mark.parametrize("side", [32, 50, 64, 97, 224])
def test_the_compact_network_takes_any_side(side):
    model = models.build("compact", side=side)
    images = torch.rand(2, 3, side, side)
    with explainer(model) as explain:
        cams = explain(images)
    assert cams.of("gradcam", torch.tensor([0, 1])).shape == (2, side, side)
    assert model(images).shape == (2, 2)


def test_the_compact_network_is_small_and_has_no_pretrained_weights():
    assert sum(p.numel() for p in Compact(2).parameters()) < 1.3e6
    assert Compact(2)[0](torch.rand(1, 3, 96, 96)).shape == (1, WIDTHS[-1], 3, 3)
    both = models.build("compact-max", side=96).net
    assert sum(p.numel() for p in both.parameters()) < 1.3e6
    maps = both[0](torch.rand(2, 3, 96, 96))
    assert both[1](maps).shape == (2, 2 * WIDTHS[-1])
    torch.testing.assert_close(both[1](maps)[:, -1], maps[:, -1].flatten(1).max(1).values)
    with pytest.raises(FmlibError, match="nobody has trained it on ImageNet"):
        models.build("compact", pretrained=True)
