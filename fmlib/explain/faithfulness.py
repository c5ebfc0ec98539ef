"""Does the model use what its map shows? Pixels are taken away or brought back in the map's order.

Deletion and insertion: Petsiuk et al., arXiv 1806.07421. Drop in confidence: Chattopadhay et al., arXiv
1710.11063. ROAD: Rong et al., arXiv 2202.00449.
"""

import numpy as np
import torch
from scipy.sparse import csr_array, identity
from scipy.sparse.linalg import spsolve
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from fmlib.explain.taps import evaluating

STEPS = 16  # portions of pixels in a deletion or insertion curve


def ranks(maps: Tensor, seed: int = 0) -> Tensor:
    """Rank of every pixel, N H W: 0 is the highest. Ties, as where a map is zero, are broken at random."""
    count = maps[0].numel()
    generator = torch.Generator().manual_seed(seed)
    shuffle = torch.randperm(count, generator=generator).to(maps.device)
    order = shuffle[maps.flatten(1)[:, shuffle].argsort(dim=1, descending=True, stable=True)]
    places = torch.arange(count, device=maps.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).view_as(maps)


def blurred(images: Tensor) -> Tensor:
    """Images N 3 H W without detail: what insertion starts from."""
    kernel = 2 * (images.shape[-1] // 4) + 1
    return gaussian_blur(images, [kernel, kernel], [images.shape[-1] / 8] * 2)


def averaged(images: Tensor) -> Tensor:
    """Every image's mean colour: what deletion replaces pixels by."""
    return images.mean((2, 3), keepdim=True).expand_as(images)


def curve(
    model: nn.Module, images: Tensor, maps: Tensor, classes: Tensor, kind: str, steps: int = STEPS
) -> Tensor:
    """Probability of each image's class while pixels go ("deletion") or come ("insertion"), N steps + 1.

    Args:
        images: float N 3 H W in [0, 1].
        maps: N H W; the highest pixels go or come first, in `steps` equal portions.
        classes: the explained class of every image, int N.
    """
    rank = ranks(maps)[:, None]  # N 1 H W
    first, last = (images, averaged(images)) if kind == "deletion" else (blurred(images), images)
    amounts = torch.linspace(0, maps[0].numel(), steps + 1).round()
    columns = [_confidence(model, last.where(rank < amount, first), classes) for amount in amounts]
    return torch.stack(columns, 1)


def area(curves: Tensor) -> Tensor:
    """Area under curves N S over the share of pixels, by trapezoids: low for deletion, high for insertion."""
    return (curves[:, 1:] + curves[:, :-1]).mean(1) / 2


def confidence_drop(model: nn.Module, images: Tensor, maps: Tensor, classes: Tensor) -> Tensor:
    """Relative loss of confidence, 0 to 1, when only what the map shows is left; lower is better."""
    before = _confidence(model, images, classes)
    after = _confidence(model, images * maps[:, None], classes)
    return (1 - after / before.clamp(min=1e-12)).clamp(min=0)


def road(model: nn.Module, images: Tensor, maps: Tensor, classes: Tensor, share: float = 0.3) -> Tensor:
    """ROAD: confidence without the map's lowest pixels less that without its highest; higher is better.

    The `share` of pixels taken away is filled in from its surroundings, so that a hole's shape tells nothing.
    """
    rank, count = ranks(maps), maps[0].numel()
    highest = imputed(images, rank < share * count)
    lowest = imputed(images, rank >= (1 - share) * count)
    return _confidence(model, lowest, classes) - _confidence(model, highest, classes)


def imputed(images: Tensor, holes: Tensor, noise: float = 0.02, seed: int = 0) -> Tensor:
    """Fill holes N H W: each missing pixel is its eight neighbours' weighted mean, plus a little noise."""
    rng = np.random.default_rng(seed)
    filled = [
        _filled(image, hole) for image, hole in zip(images.cpu().numpy(), holes.cpu().numpy(), strict=True)
    ]
    pixels = np.stack(filled) + noise * rng.standard_normal(images.shape) * holes.cpu().numpy()[:, None]
    return torch.from_numpy(pixels.clip(0, 1)).to(images)


def _filled(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Solve for the missing pixels of one image 3 H W: direct neighbours weigh 2, diagonal ones 1."""
    missing = np.flatnonzero(hole)
    if len(missing) in (0, hole.size):
        return image
    weights = _neighbours(*hole.shape)[missing]
    weights = weights.multiply(1 / weights.sum(1)[:, None]).tocsr()
    pixels = image.reshape(len(image), -1).copy()
    known = np.flatnonzero(~hole)
    system = (identity(len(missing), format="csr") - weights[:, missing]).tocsc()
    pixels[:, missing] = spsolve(system, weights[:, known] @ pixels[:, known].T).T
    return pixels.reshape(image.shape)


def _neighbours(height: int, width: int) -> csr_array:
    """Weights between every two pixels of a grid."""
    index = np.arange(height * width).reshape(height, width)
    pairs = [
        (index[:, 1:], index[:, :-1], 2),
        (index[1:], index[:-1], 2),
        (index[1:, 1:], index[:-1, :-1], 1),
        (index[1:, :-1], index[:-1, 1:], 1),
    ]
    rows = np.concatenate([end.ravel() for a, b, _ in pairs for end in (a, b)])
    columns = np.concatenate([end.ravel() for a, b, _ in pairs for end in (b, a)])
    values = np.concatenate([np.full(2 * a.size, float(weight)) for a, _, weight in pairs])
    return csr_array((values, (rows, columns)), shape=(index.size, index.size))


def _confidence(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Probability that the model gives to each image's class, N."""
    with evaluating(model), torch.no_grad():
        return model(images).float().softmax(1).gather(1, classes[:, None].to(images.device))[:, 0]
