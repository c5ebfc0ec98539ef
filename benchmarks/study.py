"""Seconds of a study of eight runs: in this process, in local processes, on Dask with two workers.

    python benchmarks/study.py [--model resnet18] [--runs 8] [--images 600] [--epochs 2] [--side 64] [--batch-size 64]
        [--workers 2] [--keep]
    python benchmarks/study.py --model dae-encoder --side 32 --batch-size 8 --epochs 20    small runs: few images

The images are rendered and decoded before. Starting local processes counts; a Dask cluster stands already.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dask.distributed import LocalCluster
from rows import record

from fmlib import few_images, inputs, runs
from fmlib.config import ARCHITECTURES, ClassifierConfig, DataConfig
from fmlib.data.decoding import decoded
from fmlib.wording import label


def seconds(configs: list[ClassifierConfig], **setting: str) -> float:
    """Time the study with these environment variables, in a store without runs."""
    shutil.rmtree(Path(os.environ["FMLIB_HOME"]) / "runs", ignore_errors=True)
    os.environ.update(setting)
    start = time.perf_counter()
    runs.get_all(configs)
    found = time.perf_counter() - start
    for name in setting:
        del os.environ[name]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    defaults = {"runs": 8, "images": 600, "epochs": 2, "side": 64, "batch-size": 64, "workers": 2}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--model", choices=(*ARCHITECTURES, few_images.MODEL), default="resnet18")
    parser.add_argument("--keep", action="store_true", help="put the results into the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["FMLIB_HOME"] = home
        base = {"data": DataConfig("synthetic", options.images, 0), "side": options.side}
        base |= {"model": options.model, "batch_size": options.batch_size}
        configs = [ClassifierConfig(**base, epochs=options.epochs, seed=seed) for seed in range(options.runs)]
        decoded(inputs.dataset(base["data"]), options.side)
        alone = seconds(configs)
        local = seconds(configs, FMLIB_WORKERS=str(options.workers))
        report("local processes", local, alone, options)
        with cluster(options.workers) as address:
            report("Dask", seconds(configs, FMLIB_SCHEDULER=address), alone, options)


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """Start a scheduler and its workers on this machine, which is not counted: a cluster stands already."""
    settings = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    with LocalCluster(n_workers=workers, **settings) as found:
        yield found.scheduler_address


def report(name: str, taken: float, alone: float, options: argparse.Namespace) -> None:
    small = options.model == few_images.MODEL
    model = f"the {label(options.model)}, {options.epochs} epochs" if small else options.model
    setting = f"{options.runs} runs of {model}, {name}, {options.workers} workers"
    record(
        "e study",
        setting,
        f"{taken:.1f} s",
        f"{alone:.1f} s in process",
        alone / taken,
        "≥ 1.2",
        options.keep,
    )


if __name__ == "__main__":
    main()
