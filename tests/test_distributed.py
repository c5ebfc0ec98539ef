"""One training over two processes is one training: the same gradients, one store, one history."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from fmlib import runs
from fmlib.config import AutoencoderConfig

SCRIPT = Path(__file__).with_name("large_run.py")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def launch(arguments: list[str], folder: Path, home: Path) -> Path:
    folder.mkdir()
    environment = os.environ | {"FMLIB_HOME": str(home), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *arguments, str(SCRIPT), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def alone(shared_home, tmp_path_factory):
    """What one process makes of the same global batches."""
    return launch([], tmp_path_factory.mktemp("alone") / "out", shared_home)


@pytest.mark.slow
def test_two_gloo_processes_equal_one_to_rounding(alone, tiny_config, own_home):
    both = launch(TORCHRUN, own_home / "both", own_home)
    expected, found = (load_file(folder / "weights.safetensors") for folder in (alone, both))
    for name, weights in expected.items():
        np.testing.assert_allclose(found[name], weights, rtol=1e-4, atol=1e-6)
    histories = [pd.read_csv(folder / "history.csv").drop(columns="seconds") for folder in (alone, both)]
    pd.testing.assert_frame_equal(*histories, rtol=1e-4)
    config = AutoencoderConfig(data=tiny_config, side=32, train_size=24, epochs=2, batch_size=8, seed=7)
    folder = runs.place(config)
    assert (both / "key-0").read_text() == (both / "key-1").read_text() == folder.name
    assert json.loads((folder / "provenance.json").read_text())["processes"] == 2
    # one may wait for as long as another takes to train
    assert float((both / "patience").read_text()) >= 24
    assert len(runs.get(config).history) == 2 and runs.get(config).model() is not None
