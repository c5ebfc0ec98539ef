"""A tap on a model's CAM layer that leaves the model as it was found."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from fmlib.errors import UsageError


class Tap:
    """What passed the CAM layer in the last forward pass: `activations`, a leaf of the graph, N K h w."""

    def __init__(self):
        self.activations: torch.Tensor | None = None

    def __call__(self, module: nn.Module, inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        """Forward hook: cut the graph here, and hand on a copy that later in-place layers may overwrite."""
        if not isinstance(output, torch.Tensor) or output.dim() != 4:
            shape = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
            raise UsageError(
                f"the CAM layer gives {shape}, not feature maps N K h w; name a convolutional layer"
            )
        self.activations = output.detach().requires_grad_()
        return self.activations.clone()


def find_layer(model: nn.Module, layer: nn.Module | str | None = None) -> nn.Module:
    """Return the CAM layer: a module of `model`, the name of one, or by default the model's own `cam_layer`.

    Raises:
        UsageError: the model names no CAM layer, or has no such layer.
    """
    if layer is None:
        layer = getattr(model, "cam_layer", None)
        if layer is None:
            raise UsageError(f"{type(model).__name__} has no cam_layer; name the layer to explain")
    modules = dict(model.named_modules())
    if isinstance(layer, str):
        if layer not in modules:
            names = ", ".join(name for name in modules if name)
            raise UsageError(f"{type(model).__name__} has no layer {layer!r}; its layers are: {names}")
        return modules[layer]
    if not any(layer is module for module in modules.values()):
        raise UsageError(f"the CAM layer {type(layer).__name__} is not part of {type(model).__name__}")
    return layer


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """The model in evaluation mode; every module's own mode comes back on leaving, by an exception too."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield model.eval()
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def tapped(model: nn.Module, layer: nn.Module | str | None = None) -> Iterator[Tap]:
    """Tap `model` at its CAM layer, in evaluation mode and with frozen parameters.

    A pass inside the context builds no graph before the tap, and one without parameters behind it. On
    leaving, by an exception too, the hook is gone, mode and `requires_grad` are what they were, and `.grad`
    was not touched.

    Raises:
        UsageError: the model is tapped already; a second tap would cut the first one's graph.
    """
    tap, target = Tap(), find_layer(model, layer)
    if any(isinstance(hook, Tap) for module in model.modules() for hook in module._forward_hooks.values()):
        raise UsageError(f"{type(model).__name__} is being explained already; leave the other context first")
    needs = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    handle = target.register_forward_hook(tap)
    try:
        model.requires_grad_(False)
        with evaluating(model), torch.inference_mode(False), torch.enable_grad():
            yield tap
    finally:
        handle.remove()
        tap.activations = None
        for parameter, needed in needs:
            parameter.requires_grad_(needed)
