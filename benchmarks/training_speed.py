"""Training images per second against the plain way, of the data path, and how far from the machine's limit.

    python benchmarks/training_speed.py [--models resnet18 ...] [--sides 64 224] [--steps 6] [--rounds 3] [--keep]

The plain way is what a tutorial does: torchvision's ImageFolder on JPEG files, a DataLoader with two workers, float32,
NCHW, torchvision's network (EfficientNet: efficientnet-pytorch's). Below 128 px ours leave their last reduction out and
do more arithmetic; there the plain way trains our network, too (EfficientNet: with our faster depthwise convolutions).
All train on the same rendered faces with Adam, flips and affine transforms, in turns within this process; the median
round counts. The plain way's workers stand still while it is not its turn: they would load ahead at our cost. Then ours
is trained once more, for `--epochs` epochs whose images grow from half their side to all of it (`fmlib.resizing`):
images per second of that training, from its first step to its last, against turns of the plain way before and after.
"""

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import cycle, islice
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import torch
from efficientnet_pytorch import EfficientNet
from rows import record
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from torchvision import datasets, models, transforms

from fmlib import making
from fmlib.config import ARCHITECTURES, ClassifierConfig, DataConfig
from fmlib.data import sources
from fmlib.data.batches import Batches
from fmlib.data.decoding import squared
from fmlib.models import SMALL, build
from fmlib.resizing import Growth
from fmlib.training import Fit

BATCH = 64
ASKED = {("resnet18", 224): 3, ("googlenet", 224): 3, ("alexnet", 224): 2, ("efficientnet-b0", 224): 1.5}
ASKED[("resnet18", 64)] = 2
SCALE = 0.5  # side of the first images of a training whose images grow
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


def our_fit(config: ClassifierConfig, data: sources.Dataset, folder: Path) -> Fit:
    side = config.side
    path = folder / f"{side}.npy"
    if not path.exists():
        np.save(path, np.stack([squared(data.open(row), side) for row in range(len(data))]))
    images, labels = np.load(path, mmap_mode="r"), data.manifest.label.to_numpy()
    growth = Growth(config.initial_scale, config.epochs)
    batches = Batches(images, labels, np.arange(len(data)), BATCH, augmentation="classic", growth=growth)
    return Fit(making.build(config), config, batches, batches, folder)


def our_way(fit: Fit, fixed: bool = False) -> Iterator[int]:
    """Train without end, on new batches or on one and the same; yield the images of each step."""
    fit.model.train()
    first = next(fit.train.epoch(0))
    epochs = (batch for number in range(10**6) for batch in fit.train.epoch(number))
    for images, labels in cycle([first]) if fixed else epochs:
        yield fit._step(images, labels, len(images))[1]


def whole_training(fit: Fit) -> float:
    """Images per second of all epochs of a training, without looks at validation images."""
    fit.model.train()
    start = time.perf_counter()
    epochs = (batch for number in range(fit.config.epochs) for batch in fit.train.epoch(number + 1))
    images = sum(fit._step(images, labels, len(images))[1] for images, labels in epochs)
    return images / (time.perf_counter() - start)


class Turns:
    """Ways to train that are timed in turns; the processes that load for one stand still while it is not its turn."""

    def __init__(self, ways: dict[str, Iterator[int]]):
        self.ways, self.workers = ways, {}

    def __enter__(self) -> "Turns":
        return self

    def __exit__(self, *error) -> None:
        """End all ways; a process that stands still could not end."""
        for workers in self.workers.values():
            signalled(workers, signal.SIGCONT)
        for way in self.ways.values():
            way.close()

    def begin(self) -> None:
        """Take the first step of each way."""
        for name, way in self.ways.items():
            before = set(active_children())
            try:
                next(way)
            finally:
                self.workers[name] = set(active_children()) - before
            signalled(self.workers[name], signal.SIGSTOP)

    def speed(self, name: str, steps: int) -> float:
        """Images per second of one way's next steps, after one that finds the caches full of another way's data."""
        signalled(self.workers[name], signal.SIGCONT)
        next(self.ways[name])
        start = time.perf_counter()
        images = sum(islice(self.ways[name], steps))
        seconds = time.perf_counter() - start
        signalled(self.workers[name], signal.SIGSTOP)
        return images / seconds

    def speeds(self, steps: int, rounds: int) -> dict[str, float]:
        """Images per second of each way, the median of rounds in turns."""
        self.begin()
        found = [{name: self.speed(name, steps) for name in self.ways} for _ in range(rounds)]
        return {name: float(np.median([turn[name] for turn in found])) for name in self.ways}


def signalled(workers: Iterable[BaseProcess], number: int) -> None:
    for worker in workers:
        with suppress(ProcessLookupError):  # it has ended
            os.kill(worker.pid, number)


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


def told(
    benchmark: str, setting: str, ours: float, against: float, asked: str, keep: bool, what: str = ""
) -> None:
    """Record two speeds in images per second."""
    shown = f"{ours:.1f} images/s", f"{against:.1f} images/s{what}"
    record(benchmark, setting, *shown, ours / against, asked, keep)


def compare(name: str, side: int, data: sources.Dataset, folder: Path, options: argparse.Namespace) -> None:
    config = ClassifierConfig(model=name, side=side, batch_size=BATCH, epochs=10**6, patience=None)
    fit = our_fit(config, data, folder)
    networks = {"plain": plain_network(name, side)}
    if side < SMALL:
        networks["same network"] = build(name, None, side)
    ways = {way: plain_way(net, side, folder / "jpg", fit.device) for way, net in networks.items()}
    ways |= {"ours": our_way(fit), "fixed": our_way(fit, fixed=True)}
    growing = our_fit(replace(config, epochs=options.epochs, initial_scale=SCALE), data, folder)
    with Turns(ways) as turns:
        found = turns.speeds(options.steps, options.rounds)
        beside = {way: [turns.speed(way, options.steps)] for way in networks}
        grown = whole_training(growing)
        for way, values in beside.items():
            values.append(turns.speed(way, options.steps))
    setting, keep = f"{name}, {side} px", options.keep
    for way in networks:
        other = f", {way}" if way != "plain" else ""
        asked = f"≥ {ASKED[name, side]}" if not other and (name, side) in ASKED else "–"
        told("a training", setting + other, found["ours"], found[way], asked, keep)
        start = f", growing from {SCALE * side:.0f} px"
        told("a training", setting + start + other, grown, float(np.mean(beside[way])), "–", keep)
    told("b data path", setting, found["ours"], found["fixed"], "≥ 0.95", keep, " (one batch)")
    if name == "resnet18" and side == 224:
        done, most = found["fixed"] * flops(fit), limit(fit.device)
        shown = f"{done / 1e9:.0f} GFLOP/s", f"{most / 1e9:.0f} GFLOP/s (bf16 product of {MATRIX} × {MATRIX})"
        record("machine's limit", setting, *shown, done / most, "to be told", keep)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=ARCHITECTURES)
    parser.add_argument("--sides", nargs="+", type=int, default=[64, 224])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=20, help="of the training whose images grow")
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
