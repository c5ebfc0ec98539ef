"""Training images per second against the plain way, of the data path, and how far from the machine's limit.

    python benchmarks/training_speed.py [--models resnet18 ...] [--sides 64 224] [--steps 6] [--rounds 3] [--keep]

The plain way is what a tutorial does: torchvision's ImageFolder on JPEG files, a DataLoader with two workers, float32,
NCHW, torchvision's network (EfficientNet: efficientnet-pytorch's). Below 128 px ours leave their last reduction out and
do more arithmetic; there the plain way trains our network, too (EfficientNet: with our faster depthwise convolutions).
All train on the same rendered faces with Adam, flips and affine transforms, in turns within this process; the median
round counts.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from efficientnet_pytorch import EfficientNet
from rows import record
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from torchvision import datasets, models, transforms

from fmlib.config import ARCHITECTURES, ClassifierConfig, DataConfig
from fmlib.data import sources
from fmlib.data.batches import Batches
from fmlib.data.decoding import squared
from fmlib.models import SMALL, build
from fmlib.training import Fit

BATCH = 64
ASKED = {("resnet18", 224): 3, ("googlenet", 224): 3, ("alexnet", 224): 2, ("efficientnet-b0", 224): 1.5}
ASKED[("resnet18", 64)] = 2
MATRIX = 4096  # side of the matrices that show the machine's limit


def write_images(data: sources.Dataset, folder: Path) -> None:
    """Lay the images out as ImageFolder wants them."""
    for row, label in enumerate(data.manifest.label):
        (folder / str(label)).mkdir(exist_ok=True)
        data.open(row).save(folder / str(label) / f"{row}.jpg", quality=95)


def plain_network(name: str, side: int) -> torch.nn.Module:
    if name.startswith("efficientnet"):
        return EfficientNet.from_name(name, num_classes=2, image_size=side)
    extra = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    if name == "alexnet" and side < 63:
        raise ValueError("torchvision's AlexNet needs at least 63 px")
    return getattr(models, name)(num_classes=2, **extra)


def plain_loader(folder: Path, side: int) -> DataLoader:
    affine = transforms.RandomAffine(10, translate=(0.1, 0.1), scale=(0.85, 1.15))
    light = transforms.ColorJitter(0.2, 0.2)
    steps = [transforms.Resize((side, side)), transforms.RandomHorizontalFlip(), affine, light]
    images = datasets.ImageFolder(str(folder), transforms.Compose([*steps, transforms.ToTensor()]))
    return DataLoader(images, BATCH, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True)


def plain_way(model: torch.nn.Module, side: int, folder: Path, device: torch.device) -> Iterator[int]:
    """Train without end; yield the images of each step."""
    model = model.to(device).train()
    optimizer, loader = torch.optim.Adam(model.parameters()), plain_loader(folder, side)
    while True:
        for images, labels in loader:
            loss = F.cross_entropy(model(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield len(images)


def our_fit(name: str, side: int, data: sources.Dataset, folder: Path) -> Fit:
    from fmlib import making

    config = ClassifierConfig(model=name, side=side, batch_size=BATCH, epochs=10**6)
    pixels = np.stack([squared(data.open(row), side) for row in range(len(data))])
    np.save(folder / f"{side}.npy", pixels)
    images, labels = np.load(folder / f"{side}.npy", mmap_mode="r"), data.manifest.label.to_numpy()
    batches = Batches(images, labels, np.arange(len(data)), BATCH, augmentation="classic")
    return Fit(making.build(config), config, batches, batches, folder)


def our_way(fit: Fit, fixed: bool = False) -> Iterator[int]:
    """Train without end, on new batches or on one and the same; yield the images of each step."""
    fit.model.train()
    first = next(fit.train.epoch(0))
    epochs = (batch for number in range(10**6) for batch in fit.train.epoch(number))
    for images, labels in cycle([first]) if fixed else epochs:
        yield fit._step(images, labels, len(images))[1]


def speeds(ways: dict[str, Iterator[int]], steps: int, rounds: int) -> dict[str, float]:
    """Images per second of each way, the median of rounds in turns, after a step that is not counted."""
    for way in ways.values():
        next(way)
    found = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            images = sum(islice(way, steps))
            found[name].append(images / (time.perf_counter() - start))
    return {name: float(np.median(values)) for name, values in found.items()}


def limit(device: torch.device) -> float:
    """FLOP/s of a large bf16 matrix product, the best of five."""
    left, right = (torch.rand(MATRIX, MATRIX, device=device).bfloat16() for _ in range(2))
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        float((left @ right)[0, 0])  # waits for the device
        seconds.append(time.perf_counter() - start)
    return 2 * MATRIX**3 / min(seconds)


def flops(fit: Fit) -> float:
    """FLOP of one training step per image, forward and backward."""
    images, labels = next(fit.train.epoch(0))
    counter = FlopCounterMode(display=False)
    with counter:
        fit._step(images, labels, len(images))
    return counter.get_total_flops() / len(images)


def compare(name: str, side: int, data: sources.Dataset, folder: Path, options: argparse.Namespace) -> None:
    fit = our_fit(name, side, data, folder)
    networks = {"plain": plain_network(name, side)}
    if side < SMALL:
        networks["same network"] = build(name, None, side)
    ways = {way: plain_way(net, side, folder / "jpg", fit.device) for way, net in networks.items()}
    ways |= {"ours": our_way(fit), "fixed": our_way(fit, fixed=True)}
    found = speeds(ways, options.steps, options.rounds)
    shown = {key: f"{value:.1f} images/s" for key, value in found.items()}
    setting, asked = f"{name}, {side} px", ASKED.get((name, side))
    asked = f"≥ {asked}" if asked else "–"
    for way in networks:
        told, asked = (setting, asked) if way == "plain" else (f"{setting}, {way}", "–")
        record("a training", told, shown["ours"], shown[way], found["ours"] / found[way], asked, options.keep)
    fed = found["ours"] / found["fixed"]
    record(
        "b data path", setting, shown["ours"], f"{shown['fixed']} (one batch)", fed, "≥ 0.95", options.keep
    )
    if name == "resnet18" and side == 224:
        done, most = found["fixed"] * flops(fit), limit(fit.device)
        shown = f"{done / 1e9:.0f} GFLOP/s", f"{most / 1e9:.0f} GFLOP/s (bf16 product of {MATRIX} × {MATRIX})"
        record("machine's limit", setting, *shown, done / most, "to be told", options.keep)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=ARCHITECTURES)
    parser.add_argument("--sides", nargs="+", type=int, default=[64, 224])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--keep", action="store_true", help="put the results into the table")
    options = parser.parse_args()
    config = DataConfig("synthetic", options.images, 0)
    data = sources.load(config.dataset, images=config.images, seed=config.seed)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "jpg").mkdir()
        write_images(data, Path(folder) / "jpg")
        for side in options.sides:
            for name in options.models:
                compare(name, side, data, Path(folder), options)


if __name__ == "__main__":
    main()
