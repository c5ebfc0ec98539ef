"""Depthwise convolutions whose gradients are as fast on a processor as their forward pass.

oneDNN computes two gradients of a depthwise convolution some ten to some hundred times slower than the convolution
itself: in bfloat16 the input's where the stride is not 1, and the weights' where the kernel is larger than 3 by 3.
The first is computed in float32 here, the second in parts of 3 by 3. That is what lets EfficientNet train in bfloat16
(`benchmarks/precision.py` compares).
"""

from itertools import product

import torch
from torch import nn
from torch.nn import functional as F

TILE = 3  # taps a side whose weight gradient has a fast kernel


def _gradients(gradient, images, weight, stride: int, wanted: list[bool]):
    """Return the gradients of (images, weight) where `wanted`, of a depthwise convolution without padding."""
    return torch.ops.aten.convolution_backward(
        gradient,
        images,
        weight,
        None,
        [stride, stride],
        [0, 0],
        [1, 1],
        False,
        [0, 0],
        len(weight),
        [*wanted, False],
    )[:2]


def input_gradient(
    gradient: torch.Tensor, images: torch.Tensor, weight: torch.Tensor, stride: int
) -> torch.Tensor:
    """Gradient with respect to `images` (N C H W), in their type."""
    if stride > 1 and images.dtype == torch.bfloat16:
        wide = (part.float() for part in (gradient, images, weight))
        return _gradients(*wide, stride, [True, False])[0].to(images.dtype)
    return _gradients(gradient, images, weight, stride, [True, False])[0]


def weight_gradient(
    gradient: torch.Tensor, images: torch.Tensor, weight: torch.Tensor, stride: int
) -> torch.Tensor:
    """Gradient with respect to `weight` (C 1 k k, k odd): of each 3 by 3 part of the kernel on its own.

    A part at (top, left) of the kernel meets the images shifted by as much; taps in two parts come out equal.
    """
    size = weight.shape[-1]
    if size <= TILE:
        return _gradients(gradient, images, weight, stride, [False, True])[1]
    height, width = ((length - 1) * stride + TILE for length in gradient.shape[-2:])
    whole = torch.empty_like(weight)
    for top, left in product(range(0, size - TILE + 1, TILE - 1), repeat=2):
        seen = images[..., top : top + height, left : left + width]
        taps = (..., slice(top, top + TILE), slice(left, left + TILE))
        seen = seen.contiguous(memory_format=torch.channels_last)
        whole[taps] = _gradients(gradient, seen, weight[taps].contiguous(), stride, [False, True])[1]
    return whole


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images: torch.Tensor, weight: torch.Tensor, stride: int) -> torch.Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride = stride
        return F.conv2d(images, weight, stride=stride, groups=len(weight))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: torch.Tensor):
        images, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        parts = [
            compute(gradient, images, weight, ctx.stride) if needed else None
            for compute, needed in zip(
                (input_gradient, weight_gradient), ctx.needs_input_grad[:2], strict=True
            )
        ]
        return *parts, None


class DepthwiseConv(nn.Module):
    """A depthwise convolution without bias in place of `conv`, with its weights and `padding` (a module) before it."""

    def __init__(self, conv: nn.Conv2d, padding: nn.Module):
        super().__init__()
        self.weight, self.stride, self.padding = conv.weight, conv.stride[0], padding

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images, weight = self.padding(images), self.weight
        if images.device.type != "cpu":
            return F.conv2d(images, weight, stride=self.stride, groups=len(weight))
        if torch.is_autocast_enabled("cpu"):
            low = torch.get_autocast_dtype("cpu")
            images, weight = images.to(low), weight.to(low)
        return _Convolution.apply(images, weight, self.stride)
