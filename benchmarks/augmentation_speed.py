"""Augmented images per second: ours with OpenCV, ours with torch alone, and torchvision's transforms image by image.

    python benchmarks/augmentation_speed.py [--sides 64 96 224] [--rounds 15] [--keep]

A batch of 64 images, bytes that shall become augmented floats; the classic and the strong recipe, but for what mixes
images. The transforms are those of a tutorial: flip, affine map, brightness and contrast (and saturation, for strong,
which does more: proportions, colours and detail). In turns; the median round counts.
"""

import argparse
import time
from collections.abc import Callable
from unittest import mock

import numpy as np
import torch
from rows import record
from torchvision.transforms import v2

from fmlib import augmentation, pixels
from fmlib.allocation import keep_freed_memory

BATCH = 64
AFFINE = {"translate": (0.1, 0.1), "scale": (0.85, 1.15), "interpolation": v2.InterpolationMode.BILINEAR}
MOVES = [v2.RandomHorizontalFlip(), v2.RandomAffine(10, **AFFINE)]
PLAIN = {
    "classic": v2.Compose([*MOVES, v2.ColorJitter(0.2, 0.2)]),
    "strong": v2.Compose([*MOVES, v2.ColorJitter(0.35, 0.35, 1.0)]),
}


def ways(recipe: str, images: torch.Tensor) -> dict[str, Callable]:
    """Return the ways to turn a batch of bytes into augmented floats, by name."""
    generator, single = torch.Generator().manual_seed(0), images.contiguous()

    def ours() -> None:
        pixels.as_float(augmentation.augment(images, recipe, generator))

    def by_torch() -> None:
        with mock.patch.object(pixels, "by_opencv", lambda images: False):
            augmentation.augment(pixels.as_float(images), recipe, generator)

    def by_torchvision() -> None:
        pixels.as_float(torch.stack([PLAIN[recipe](image) for image in single]))

    return {"ours": ours, "torch alone": by_torch, "torchvision": by_torchvision}


def speeds(found: dict[str, Callable], rounds: int) -> dict[str, float]:
    """Images per second of each way, the median of rounds in turns, after one that is not counted."""
    seconds = {name: [] for name in found}
    for _ in range(rounds + 1):
        for name, way in found.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return {name: BATCH / float(np.median(taken[1:])) for name, taken in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", nargs="+", type=int, default=[64, 96, 224])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--keep", action="store_true", help="put the results into the table")
    options = parser.parse_args()
    keep_freed_memory()
    for side in options.sides:
        images = torch.randint(0, 256, (BATCH, side, side, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
        for recipe in PLAIN:
            found = speeds(ways(recipe, images), options.rounds)
            mine = found.pop("ours")
            for name, speed in found.items():
                shown = f"{mine:.0f} images/s", f"{speed:.0f} images/s"
                setting = f"{recipe}, {side} px, against {name}"
                record("augmentation", setting, *shown, mine / speed, "–", options.keep)


if __name__ == "__main__":
    main()
