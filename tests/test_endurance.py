"""Long runs in one process: memory and open files stay flat."""

import gc
import shutil

import nbformat
import numpy as np
import psutil
import pytest
import torch

from fmlib import models, notebooks, training
from fmlib.config import ClassifierConfig
from fmlib.data.batches import Batches
from fmlib.explain import cams

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not psutil.LINUX, reason="reads /proc")]
GROWTH = 40  # MB that an allocator may keep; a leak of one batch, model or handle a round is far more


def grown(work, rounds: int, warm: int) -> tuple[float, int]:
    """How many MB and open files a process has gained after `rounds` calls of `work`, the first few not counted."""
    process = psutil.Process()
    for number in range(rounds):
        work(number)
        if number == warm:
            before = held(process)
    after = held(process)
    return (after[0] - before[0]) / 1e6, after[1] - before[1]


def held(process: psutil.Process) -> tuple[int, int]:
    gc.collect()
    return process.memory_info().rss, process.num_fds()


def test_a_thousand_cam_batches():
    model = models.build("resnet18", side=32).eval()
    images = torch.rand(8, 3, 32, 32)

    def explain(number: int) -> None:
        with cams.explainer(model) as explained:
            explained(images)

    megabytes, files = grown(explain, 1000, 100)
    assert megabytes < GROWTH and files == 0


def test_two_hundred_trainings(tmp_path):
    images = torch.randint(0, 256, (24, 32, 32, 3), dtype=torch.uint8).numpy()
    labels = torch.arange(24).remainder(2).numpy()
    small = "dae-encoder"  # 1.6 MB of weights: that many leaks of them would show
    config = ClassifierConfig(model=small, side=32, epochs=1, batch_size=12)

    def train(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        batches = Batches(images, labels, np.arange(24), 12, seed=number)
        training.Fit(models.build(small, side=32), config, batches, batches, folder).run()
        shutil.rmtree(folder)

    megabytes, files = grown(train, 200, 30)
    assert megabytes < 3 * GROWTH and files == 0


def test_fifty_notebook_executions(tmp_path):
    """Each in a kernel of its own; what stays must not grow in the process that starts them."""
    cell = nbformat.v4.new_code_cell("seed = 0", metadata={"tags": ["parameters"]})
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    book = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell("print(seed)")], metadata=spec)
    path = tmp_path / "book.ipynb"
    nbformat.write(book, path)

    def execute(number: int) -> None:
        executed, failure = notebooks.execute(path, {"seed": number})
        assert failure is None and executed.cells[-1].outputs[0].text == f"{number}\n"

    execute(0)  # starts the process that kernels are forked from, which stays
    before = psutil.Process().children(recursive=True)
    megabytes, files = grown(execute, 50, 5)
    assert megabytes < GROWTH and files == 0
    assert set(psutil.Process().children(recursive=True)) <= set(before)
