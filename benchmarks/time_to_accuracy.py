"""Seconds from image files to 99% balanced accuracy on the grouped validation split, against the original's recipe.

    python benchmarks/time_to_accuracy.py [DATASET] [--model resnet18] [--epochs 23] [--steps 4]
        [--baseline-epochs 1] [--keep]

Ours, with strong augmentation at 64 px and its last weights, is measured whole, in an empty store: reading the data
set, grouping and splitting it, decoding, training, the score. The original's recipe (EfficientNet-B0 from
efficientnet-pytorch, Adam, 224 px, a plain loop) takes hours on a CPU: `--steps` of it are measured, and multiplied by
the steps of `--baseline-epochs`. One epoch is the least that can be scored, so that the ratio is a lower bound unless
the number of epochs that the recipe needs was found otherwise; `--whole-baseline`, fit for a GPU, trains it until it is
there, counts them and extrapolates nothing.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import torch
from efficientnet_pytorch import EfficientNet
from rows import record
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from fmlib import inputs, runs
from fmlib.config import ARCHITECTURES, ClassifierConfig, DataConfig
from fmlib.data import splits

GOAL = 0.99
SIDE, BATCH = 224, 64  # px and images of the original's recipe
ASKED = 40
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Files(Dataset):
    """Images read from their files, as a plain loop does."""

    def __init__(self, data, rows: np.ndarray):
        self.data, self.rows = data, rows
        self.transform = transforms.Compose([transforms.Resize((SIDE, SIDE)), transforms.ToTensor()])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int):
        row = int(self.rows[index])
        return self.transform(self.data.open(row)), int(self.data.manifest.label.iloc[row])


def balanced(labels: np.ndarray, found: np.ndarray) -> float:
    return float(np.mean([(found[labels == label] == label).mean() for label in (0, 1)]))


def ours(config: DataConfig, model: str, epochs: int) -> tuple[float, float]:
    """Seconds from the files to the score, and the balanced accuracy on validation images."""
    start = time.perf_counter()
    asked = {
        "batch_size": 64,
        "augmentation": "strong",
        "patience": None,
    }  # of the architecture study's long runs
    run = runs.get(ClassifierConfig(data=config, model=model, side=64, epochs=epochs, **asked))
    table = run.predictions[run.predictions.split == "validation"]
    score = balanced(table.label.to_numpy(), (table.logit > 0).to_numpy().astype(int))
    return time.perf_counter() - start, score


def network() -> torch.nn.Module:
    """Return the original's network."""
    return EfficientNet.from_name("efficientnet-b0", num_classes=2).to(DEVICE)


def steps(model: torch.nn.Module, images: Dataset) -> Iterator[None]:
    """Train for an epoch in the plain way."""
    optimizer = torch.optim.Adam(model.parameters())
    for pixels, labels in DataLoader(images, BATCH, shuffle=True, num_workers=2):
        loss = F.cross_entropy(model.train()(pixels.to(DEVICE)), labels.to(DEVICE))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield


def timed_part(train: Dataset, timed: int) -> float:
    """Seconds per step of the recipe, after one that is not counted."""
    epoch = steps(network(), train)
    next(epoch)
    start = time.perf_counter()
    for _ in range(timed):
        next(epoch)
    return (time.perf_counter() - start) / timed


@torch.no_grad()
def score(model: torch.nn.Module, images: Dataset) -> float:
    """Balanced accuracy on images read from their files."""
    model.eval()
    pairs = [
        (model(pixels.to(DEVICE)).argmax(1).cpu().numpy(), labels.numpy())
        for pixels, labels in DataLoader(images, BATCH)
    ]
    found, labels = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return balanced(labels, found)


def whole(train: Dataset, validation: Dataset) -> float:
    """Seconds until the recipe reaches the goal."""
    model, start = network(), time.perf_counter()
    for epoch in count(1):
        for _ in steps(model, train):
            pass
        reached = score(model, validation)
        print(
            f"baseline: {reached:.4f} after {epoch} epochs, {time.perf_counter() - start:.0f} s", flush=True
        )
        if reached >= GOAL:
            return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="?", default="face-mask-12k")
    parser.add_argument("--model", choices=ARCHITECTURES, default="resnet18", help="of our run")
    parser.add_argument("--epochs", type=int, default=23, help="of our run")
    parser.add_argument("--steps", type=int, default=4, help="of the baseline that are timed")
    parser.add_argument("--baseline-epochs", type=int, default=1, help="that the baseline is taken to need")
    parser.add_argument("--whole-baseline", action="store_true")
    parser.add_argument("--keep", action="store_true", help="put the result into the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["FMLIB_HOME"] = home
        config = DataConfig(options.dataset)
        seconds, reached = ours(config, options.model, options.epochs)
        print(f"ours: {reached:.4f} balanced accuracy after {seconds:.1f} s, everything counted", flush=True)
        if reached < GOAL:
            raise SystemExit(f"{GOAL} was not reached in {options.epochs} epochs; give it more with --epochs")
        data = inputs.dataset(config)
        sides = splits.assign(data.manifest, "grouped")
        train, validation = (Files(data, np.flatnonzero(sides == side)) for side in ("train", "validation"))
        if options.whole_baseline:
            other, how = whole(train, validation), "measured whole"
        else:
            needed, step = options.baseline_epochs * -(-len(train) // BATCH), timed_part(train, options.steps)
            other = needed * step
            how = f"extrapolated: {needed} steps of {step:.2f} s, {options.steps} measured"
        name = f"{Path(options.dataset).name}, {options.model}, {options.epochs} epochs"
        against = f"{other:.0f} s ({how})"
        record(
            "c time to 99%", name, f"{seconds:.0f} s", against, other / seconds, f"≥ {ASKED}", options.keep
        )


if __name__ == "__main__":
    main()
