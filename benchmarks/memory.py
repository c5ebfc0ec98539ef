"""Memory that training on 10^4 images adds, against the pages of their cache plus 1 GB.

python benchmarks/memory.py [--images 10000] [--side 64] [--steps 6] [--keep]
"""

import argparse
import resource
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np
from rows import record

from fmlib import making
from fmlib.config import ARCHITECTURES, ClassifierConfig
from fmlib.data.batches import Batches
from fmlib.training import Fit

GIGABYTE = 2**30


def peak() -> int:
    """Bytes of the largest resident set so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in {"images": 10_000, "side": 64, "steps": 6}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--models", nargs="+", default=ARCHITECTURES)
    parser.add_argument("--keep", action="store_true", help="put the results into the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        before = peak()
        path, shape = Path(folder) / "cache.npy", (options.images, options.side, options.side, 3)
        array = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
        for start in range(0, options.images, 1000):
            array[start : start + 1000] = np.random.default_rng(start).integers(0, 256, shape[1:], np.uint8)
        del array
        images = np.load(path, mmap_mode="r")
        for name in options.models:
            train(name, images, Path(folder), options)
        added, allowed = peak() - before, images.nbytes + GIGABYTE
    shown = f"{added / GIGABYTE:.2f} GB", f"{allowed / GIGABYTE:.2f} GB (cache + 1 GB)"
    setting = f"{' then '.join(options.models)}, {options.images} images of {options.side} px"
    record("memory added", setting, *shown, added / allowed, "≤ 1", options.keep)


def train(name: str, images: np.ndarray, folder: Path, options: argparse.Namespace) -> None:
    """Take some training steps and touch every page of the cache."""
    labels, rows = np.arange(len(images)) % 2, np.arange(len(images))
    config = ClassifierConfig(model=name, side=options.side, epochs=1)
    batches = Batches(images, labels, rows, config.batch_size, augmentation="classic")
    fit = Fit(making.build(config), config, batches, batches, folder)
    for pixels, truth in islice(batches.epoch(1), options.steps):
        fit._step(pixels, truth, len(pixels))
    for _ in batches.ordered():
        pass


if __name__ == "__main__":
    main()
