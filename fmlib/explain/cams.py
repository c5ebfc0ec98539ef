"""Grad-CAM and Grad-CAM++ for whole batches: every class and both methods from one forward pass of each image.

Grad-CAM: Selvaraju et al., arXiv 1610.02391. Grad-CAM++: Chattopadhay et al., arXiv 1710.11063.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import interpolate

from fmlib.errors import UsageError
from fmlib.explain.taps import Tap, tapped

METHODS = ("gradcam", "gradcam++")
TILE = 2**19  # px of images that a processor passes through a network at once: more fall out of its cache
EPSILON = 1e-7  # pytorch-gradcam's, in the denominator of Grad-CAM++
CANCELLED = 0.1  # share of its terms' size below which rounding may have decided a denominator


@dataclass(frozen=True)
class Cams:
    """A batch's maps by method, N C H W in [0, 1], zeros where a map is flat, and its logits N C."""

    maps: dict[str, torch.Tensor]
    logits: torch.Tensor

    def of(self, method: str, classes: torch.Tensor | int) -> torch.Tensor:
        """Maps N H W of one method: of one class, or of a class for each image."""
        maps = self.maps[method]
        if isinstance(classes, int):
            return maps[:, classes]
        return maps[torch.arange(len(maps), device=maps.device), classes.to(maps.device)]


class Explainer:
    """Computes the maps of image batches; made by `explainer`, which owns the hook."""

    def __init__(self, model: nn.Module, tap: Tap):
        self.model, self._tap = model, tap
        parameter = next(model.parameters(), torch.empty(0))
        self.device, self.dtype = parameter.device, parameter.dtype

    def __call__(self, images: torch.Tensor, size: tuple[int, int] | None = None) -> Cams:
        """Explain every class of every image.

        Args:
            images: float in [0, 1], N 3 H W, any precision and device.
            size: height and width of the maps; by default those of the images.
        """
        if images.dim() != 4 or not images.is_floating_point():
            kind = f"{tuple(images.shape)} {images.dtype}".replace("torch.", "")
            raise UsageError(f"images are {kind}; Grad-CAM takes a float batch N 3 H W in [0, 1]")
        size = size or images.shape[-2:]
        parts = [self._explain(part, size) for part in images.detach().split(self._at_once(images))]
        maps = {method: torch.cat([part.maps[method] for part in parts]) for method in METHODS}
        return Cams(maps, torch.cat([part.logits for part in parts]))

    def _at_once(self, images: torch.Tensor) -> int:
        """Return how many of the images are explained in one pass: on a GPU all of them."""
        if self.device.type != "cpu":
            return max(1, len(images))
        return max(1, TILE // max(1, images.shape[-2] * images.shape[-1]))

    def _explain(self, images: torch.Tensor, size: tuple[int, int]) -> Cams:
        """Explain images in one pass, and those alone whose maps would change with what else is in the batch.

        Sums round otherwise in a batch than in one image's own pass, which is how pytorch-gradcam works. Where a
        denominator of Grad-CAM++ nearly cancels (as in AlexNet's, whose gradients differ from cell to cell), that
        is all that the map shows.
        """
        cams, fragile = self._pass(images, size)
        for row in torch.nonzero(fragile)[:, 0].tolist() if len(images) > 1 else ():
            alone, _ = self._pass(images[row : row + 1], size)
            for method in METHODS:
                cams.maps[method][row] = alone.maps[method][0]
        return cams

    def _pass(self, images: torch.Tensor, size: tuple[int, int]) -> tuple[Cams, torch.Tensor]:
        """Explain images together; also return whose maps hang on rounding, bool N."""
        logits, activations = self._forward(images.to(self.device, self.dtype))
        single = torch.promote_types(activations.dtype, torch.float32)
        values = activations.detach().to(single)
        plain, plus = [], []
        fragile = torch.zeros(len(images), dtype=torch.bool, device=self.device)
        for index in range(logits.shape[1]):
            gradient = self._gradient(logits, activations, index).to(single)
            plain.append(_combine(gradient.mean((2, 3)), values))
            weights, hanging = _plus_weights(gradient, values)
            plus.append(_combine(weights, values))
            fragile |= hanging
        maps = [normalised(torch.stack(saliency, 1), size) for saliency in (plain, plus)]  # N C H W
        return Cams(dict(zip(METHODS, maps, strict=True)), logits.detach()), fragile

    def _forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self._tap.activations = None
        logits = self.model(images)
        if self._tap.activations is None:
            raise UsageError("the CAM layer took no part in the forward pass; name another layer")
        return logits, self._tap.activations

    @staticmethod
    def _gradient(logits: torch.Tensor, activations: torch.Tensor, index: int) -> torch.Tensor:
        """Gradient of one class's logit with respect to the tapped activations, N K h w."""
        keep = index < logits.shape[1] - 1
        return torch.autograd.grad(logits[:, index].sum(), activations, retain_graph=keep)[0]


@contextmanager
def explainer(model: nn.Module, layer: nn.Module | str | None = None) -> Iterator[Explainer]:
    """Explain `model` at `layer` (default: its `cam_layer`), and leave it exactly as it was."""
    with tapped(model, layer) as tap:
        yield Explainer(model, tap)


def _combine(weights: torch.Tensor, activations: torch.Tensor) -> torch.Tensor:
    """Positive part of the weighted sum of the feature maps: N K, N K h w -> N h w."""
    return torch.einsum("nk,nkhw->nhw", weights, activations).relu()


def _plus_weights(gradient: torch.Tensor, activations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Grad-CAM++'s weight of every feature map, N K, and in which images one hangs on rounding, bool N.

    The paper's factor exp(score) is one positive number per image, which the normalisation of the map divides
    out again; it is left out, so that no logit is too large. Everything else is added in pytorch-gradcam's order.
    """
    square, positive = gradient.square(), gradient.relu()
    terms = activations * (square * gradient)
    below = 2 * square + _over_cells(terms)[..., None, None]
    alpha = square / (below.where(below != 0, 1) + EPSILON)
    size = 2 * square + _over_cells(terms.abs())[..., None, None]
    cancelled = (below.abs() < CANCELLED * size) & (gradient > 0)
    return _over_cells(alpha.nan_to_num(0, 0, 0) * positive), cancelled.flatten(1).any(1)


def _over_cells(values: torch.Tensor) -> torch.Tensor:
    """Sum over the cells of each feature map: N K h w -> N K."""
    return values.flatten(2).sum(2)


def normalised(saliency: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Enlarge maps N C h w to `size` and stretch each one to [0, 1]; a flat map becomes zeros."""
    maps = interpolate(saliency, size=tuple(size), mode="bilinear", align_corners=False)
    low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
    span = high - low
    usable = (span > 0) & span.isfinite()
    return torch.where(usable, (maps - low) / span.where(usable, 1), 0)
