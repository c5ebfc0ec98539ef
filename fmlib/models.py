"""The classifiers that the reports compare, one builder for all of them.

Every classifier takes images in [0, 1] (normalisation is its first step), returns two logits (without mask,
with mask) and names the layer whose activations Grad-CAM weighs. The networks are made for 224 px; below
128 px their last reduction is left out, so that the last map has twice the resolution at little cost, and AlexNet
takes every second pixel where it took every fourth. The compact one is made for small images and stays as it is.
"""

from collections.abc import Callable
from functools import partial

import torch
from efficientnet_pytorch import EfficientNet
from efficientnet_pytorch.utils import url_map
from torch import nn
from torch.hub import load_state_dict_from_url
from torchvision import models as vision
from torchvision.models.googlenet import BasicConv2d, Inception, InceptionAux

from fmlib.autoencoders import DAE
from fmlib.compact import Compact
from fmlib.config import CLASSES
from fmlib.depthwise import DepthwiseConv
from fmlib.errors import FmlibError, UsageError, known

SMALL = 128  # px; below it the last reduction is left out
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, which pretrained weights expect
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "leaky_relu": nn.LeakyReLU,
    "swish": nn.SiLU,
}


class Classifier(nn.Module):
    """A network with its input normalisation and its CAM layer.

    Input: float images N 3 H W in [0, 1]. Output: logits N 2 (without mask, with mask).
    """

    def __init__(self, name: str, net: nn.Module, cam_layer: str):
        super().__init__()
        self.name, self.net, self._cam_layer = name, net, cam_layer
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    @property
    def cam_layer(self) -> nn.Module:
        """The sub-module whose output is the last feature map, N C h w."""
        return self.net.get_submodule(self._cam_layer)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.net((images - self.mean) / self.std)


class ActivatedConv(BasicConv2d):
    """GoogLeNet's convolution block with its activation as a module, so that it can be replaced."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.bn(self.conv(x)))


def _resnet(name: str, side: int, weights: str | None) -> Classifier:
    net = getattr(vision, name)(weights=weights)
    net.fc = nn.Linear(net.fc.in_features, len(CLASSES))
    if side < SMALL:
        block = net.layer4[0]
        for conv in (block.conv1, block.conv2, block.downsample[0]):
            conv.stride = (1, 1)
    return Classifier(name, net, "layer4")


def _he(module: nn.Module) -> None:
    """Draw weights as He et al. 2015 do; torchvision does so, or nearly, in all networks but AlexNet."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)


def _alexnet(name: str, side: int, weights: str | None) -> Classifier:
    net = vision.alexnet(weights=weights)
    if side < SMALL:
        net.features[0].stride = (2, 2)
        net.features[12] = nn.Identity()
        cells = min(6, (side - 15) // 8)  # of the last map's, as many as the classifier was made for
        net.avgpool = nn.AdaptiveAvgPool2d(cells)
        net.classifier[1] = nn.Linear(256 * cells**2, 4096)
    if weights is None:
        net.apply(_he)
    net.classifier[6] = nn.Linear(4096, len(CLASSES))
    return Classifier(name, net, "features.11")


def _googlenet(name: str, side: int, weights: str | None) -> Classifier:
    blocks = [ActivatedConv, partial(Inception, conv_block=ActivatedConv), InceptionAux]
    more = (
        {"aux_logits": False} if weights is None else {}
    )  # torchvision takes them away itself after loading
    net = vision.googlenet(weights=weights, init_weights=False, blocks=blocks, **more)
    net.fc = nn.Linear(net.fc.in_features, len(CLASSES))
    if side < SMALL:
        net.maxpool4 = nn.Identity()
    return Classifier(name, net, "inception5b")


def _efficientnet(name: str, side: int, weights: str | None) -> Classifier:
    net = EfficientNet.from_name(name, num_classes=len(CLASSES), image_size=side)
    if weights is not None:  # the package's own way checks no digest
        state = load_state_dict_from_url(url_map[name], check_hash=True, weights_only=True)
        net.load_state_dict({**state, **{key: net.state_dict()[key] for key in ("_fc.weight", "_fc.bias")}})
    if side < SMALL:
        conv = [b._depthwise_conv for b in net._blocks if tuple(b._depthwise_conv.stride) == (2, 2)][-1]
        conv.stride, conv.static_padding = (1, 1), nn.ZeroPad2d(conv.kernel_size[0] // 2)
    for block in net._blocks:
        conv = block._depthwise_conv
        block._depthwise_conv = DepthwiseConv(conv, conv.static_padding)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1  # the package's 0.01 lags behind in runs of a few hundred steps
    set_activation(net, "swish")  # torch's own SiLU: the package's hand-written one is slower
    # the package calls its last activation twice; what enters the pooling has no module of its own to hook
    net._avg_pooling = nn.Sequential(nn.Identity(), net._avg_pooling)
    return Classifier(name, net, "_avg_pooling.0")


def _compact(name: str, side: int, weights: str | None) -> Classifier:
    if weights is not None:
        raise UsageError("nobody has trained it on ImageNet")
    return Classifier(name, Compact(len(CLASSES), maximum=name == "compact-max"), "0")


def _dae_encoder(name: str, side: int, weights: str | None) -> Classifier:
    if weights is not None:
        raise UsageError("its start is a DAE's encoder, never ImageNet")
    dae = DAE(side)
    net = nn.Sequential(
        dae.encoder, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(dae.width, len(CLASSES))
    )
    classifier = Classifier(name, net, "0")
    classifier.mean.zero_(), classifier.std.fill_(1)  # a DAE sees images as they are
    return classifier


BUILDERS = {
    **dict.fromkeys(("resnet18", "resnet34", "resnet50"), _resnet),
    **dict.fromkeys(
        ("efficientnet-b0", "efficientnet-b1", "efficientnet-b2", "efficientnet-b3"), _efficientnet
    ),
    "alexnet": _alexnet,
    "googlenet": _googlenet,
    **dict.fromkeys(("compact", "compact-max"), _compact),
    "dae-encoder": _dae_encoder,
}


def set_activation(net: nn.Module, activation: str) -> None:
    """Replace every activation inside `net`, in place, EfficientNet's swish modules included."""
    make = ACTIVATIONS[known("activation", activation, ACTIVATIONS)]
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, (nn.ReLU, nn.SiLU)) or type(child).__name__ == "MemoryEfficientSwish":
                setattr(parent, name, make())


def build(name: str, activation: str | None = None, side: int = 64, pretrained: bool = False) -> Classifier:
    """Build a classifier for square images of `side` px.

    Args:
        name: an architecture of `BUILDERS`.
        activation: one of `ACTIVATIONS`; None keeps the architecture's own (swish for EfficientNet, else ReLU).
        side: 32 px at least.
        pretrained: start from the ImageNet weights of torchvision or efficientnet-pytorch (downloaded).

    Raises:
        UsageError: unknown name or activation, or a side below 32 px.
        FmlibError: the pretrained weights cannot be had.
    """
    known("architecture", name, BUILDERS)
    if side < 32:
        raise UsageError(f"side is {side} px; the architectures need at least 32")
    try:
        classifier = BUILDERS[name](name, side, "DEFAULT" if pretrained else None)
    except Exception as error:
        if not pretrained or isinstance(error, UsageError):
            raise
        raise FmlibError(
            f"no pretrained weights for {name}: {error}; use pretrained=False offline"
        ) from error
    if activation is not None:
        set_activation(classifier.net, activation)
    return classifier


def skeleton(name: str, activation: str | None, side: int, pretrained: bool) -> Classifier:
    """Build a classifier whose trained weights are about to be loaded: what `build` does, and nothing is downloaded."""
    classifier = build(name, activation, side)
    if pretrained and isinstance(classifier.net, vision.GoogLeNet):
        # torchvision's weights of GoogLeNet expect another normalisation, which the network adds
        classifier.net.transform_input = True
    return classifier
