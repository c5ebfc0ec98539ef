"""A training that is killed again and again ends with the bits of an undisturbed one."""

import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from fmlib import runs, training
from fmlib.config import AutoencoderConfig

KILLS = 20


def train(config, home, training_now, epochs_begun) -> None:
    """What a child process does; it says when its first epoch begins."""
    torch.set_num_threads(1)
    os.environ["FMLIB_HOME"] = home  # the process it is forked from may be older than this test
    epoch = training.Fit._epoch

    def announced(self, number, bar):
        epochs_begun.value += 1
        training_now.set()
        return epoch(self, number, bar)

    training.Fit._epoch = announced
    runs.get(config)


@pytest.fixture
def start(home):
    """Start a training in a process that is forked from one which has imported torch and done nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fmlib.runs"])
    begun = context.Value("i", 0)

    def start(config):
        training_now = context.Event()
        process = context.Process(target=train, args=(config, str(home), training_now, begun))
        process.start()
        return process, training_now

    start.epochs_begun = begun
    return start


def finished(folder: Path) -> tuple[pd.DataFrame, dict[str, bytes]]:
    """The history without durations, and the weights' bytes."""
    history = pd.read_csv(folder / "history.csv").drop(columns="seconds")
    return history, {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


@pytest.mark.slow
def test_killed_at_twenty_random_moments_it_ends_with_the_same_bits(start, tiny_config):
    config = AutoencoderConfig(
        data=tiny_config, side=32, train_size=24, epochs=150, batch_size=8, patience=150
    )
    process, _ = start(config)
    process.join()
    folder = runs.place(config)
    expected = finished(folder)
    seconds = pd.read_csv(folder / "history.csv").seconds.sum()
    os.rename(folder, folder.with_suffix(".undisturbed"))
    seed = int.from_bytes(os.urandom(4))
    print(f"moments drawn from seed {seed}")  # shown where the test fails
    delays = np.random.default_rng(seed).dirichlet(np.ones(KILLS)) * seconds / 2
    start.epochs_begun.value = 0
    for delay in delays:
        process, training_now = start(config)
        assert training_now.wait(300)
        process.join(delay)
        assert process.is_alive(), f"it ended within {delays.sum():.1f} s, before it was killed {KILLS} times"
        process.kill()
        process.join()
    process, _ = start(config)
    process.join()
    history, weights = finished(folder)
    pd.testing.assert_frame_equal(history, expected[0], check_exact=True)
    assert weights == expected[1] and set(weights) == {"weights.safetensors", "first.safetensors"}
    assert start.epochs_begun.value < KILLS * config.epochs / 2  # it went on; it did not begin anew each time


def test_other_seeds_end_with_other_bits(home, tiny_config):
    config = AutoencoderConfig(data=tiny_config, side=32, train_size=24, epochs=1, batch_size=8)
    one, other = (runs.get(replace(config, seed=seed)) for seed in (0, 1))
    assert not np.array_equal(finished(one.folder)[1], finished(other.folder)[1])
