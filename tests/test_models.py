"""The classifiers: every combination builds, fits small inputs, and names a CAM layer."""

import pytest
import torch
from efficientnet_pytorch import EfficientNet
from torch import nn
from torchvision import models as vision

from fmlib import models
from fmlib.config import ACTIVATIONS, ARCHITECTURES
from fmlib.errors import FmlibError, UsageError


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("side", [32, 48, 64, 224])
def test_logits_and_map_for_small_and_large_inputs(name, side):
    model = models.build(name, side=side).eval()
    maps = []
    model.cam_layer.register_forward_hook(lambda module, args, output: maps.append(output))
    with torch.inference_mode():
        assert model(torch.rand(2, 3, side, side)).shape == (2, 2)
    cells = maps[0].shape[2]
    assert maps[0].ndim == 4 and cells >= (1 if side == 32 and name == "alexnet" else 2)


@pytest.mark.parametrize("name", [*ARCHITECTURES, "compact"])
@pytest.mark.parametrize("activation", [*ACTIVATIONS, "swish"])
def test_every_activation_replaces_every_other(name, activation):
    model = models.build(name, activation, side=32)
    kinds = {type(m) for m in model.modules() if isinstance(m, (nn.ReLU, nn.Tanh, nn.LeakyReLU, nn.SiLU))}
    assert kinds == {models.ACTIVATIONS[activation]}
    assert not any("Swish" in type(m).__name__ for m in model.modules())
    loss = model(torch.rand(2, 3, 32, 32)).sum()
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_activations_change_googlenet_although_torchvision_calls_relu_itself():
    torch.manual_seed(0)
    model = models.build("googlenet", side=32).eval()
    images = torch.rand(1, 3, 32, 32)
    before = model(images)
    models.set_activation(model.net, "tanh")
    assert not torch.allclose(before, model(images))


def test_at_full_size_the_networks_are_the_packages_own():
    images = torch.rand(1, 3, 224, 224)
    resnet, ours = vision.resnet18(num_classes=2).eval(), models.build("resnet18", side=224).eval()
    ours.net.load_state_dict(resnet.state_dict())
    normalised = (images - ours.mean) / ours.std
    assert torch.equal(ours(images), resnet(normalised))
    package = EfficientNet.from_name("efficientnet-b0", num_classes=2, image_size=224).eval()
    ours = models.build("efficientnet-b0", side=224).eval()
    ours.net.load_state_dict(package.state_dict())
    torch.testing.assert_close(ours(images), package(normalised), rtol=1e-4, atol=1e-5)


def test_unknown_names_and_too_small_sides_are_misuse():
    with pytest.raises(UsageError, match="resnet18"):
        models.build("resnet19")
    with pytest.raises(UsageError, match="leaky_relu"):
        models.build("resnet18", "gelu")
    with pytest.raises(UsageError, match="at least 32"):
        models.build("resnet18", side=16)


def test_a_network_without_pretrained_weights_says_so():
    with pytest.raises(UsageError, match="nobody has trained it on ImageNet"):
        models.build("compact", pretrained=True)


def test_missing_pretrained_weights_are_named(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(FmlibError, match="pretrained weights for resnet18"):
        models.build("resnet18", pretrained=True)
