"""Seconds from image files to 99% balanced accuracy on the grouped validation split, against the original's recipe.

    python benchmarks/time_to_accuracy.py [DATASET] [--seeds 5] [--most 50] [--keep]

Both sides are given the split, start from the files, and are scored after every epoch until they are there. Ours
decodes first, into a store that holds nothing, and is trained once for every seed; the time of one that ends below the
goal is counted with those that are there. The original's recipe (EfficientNet-B0 from efficientnet-pytorch, Adam,
224 px, a plain loop) stops at `--most` times as long as ours: the ratio is a lower bound then. What finding the split
takes is told in a row of its own.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import torch
from efficientnet_pytorch import EfficientNet
from rows import record
from sklearn.metrics import balanced_accuracy_score
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from fmlib import inputs, making
from fmlib.config import ClassifierConfig, DataConfig
from fmlib.data import splits
from fmlib.training import Fit, predict

GOAL, ASKED = 0.99, "≥ 40"
OURS = ClassifierConfig(
    data=DataConfig("face-mask-12k"),
    model="compact",
    side=96,
    epochs=7,
    augmentation="whole",
    balance="origins",
    patience=None,
)
SIDE, BATCH = 224, 64  # px and images of the original's recipe
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


class Race(Fit):
    """A training that ends where the goal is reached."""

    reached = 0.0

    def _keep(self, row: dict) -> None:
        super()._keep(row)
        labels = self.validation.labels[self.validation.rows]
        self.reached = balanced_accuracy_score(labels, predict(self.bare, self.validation.ordered()) > 0)

    def _stalled(self) -> bool:
        return self.reached >= GOAL


def ours(config: ClassifierConfig) -> tuple[float, Race]:
    """Seconds from the files to the last score, and the training."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        os.environ["FMLIB_HOME"] = home
        race = Race(making.build(config), config, *inputs.batches(config), Path(home))
        race.run()
        return time.perf_counter() - start, race


def tries(config: DataConfig, seeds: int) -> tuple[float, int]:
    """Seconds of all our runs for each that reaches the goal, and how many do."""
    found = []
    for seed in range(seeds):
        seconds, race = ours(replace(OURS, data=config, seed=seed))
        found.append((seconds, race.reached))
        epochs = len(race.history)
        print(f"ours, seed {seed}: {race.reached:.4f} after {epochs} epochs, {seconds:.1f} s", flush=True)
    there = sum(reached >= GOAL for _, reached in found)
    if not there:
        raise SystemExit(f"none of our {seeds} runs reached {GOAL}")
    return sum(seconds for seconds, _ in found) / there, there


@torch.no_grad()
def score(model: torch.nn.Module, images: Dataset) -> float:
    """Balanced accuracy on images read from their files."""
    model.eval()
    pairs = [
        (model(pixels.to(DEVICE)).argmax(1).cpu().numpy(), labels.numpy())
        for pixels, labels in DataLoader(images, BATCH, num_workers=2)
    ]
    found, labels = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return balanced_accuracy_score(labels, found)


def plain(train: Dataset, validation: Dataset, most: float) -> Iterator[tuple[int, float, float]]:
    """Train the original's recipe for `most` seconds or to the goal; yield epochs, seconds and score after each."""
    torch.manual_seed(0)
    start = time.perf_counter()
    model = EfficientNet.from_name("efficientnet-b0", num_classes=2).to(DEVICE)
    optimizer = torch.optim.Adam(model.parameters())
    for epoch in count(1):
        for pixels, labels in DataLoader(train, BATCH, shuffle=True, num_workers=2):
            loss = F.cross_entropy(model.train()(pixels.to(DEVICE)), labels.to(DEVICE))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if time.perf_counter() - start > most:
                return
        reached = score(model, validation)
        yield epoch, time.perf_counter() - start, reached
        if reached >= GOAL:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="?", default="face-mask-12k")
    parser.add_argument("--seeds", type=int, default=5, help="of our runs")
    parser.add_argument("--most", type=float, default=50, help="as long as ours that the baseline may take")
    parser.add_argument("--keep", action="store_true", help="put the result into the table")
    options = parser.parse_args()
    config, name = DataConfig(options.dataset), Path(options.dataset).name
    with tempfile.TemporaryDirectory() as home:
        os.environ["FMLIB_HOME"] = home
        start = time.perf_counter()
        data = inputs.dataset(config)
        sides = splits.assign(data.manifest, "grouped")
        audit = time.perf_counter() - start
    print(f"read, hashed, grouped and split in {audit:.1f} s", flush=True)
    seconds, there = tries(config, options.seeds)
    parts = (Files(data, np.flatnonzero(sides == side)) for side in ("train", "validation"))
    taken, reached, epochs = options.most * seconds, 0.0, 0
    for epochs, other, reached in plain(*parts, options.most * seconds):
        print(f"the original's recipe: {reached:.4f} after {epochs} epochs, {other:.0f} s", flush=True)
        taken = other if reached >= GOAL else taken
    short = "" if reached >= GOAL else " and not there"
    against = f"{taken:.0f} s{short} ({reached:.4f} after {epochs} epochs)"
    mine = f"{seconds:.0f} s ({there} of {options.seeds} runs there)"
    record("c time to 99%", name, mine, against, taken / seconds, ASKED, options.keep)
    both = (f"{seconds + audit:.0f} s", f"{taken + audit:.0f} s{short}", (taken + audit) / (seconds + audit))
    record("c time to 99%", f"{name}, finding the split counted", *both, "to be told", options.keep)


if __name__ == "__main__":
    main()
