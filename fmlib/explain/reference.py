"""The maps as the pytorch-gradcam package draws them, one image at a time, without the traces it leaves.

The package's own code computes and colours the maps. Replaced is what surrounds it: its hooks, which are
never removed; the deprecated `upsample`; parameter gradients, which it clears and fills; exp(logit), which
overflows; 0/0.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import gradcam.gradcam as package
import numpy as np
import torch
from gradcam.utils import visualize_cam
from torch import nn
from torch.nn import functional

from fmlib.explain.taps import Tap, tapped

package.F = SimpleNamespace(relu=functional.relu, upsample=functional.interpolate)  # all that it uses


class _Centred(nn.Module):
    """A model whose logits are moved to zero, where exp(logit) is 1: gradients and maps stay the same."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.model(images)
        return logits - logits.detach()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """The package clears the model's gradients; they are the caller's, and none are computed here."""


class _Reading:
    """What the package looks up as `["value"]`, read from the tap when it asks."""

    def __init__(self, read: Callable[[], torch.Tensor]):
        self.read = read

    def __getitem__(self, key: str) -> torch.Tensor:
        return self.read()


class _OnTap:
    """Stands in for the package's `__init__`: a tap takes the place of its hooks."""

    def __init__(self, model: nn.Module, tap: Tap):
        self.model_arch = _Centred(model)
        self.activations = _Reading(lambda: tap.activations)
        self.gradients = _Reading(lambda: tap.activations.grad)


class _GradCAM(_OnTap, package.GradCAM):
    pass


class _GradCAMpp(_OnTap, package.GradCAMpp):
    pass


class Reference:
    """Draws one image's maps with the package; made by `reference`."""

    def __init__(self, model: nn.Module, tap: Tap):
        self._methods = {"gradcam": _GradCAM(model, tap), "gradcam++": _GradCAMpp(model, tap)}

    def map(self, method: str, image: torch.Tensor, index: int) -> np.ndarray:
        """Map H W in [0, 1] of class `index` for an image 3 H W in [0, 1]; zeros where it has 0/0."""
        saliency, _ = self._methods[method](image[None], class_idx=index)
        return saliency.nan_to_num(0, 0, 0)[0, 0].cpu().numpy()


@contextmanager
def reference(model: nn.Module, layer: nn.Module | str | None = None) -> Iterator[Reference]:
    """Explain `model` with pytorch-gradcam at `layer` (default: its `cam_layer`), leaving no trace on it."""
    with tapped(model, layer) as tap:
        yield Reference(model, tap)


def coloured(saliency: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour a map by the package: the heat map and its overlay on the image.

    Args:
        saliency: map H W in [0, 1].
        image: photograph H W 3, float in [0, 1].

    Returns:
        heat map and overlay, each H W 3 in [0, 1].
    """
    mask = torch.from_numpy(np.ascontiguousarray(saliency))[None, None].float()
    heatmap, overlay = visualize_cam(mask, torch.from_numpy(image).permute(2, 0, 1)[None].float())
    return tuple(picture.permute(1, 2, 0).numpy() for picture in (heatmap, overlay))
