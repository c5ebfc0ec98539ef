"""The one training loop, for classifiers and autoencoders alike, and prediction."""

import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import safetensors.torch
import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin
from torch import nn

from fmlib.allocation import keep_freed_memory
from fmlib.arithmetic import autocast, exact
from fmlib.autoencoders import VAE
from fmlib.checkpoints import Checkpoint
from fmlib.config import AutoencoderConfig, RunConfig
from fmlib.damaged_files import damage
from fmlib.data.batches import Batches
from fmlib.errors import ExplosionError, UsageError, known
from fmlib.files import write_bytes
from fmlib.objectives import Losses, Objective, objective_of
from fmlib.processes import agreed, processes
from fmlib.progress import tqdm

# name -> (constructor, default learning rate, further settings); fused: one pass over the weights, which takes a
# third off AlexNet's step on a CPU
OPTIMIZERS = {
    "adam": (torch.optim.Adam, 1e-3, {"fused": True}),
    "sgd": (torch.optim.SGD, 0.05, {"momentum": 0.9, "nesterov": True, "fused": True}),
    "adadelta": (torch.optim.Adadelta, 1.0, {}),
    "asgd": (torch.optim.ASGD, 0.1, {}),
}
GENTLE = {"alexnet": 0.15}  # without batch norm the default rates diverge; factors on them
CHECKPOINT = "checkpoint.pt"  # file of an unfinished run
WARM_UP = 0.15  # share of the steps over which the learning rate rises


def make_optimizer(name: str, model: nn.Module, learning_rate: float | None = None) -> torch.optim.Optimizer:
    """Return torch's own optimizer `name`, at its default learning rate here if none is given."""
    make, default, settings = OPTIMIZERS[known("optimizer", name, OPTIMIZERS)]
    gentle = GENTLE.get(getattr(model, "name", ""), 1.0)
    return make(model.parameters(), lr=learning_rate or default * gentle, **settings)


def rate_factor(step: int, steps: int) -> float:
    """Learning-rate factor in [0, 1]: a linear rise, then a cosine down to zero."""
    rise = max(1, round(WARM_UP * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def epoch_seed(seed: int, epoch: int, process: int = 0) -> int:
    """Seed of what is drawn while a process trains an epoch."""
    entropy = [seed, epoch, process] if process else [seed, epoch]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


class Means:
    """Running means of losses, weighted by the batches' sizes."""

    def __init__(self):
        self.sums, self.count = defaultdict(float), 0

    def add(self, losses: Losses, size: int) -> None:
        self.count += size
        for name, value in losses.items():
            self.sums[name] += value.detach() * size

    def summed(self, accelerator: Accelerator) -> "Means":
        """Return the means over what all processes added."""
        whole = Means()
        for name, total in self.sums.items():
            whole.sums[name] = accelerator.reduce(total, "sum")
        whole.count = int(accelerator.reduce(torch.tensor(self.count, device=accelerator.device), "sum"))
        return whole

    def row(self, prefix: str) -> dict[str, float]:
        return {f"{prefix}_{name}": float(total) / self.count for name, total in self.sums.items()}


@torch.inference_mode()
def evaluate(model: nn.Module, objective: Objective, batches: Iterable, device: torch.device) -> Means:
    """Return the mean losses over `batches`, the model in eval mode."""
    model.eval()
    means = Means()
    for images, labels in batches:
        with autocast(device):
            means.add(objective(model, images.to(device), labels.to(device), 1.0), len(images))
    return means


def describe(config: RunConfig) -> str:
    """Name a run for a progress bar or a message."""
    parts = [
        config.model,
        getattr(config, "activation", None),
        config.optimizer,
        config.split,
        f"seed {config.seed}",
    ]
    return " ".join(part for part in parts if part)


def _shared(model: nn.Module, device: torch.device) -> nn.Module:
    """Return the network ready for several processes: its batch norm counts all their images, which torch can on GPUs.

    Raises:
        UsageError: a VAE, whose parts are called one by one.
    """
    if isinstance(model, VAE):
        raise UsageError("a VAE trains in one process; start it without torchrun")
    return nn.SyncBatchNorm.convert_sync_batchnorm(model) if device.type == "cuda" else model


def _accelerator() -> Accelerator:
    """Return an Accelerator that follows the configuration alone: equal keys are equal weights in any environment.

    Accelerate's variables win over its argument gradient_accumulation_steps, and not over the plugin.
    """
    one = GradientAccumulationPlugin(num_steps=1)
    return Accelerator(mixed_precision="no", gradient_accumulation_plugin=one, dynamo_backend="no")


class Fit:
    """One training: `run()` trains `model` in place and leaves it with the weights of the lowest validation loss.

    Where the configuration has no patience these are the last ones.

    They are written to `folder` as `weights.safetensors` (autoencoders: also `first.safetensors`, after the first
    epoch). While it lasts it keeps `checkpoint.pt` there, from which a later call goes on: one file, replaced in
    one step, so that a kill at any moment loses at most what came after it and counts nothing twice.
    Everything random is a function of (config.seed, epoch); torch's global random state is left as it was.

    Under `torchrun` every process takes its share of each batch; `evaluate` and all writing are the first one's.
    """

    def __init__(
        self, model: nn.Module, config: RunConfig, train: Batches, validation: Batches, folder: Path
    ):
        keep_freed_memory()
        processes()  # before accelerate looks for GPUs
        self.accelerator = _accelerator()
        self.device = self.accelerator.device
        self.config, self.train, self.validation = config, train, validation
        self.objective, self.steps = objective_of(config, train), config.epochs * len(train)
        model.to(self.device, memory_format=torch.channels_last)
        if self.accelerator.num_processes > 1:
            model = _shared(model, self.device)
        self.bare = model
        optimizer = make_optimizer(config.optimizer, model, config.learning_rate)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        factor = partial(rate_factor, steps=self.steps)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer.optimizer, factor)
        self.history: list[dict] = []
        self.snapshots: dict[
            str, dict[str, torch.Tensor]
        ] = {}  # name of the weights -> state dict on the CPU
        self.folder, self.checkpoint = folder, Checkpoint(folder / CHECKPOINT)

    def run(self) -> pd.DataFrame:
        """Train to the end and return the history, a row per epoch.

        Columns: epoch, train_* and validation_* losses (means per image), seconds.

        Raises:
            ExplosionError: the loss was not finite before one epoch was complete.
            DamagedError: the folder's checkpoint cannot be read.
        """
        self._resume()
        done, quiet = len(self.history) * len(self.train), not self.accelerator.is_main_process
        with (
            torch.random.fork_rng(),
            exact(),
            tqdm(
                initial=done, total=self.steps, desc=describe(self.config), leave=False, disable=quiet
            ) as bar,
        ):
            while len(self.history) < self.config.epochs and not self._stalled():
                row = self._epoch(len(self.history) + 1, bar)
                if not math.isfinite(row["train_loss"] + row["validation_loss"]):
                    self._name_explosion(row["epoch"])
                    break
                self._keep(row)
        if not self.history:
            raise ExplosionError(f"{describe(self.config)}: the loss is not finite; lower the learning rate")
        self.bare.load_state_dict(self.snapshots["weights"])
        if self.accelerator.is_main_process:
            for name, state in self.snapshots.items():
                write_bytes(self.folder / f"{name}.safetensors", safetensors.torch.save(state))
        return pd.DataFrame(self.history)

    def _name_explosion(self, epoch: int) -> None:
        """Say that the loss was not finite, and which weights are kept."""
        if self.history and self.accelerator.is_main_process:
            print(
                f"{describe(self.config)}: the loss was not finite in epoch {epoch}; the weights of epoch {self.kept} "
                "are kept. A lower learning rate may help",
                file=sys.stderr,
            )

    def _epoch(self, number: int, bar: tqdm) -> dict:
        """Train one epoch; return its row of the history."""
        start, means = time.perf_counter(), Means()
        torch.manual_seed(epoch_seed(self.config.seed, number, self.accelerator.process_index))
        self.model.train()
        for images, labels in self.train.epoch(number):
            share = slice(self.accelerator.process_index, None, self.accelerator.num_processes)
            means.add(*self._step(images[share], labels[share], len(images)))
            bar.update()
        row = means.summed(self.accelerator).row("train") | self._validate()
        bar.set_postfix(loss=f"{row['train_loss']:.3g}", validation=f"{row['validation_loss']:.3g}")
        return {"epoch": number, **row, "seconds": time.perf_counter() - start}

    def _step(self, images: torch.Tensor, labels: torch.Tensor, batch: int) -> tuple[Losses, int]:
        """Take a step on this process's share of a batch of `batch` images; return its losses and size."""
        progress = self.schedule.last_epoch / self.steps
        with autocast(self.device):
            losses = self.objective(self.model, images.to(self.device), labels.to(self.device), progress)
        # gradients are averaged over processes, whose shares may differ by an image
        self.accelerator.backward(losses["loss"] * (len(images) * self.accelerator.num_processes / batch))
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.step()
        return losses, len(images)

    def _validate(self) -> dict[str, float]:
        """Return the validation losses, the first process's for all, so that they agree when to stop."""
        row = None
        if self.accelerator.is_main_process:
            scores = evaluate(self.bare, self.objective, self.validation.ordered(), self.device)
            row = scores.row("validation")
        return agreed(row)

    @property
    def kept(self) -> int:
        """The epoch whose weights are kept."""
        if self.config.patience is None:
            return len(self.history)
        return min(self.history, key=lambda row: row["validation_loss"])["epoch"]

    def _stalled(self) -> bool:
        """Whether the validation loss has not improved for `patience` epochs."""
        patience = self.config.patience
        return bool(self.history) and patience is not None and len(self.history) - self.kept >= patience

    def _snapshot(self) -> dict[str, torch.Tensor]:
        return {
            name: value.detach().clone(memory_format=torch.contiguous_format).cpu()
            for name, value in self.bare.state_dict().items()
        }

    def _keep(self, row: dict) -> None:
        """Add an epoch's row to the history, its weights if they are to be kept, and what a resumption needs."""
        self.history.append(row)
        if self.kept == len(self.history):
            self.snapshots["weights"] = self._snapshot()
        if len(self.history) == 1 and isinstance(self.config, AutoencoderConfig):
            self.snapshots["first"] = self._snapshot()
        if self.accelerator.is_main_process:
            self.checkpoint.offer(self._state)

    def _state(self) -> dict:
        parts = {"model": self.bare, "optimizer": self.optimizer, "schedule": self.schedule}
        state = {name: part.state_dict() for name, part in parts.items()}
        return state | {"history": self.history, "snapshots": self.snapshots}

    def _resume(self) -> None:
        """Go on from the checkpoint of an interrupted training, if there is one."""
        try:
            with damage(self.checkpoint.path):
                state = self.checkpoint.read(self.device)
                if state:
                    self.bare.load_state_dict(state["model"])
                    self.optimizer.load_state_dict(state["optimizer"])
                    self.schedule.load_state_dict(state["schedule"])
                    self.history, self.snapshots = state["history"], state["snapshots"]
        finally:
            self.accelerator.wait_for_everyone()  # before the file may be set aside


@exact()
@torch.inference_mode()
def predict(model: nn.Module, batches: Iterable, device: torch.device | None = None) -> np.ndarray:
    """Return the logit of "with mask" against "without" for every image of `batches`, float64 N, in full precision."""
    device = device or next(model.parameters()).device
    model.eval()
    parts = [model(images.to(device)).float().cpu() for images, _ in batches]
    logits = torch.cat(parts).double().numpy()
    return logits[:, 1] - logits[:, 0]
