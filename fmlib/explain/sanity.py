"""Are the maps about what the model has learned? Adebayo et al., arXiv 1810.03292."""

import copy
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

from fmlib.explain.cams import explainer


def randomised(model: nn.Module, seed: int = 0) -> nn.Module:
    """A copy of the model with fresh random weights throughout, each layer's as torch draws them."""
    *_, (_, _, last) = cascade(model, seed, stages=1)
    return last


def cascade(model: nn.Module, seed: int = 0, stages: int = 6) -> Iterator[tuple[float, str, nn.Module]]:
    """Randomise a copy of the model layer by layer, from the output to the input.

    Yields:
        share of the layers that are random, the name of the last one, and the copy (which goes on changing),
        `stages` times, at equal distances.
    """
    random = copy.deepcopy(model)
    layers = [(name, module) for name, module in random.named_modules() if module._parameters][::-1]
    ends = torch.linspace(0, len(layers), stages + 1).round().int().tolist()
    for stage, (start, end) in enumerate(pairwise(ends)):
        with torch.random.fork_rng():
            torch.manual_seed(seed * 1000 + stage)
            for _, module in layers[start:end]:
                _draw(module)
        yield end / len(layers), layers[end - 1][0], random


def cascade_similarity(
    model: nn.Module, images: Tensor, classes: Tensor, seed: int = 0, stages: int = 6
) -> pd.DataFrame:
    """Rank correlation of each map with its former self while the model's layers turn random.

    Returns:
        a row per stage and image: `share` of random layers, last `layer`, `image`, `similarity`.
    """
    with explainer(model) as explain:
        original = explain(images).of("gradcam", classes)
    rows = [pd.DataFrame({"share": 0.0, "layer": "", "image": range(len(images)), "similarity": 1.0})]
    for share, layer, random in cascade(model, seed, stages):
        with explainer(random) as explain:
            maps = explain(images).of("gradcam", classes)
        values = rank_correlation(original, maps)
        rows.append(
            pd.DataFrame({"share": share, "layer": layer, "image": range(len(images)), "similarity": values})
        )
    return pd.concat(rows, ignore_index=True)


def rank_correlation(first: Tensor, second: Tensor) -> np.ndarray:
    """Spearman correlation of maps N H W in [-1, 1]; a flat map resembles nothing: 0."""
    one, other = (_centred_ranks(maps) for maps in (first, second))
    size = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    return (one * other).sum(1) / np.where(size > 0, size, 1)


def _centred_ranks(maps: Tensor) -> np.ndarray:
    ranks = rankdata(maps.flatten(1).cpu().numpy(), axis=1)
    return ranks - ranks.mean(1, keepdims=True)


def _draw(module: nn.Module) -> None:
    """Draw a layer's own weights anew; one that does not say how, as torch draws those of a convolution."""
    if hasattr(module, "reset_parameters"):
        return module.reset_parameters()
    for weight in module.parameters(recurse=False):
        nn.init.kaiming_uniform_(weight, a=5**0.5)
