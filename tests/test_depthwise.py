"""Gradients of depthwise convolutions against PyTorch's own in float64."""

from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fmlib import models
from fmlib.depthwise import DepthwiseConv

CASES = list(product((3, 5, 7), (1, 2), (7, 8)))
PRECISE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}  # of the largest value


def gradients(images, weight, stride, padding, convolve) -> list[torch.Tensor]:
    images, weight = images.clone().requires_grad_(), weight.clone().requires_grad_()
    out = convolve(images, weight, stride, padding)
    out.backward(torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out))
    return [out.detach(), images.grad, weight.grad]


def plain(images, weight, stride, padding):
    return F.conv2d(F.pad(images, padding), weight, stride=stride, groups=len(weight))


def ours(images, weight, stride, padding):
    conv = nn.Conv2d(len(weight), len(weight), weight.shape[-1], stride, groups=len(weight), bias=False)
    module = DepthwiseConv(conv, nn.ZeroPad2d(padding))
    del module.weight
    module.weight = weight
    return module(images)


@pytest.mark.parametrize("dtype", PRECISE)
@pytest.mark.parametrize(("size", "stride", "side"), CASES)
def test_output_and_gradients_are_those_of_torch(size, stride, side, dtype):
    torch.manual_seed(0)
    images, weight = torch.randn(3, 6, side, side).to(dtype), torch.randn(6, 1, size, size).to(dtype)
    padding = [size // 2, size // 2 - (stride == 2), size // 2, size // 2]  # uneven, as EfficientNet has it
    expected = gradients(images.double(), weight.double(), stride, padding, plain)
    for found, exact in zip(gradients(images, weight, stride, padding, ours), expected, strict=True):
        assert found.dtype == dtype
        assert (found.double() - exact).abs().max() <= PRECISE[dtype] * exact.abs().max()


def test_under_autocast_the_weights_stay_in_full_precision():
    conv = DepthwiseConv(nn.Conv2d(4, 4, 5, groups=4, bias=False), nn.ZeroPad2d(2))
    with torch.autocast("cpu", torch.bfloat16):
        out = conv(torch.randn(2, 4, 8, 8))
    out.float().square().sum().backward()
    assert out.dtype == torch.bfloat16 and conv.weight.grad.dtype == torch.float32


def test_every_depthwise_convolution_of_efficientnet_is_one():
    net = models.build("efficientnet-b0", side=64).net
    assert sum(isinstance(module, DepthwiseConv) for module in net.modules()) == len(net._blocks) == 16
    grouped = [m for m in net.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert grouped == []


def test_a_network_judges_as_before_the_replacement():
    torch.manual_seed(0)
    ours_ = models.build("efficientnet-b0", side=128).eval()
    reference = models.EfficientNet.from_name("efficientnet-b0", num_classes=2, image_size=128).eval()
    reference.load_state_dict(ours_.net.state_dict())
    images = torch.rand(2, 3, 128, 128)
    with torch.inference_mode():
        expected = reference((images - ours_.mean) / ours_.std)
        torch.testing.assert_close(ours_(images), expected, rtol=1e-4, atol=1e-5)
