"""The one training loop, for classifiers and autoencoders alike, and prediction."""

import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from safetensors.torch import load_model, save_model
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from fmlib.allocation import keep_freed_memory
from fmlib.autoencoders import VAE, add_noise, bernoulli_loss, gaussian_kl
from fmlib.config import AutoencoderConfig, ClassifierConfig, RunConfig
from fmlib.data.batches import Batches
from fmlib.errors import FmlibError, known

Losses = dict[str, torch.Tensor]  # "loss" is what is minimised; all are means over the batch
Objective = Callable[[nn.Module, torch.Tensor, torch.Tensor], Losses]

# name -> (constructor, default learning rate, further settings); fused: one pass over the weights, which takes a
# third off AlexNet's step on a CPU
OPTIMIZERS = {
    "adam": (torch.optim.Adam, 1e-3, {"fused": True}),
    "sgd": (torch.optim.SGD, 0.05, {"momentum": 0.9, "nesterov": True, "fused": True}),
    "adadelta": (torch.optim.Adadelta, 1.0, {}),
    "asgd": (torch.optim.ASGD, 0.1, {}),
}
GENTLE = {"alexnet": 0.3}  # without batch norm the default rates diverge; factors on them
SLOW_IN_BF16 = "efficientnet"  # on a CPU, for its depthwise convolutions
CHECKPOINT_AFTER = 20  # seconds of training from which an interruption would hurt
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


def autocast(model: nn.Module, device: torch.device):
    """Return the bf16 context where it is faster for this model on this device, else an empty one."""
    slow = getattr(model, "name", "").startswith(SLOW_IN_BF16) or not torch.cpu._is_avx512_bf16_supported()
    if device.type == "cuda" or (device.type == "cpu" and not slow):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def class_weights(labels: np.ndarray) -> torch.Tensor:
    """Weights of the classes, float32 2, that make both count alike and average to 1 over `labels` (N, 0 or 1)."""
    return torch.from_numpy(len(labels) / (2 * np.bincount(labels, minlength=2))).float()


def classification(weights: torch.Tensor) -> Objective:
    """Cross-entropy, each image weighed by its class, and accuracy."""

    def objective(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Losses:
        logits = model(images).float()
        weight = weights.to(labels.device)[labels]
        loss = (weight * F.cross_entropy(logits, labels, reduction="none")).mean()
        return {"loss": loss, "accuracy": (logits.argmax(1) == labels).float().mean()}

    return objective


def denoising(noise: float) -> Objective:
    """Mean squared error between the restored noisy image and the clean one; sigma uniform up to `noise`."""

    def objective(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Losses:
        sigma = noise * torch.rand(len(images), 1, 1, 1, device=images.device)
        return {"loss": F.mse_loss(model(add_noise(images, sigma)).float(), images)}

    return objective


def negative_elbo(model: VAE, images: torch.Tensor, labels: torch.Tensor) -> Losses:
    """Reconstruction loss plus KL in nats per image (Kingma & Welling 2014), one sample of z."""
    mean, log_variance = (part.float() for part in model.encode(images))
    codes = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    reconstruction = bernoulli_loss(model.decode_logits(codes).float(), images).mean()
    kl = gaussian_kl(mean, log_variance).mean()
    return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}


def objective_of(config: RunConfig, train: Batches) -> Objective:
    """Return the loss that a run of this configuration minimises on these training images."""
    if isinstance(config, ClassifierConfig):
        return classification(class_weights(train.labels[train.rows]))
    assert isinstance(config, AutoencoderConfig)
    return denoising(config.noise) if config.model == "dae" else negative_elbo


class Means:
    """Running means of losses, weighted by the batches' sizes."""

    def __init__(self):
        self.sums, self.count = defaultdict(float), 0

    def add(self, losses: Losses, size: int) -> None:
        self.count += size
        for name, value in losses.items():
            self.sums[name] += value.detach() * size

    def row(self, prefix: str) -> dict[str, float]:
        return {f"{prefix}_{name}": float(total) / self.count for name, total in self.sums.items()}


@torch.inference_mode()
def evaluate(model: nn.Module, objective: Objective, batches: Iterable, device: torch.device) -> Means:
    """Return the mean losses over `batches`, the model in eval mode."""
    model.eval()
    means = Means()
    for images, labels in batches:
        with autocast(model, device):
            means.add(objective(model, images.to(device), labels.to(device)), len(images))
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


class Fit:
    """One training: `run()` trains `model` in place and leaves it with the weights of the lowest validation loss.

    In `folder` it keeps `weights.safetensors` (the best so far), `first.safetensors` (autoencoders: after the
    first epoch) and, while it lasts, `checkpoint.pt`, from which an interrupted training goes on.
    Everything random is a function of (config.seed, epoch); torch's global random state is left as it was.
    """

    def __init__(
        self, model: nn.Module, config: RunConfig, train: Batches, validation: Batches, folder: Path
    ):
        keep_freed_memory()
        self.accelerator = Accelerator()
        self.device = self.accelerator.device
        self.config, self.train, self.validation, self.folder = config, train, validation, folder
        self.objective, self.steps = objective_of(config, train), config.epochs * len(train)
        model.to(self.device, memory_format=torch.channels_last)
        optimizer = make_optimizer(config.optimizer, model, config.learning_rate)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        factor = partial(rate_factor, steps=self.steps)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer.optimizer, factor)
        self.history: list[dict] = []

    def run(self) -> pd.DataFrame:
        """Train to the end and return the history, a row per epoch.

        Columns: epoch, train_* and validation_* losses (means per image), seconds.

        Raises:
            FmlibError: the loss was not finite before one epoch was complete.
        """
        self._resume()
        done = len(self.history) * len(self.train)
        with (
            torch.random.fork_rng(),
            tqdm(initial=done, total=self.steps, desc=describe(self.config), leave=False) as bar,
        ):
            while len(self.history) < self.config.epochs and not self._stalled():
                row = self._epoch(len(self.history) + 1, bar)
                if not math.isfinite(row["train_loss"] + row["validation_loss"]):
                    break
                self._keep(row)
        if not self.history:
            raise FmlibError(f"{describe(self.config)}: the loss is not finite; lower the learning rate")
        load_model(self._bare(), str(self.folder / "weights.safetensors"))
        (self.folder / "checkpoint.pt").unlink(missing_ok=True)
        return pd.DataFrame(self.history)

    def _epoch(self, number: int, bar: tqdm) -> dict:
        """Train one epoch; return its row of the history."""
        start, means = time.perf_counter(), Means()
        torch.manual_seed(int(np.random.SeedSequence([self.config.seed, number]).generate_state(1)[0]))
        self.model.train()
        for images, labels in self.train.epoch(number):
            with autocast(self.model, self.device):
                losses = self.objective(self.model, images.to(self.device), labels.to(self.device))
            self.accelerator.backward(losses["loss"])
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.schedule.step()
            means.add(losses, len(images))
            bar.update()
        scores = evaluate(self.model, self.objective, self.validation.ordered(), self.device)
        row = means.row("train") | scores.row("validation")
        bar.set_postfix(loss=f"{row['train_loss']:.3g}", validation=f"{row['validation_loss']:.3g}")
        return {"epoch": number, **row, "seconds": time.perf_counter() - start}

    def _stalled(self) -> bool:
        """Whether the validation loss has not improved for `patience` epochs."""
        losses = [row["validation_loss"] for row in self.history]
        return bool(losses) and len(losses) - 1 - int(np.argmin(losses)) >= self.config.patience

    def _bare(self) -> nn.Module:
        return self.accelerator.unwrap_model(self.model)

    def _keep(self, row: dict) -> None:
        """Add an epoch's row to the history, its weights if they are the best, and what a resumption needs."""
        best = min((past["validation_loss"] for past in self.history), default=math.inf)
        self.history.append(row)
        if row["validation_loss"] < best:
            save_model(self._bare(), str(self.folder / "weights.safetensors"))
        if len(self.history) == 1 and isinstance(self.config, AutoencoderConfig):
            save_model(self._bare(), str(self.folder / "first.safetensors"))
        if sum(past["seconds"] for past in self.history) > CHECKPOINT_AFTER:
            self._checkpoint()

    def _checkpoint(self) -> None:
        state = {part: getattr(self, part).state_dict() for part in ("optimizer", "schedule")}
        state |= {"model": self._bare().state_dict(), "history": self.history}
        torch.save(state, self.folder / "checkpoint.partial")
        os.replace(self.folder / "checkpoint.partial", self.folder / "checkpoint.pt")

    def _resume(self) -> None:
        """Go on from the checkpoint of an interrupted training, if there is one."""
        path = self.folder / "checkpoint.pt"
        if path.exists():
            state = torch.load(path, map_location=self.device, weights_only=True)
            self._bare().load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            self.history = state["history"]


@torch.inference_mode()
def predict(model: nn.Module, batches: Iterable, device: torch.device | None = None) -> np.ndarray:
    """Return the logit of "with mask" against "without" for every image of `batches`, float64 N, in full precision."""
    device = device or next(model.parameters()).device
    model.eval()
    parts = [model(images.to(device)).float().cpu() for images, _ in batches]
    logits = torch.cat(parts).double().numpy()
    return logits[:, 1] - logits[:, 0]
