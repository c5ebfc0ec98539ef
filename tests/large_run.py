"""Train in as many processes as there are: `torchrun --nproc-per-node 2 tests/large_run.py FOLDER`."""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fmlib import arithmetic, runs, training
from fmlib.config import AutoencoderConfig, ClassifierConfig, DataConfig
from fmlib.data.batches import Batches
from fmlib.processes import processes


class Plain(nn.Module):
    """A convolutional classifier in which every image is for itself: no batch norm, no dropout."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 2))

    def forward(self, images):
        return self.net(images)


def fit(folder: Path) -> None:
    """Train `Plain` on 45 images in batches of 15: two processes take 8 and 7 of each."""
    rng = np.random.default_rng(0)
    labels = np.arange(61) % 2
    images = (rng.integers(0, 100, (61, 8, 8, 3)) + 100 * labels[:, None, None, None]).astype(np.uint8)
    train = Batches(images, labels, np.arange(45), 15, seed=1, augmentation="classic")
    validation = Batches(images, labels, np.arange(45, 61), 16)
    config = ClassifierConfig(epochs=4, optimizer="sgd", learning_rate=0.05)
    arithmetic.precision = lambda device: "fp32"  # so that only the order of sums differs
    history = training.Fit(Plain(), config, train, validation, folder).run()
    if processes().is_main_process:
        history.to_csv(folder / "history.csv", index=False)


def patience() -> float:
    """How many hours processes wait for each other; 0 if there is only one."""
    if not torch.distributed.is_initialized():
        return 0
    group = torch.distributed.group.WORLD._get_backend(torch.device("cpu"))
    return group.options._timeout.total_seconds() / 3600


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    fit(folder)
    config = AutoencoderConfig(
        data=DataConfig("synthetic", 120, 3), side=32, train_size=24, epochs=2, batch_size=8, seed=7
    )
    (folder / f"key-{processes().process_index}").write_text(runs.get(config).key)
    (folder / "patience").write_text(str(patience()))
