"""The run store: a training is asked for by its configuration and is loaded, resumed or trained.

A run's key is the hash of its configuration, of the images' content and of the code that trains. Its folder
`runs/<key>/` holds config.json, history.csv, weights.safetensors, predictions.csv and provenance.json; it
appears whole or not at all. Until then the work lies in `<key>.partial`, from which a later call goes on.
"""

import csv
import dataclasses
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from filelock import FileLock
from safetensors.torch import load_model

from fmlib import autoencoders, generation, models, training
from fmlib.config import ClassifierConfig, DataConfig, RunConfig, home
from fmlib.data import sources, splits
from fmlib.data.batches import Batches, decoded
from fmlib.data.sources import Dataset
from fmlib.environment import commit, environment
from fmlib.errors import FmlibError
from fmlib.fingerprints import TRAINING_CODE, code_version, digest, measuring_code

EVALUATION_BATCH = 256


@lru_cache(maxsize=8)
def dataset(config: DataConfig) -> Dataset:
    """Return the data set of a configuration, loaded once per process."""
    return sources.load(config.dataset, images=config.images, seed=config.seed)


def build(config: RunConfig) -> torch.nn.Module:
    """Build the untrained network of a configuration, its weights drawn from the run's seed."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        if isinstance(config, ClassifierConfig):
            return models.build(config.model, config.activation, config.side, config.pretrained)
        return autoencoders.build(config.model, config.side, config.latent)


def meaning(config: RunConfig) -> dict:
    """Return what a run's key is made of: its fields, the images' content and their parts in it, the code."""
    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    if fields.get("generator") is not None:
        fields["generator"] = meaning(fields["generator"])
    data = dataset(config.data)
    sides, train = _training_rows(config, data)
    fields |= {"data": data.fingerprint, "rows": digest([sides.tolist(), train.tolist()])}
    return {"kind": type(config).__name__, **fields, "code": code_version(TRAINING_CODE)}


@dataclass(frozen=True)
class Run:
    """A finished run on disk."""

    config: RunConfig
    folder: Path

    @property
    def key(self) -> str:
        return self.folder.name

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row per epoch: epoch, train_* and validation_* means, seconds."""
        return _read_table(self.folder / "history.csv")

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row per validation and test image: path, group, split, label, logit, probability of a mask."""
        return _read_table(self.folder / "predictions.csv")

    @property
    def seconds(self) -> float:
        """Time that the training's epochs took."""
        return float(self.history["seconds"].sum())

    def model(self, weights: str = "weights") -> torch.nn.Module:
        """Return the trained network in eval mode; `weights="first"`: an autoencoder after its first epoch."""
        model = build(self.config)
        load_model(model, str(self.folder / f"{weights}.safetensors"))
        return model.to(Accelerator().device, memory_format=torch.channels_last).eval()

    def predict(self, data: Dataset) -> pd.DataFrame:
        """Return the predictions for every image of another data set, computed once."""
        path = self.folder / f"predictions-{data.fingerprint}.csv"
        if not path.exists():
            rows = np.arange(len(data.manifest))
            table = _predictions(self.model(), self.config, data, rows)
            table.insert(2, "split", "external")
            _write_table(table, path)
        return _read_table(path)


def get(config: RunConfig) -> Run:
    """Return the run of this configuration: loaded if it is stored, else resumed or trained.

    Two processes that ask for one run train it once; the second waits and loads.

    Raises:
        FmlibError: the loss was not finite from the start.
        UsageError: the configuration names something unknown.
    """
    described = meaning(config)
    folder = home() / "runs" / digest(described)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                _train(config, described, folder)
    return Run(config, folder)


def _train(config: RunConfig, described: dict, folder: Path) -> None:
    partial = folder.with_suffix(".partial")
    partial.mkdir(exist_ok=True)
    started, clock = time.time(), time.perf_counter()
    data = dataset(config.data)
    sides, train = _training_rows(config, data)
    model = build(config)
    history = training.Fit(model, config, *_batches(config, data, sides, train), partial).run()
    _write_table(history, partial / "history.csv")
    if isinstance(config, ClassifierConfig):
        rows = np.flatnonzero(sides.isin(["validation", "test"]))
        table = _predictions(model, config, data, rows)
        table.insert(2, "split", sides.iloc[rows].to_numpy())
        _write_table(table, partial / "predictions.csv")
    _write_json(partial / "config.json", described)
    provenance = {"commit": commit(), "environment": environment(), "started": started, "images": len(train)}
    _write_json(partial / "provenance.json", provenance | {"seconds": time.perf_counter() - clock})
    os.replace(partial, folder)


def _training_rows(config: RunConfig, data: Dataset) -> tuple[pd.Series, np.ndarray]:
    """Return every image's side of the split and the rows that train."""
    sides = splits.assign(data.manifest, config.split)
    rows = np.flatnonzero(sides == "train")
    if config.train_size:
        rows = splits.subset(data.manifest, rows, config.train_size, config.seed)
    return sides, rows


def training_images(config: RunConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return the images that a run trains on, uint8 N side side 3, and their labels."""
    data = dataset(config.data)
    rows = _training_rows(config, data)[1]
    return decoded(data, config.side)[rows], data.manifest["label"].to_numpy()[rows]


def _batches(
    config: RunConfig, data: Dataset, sides: pd.Series, train: np.ndarray
) -> tuple[Batches, Batches]:
    images, labels = decoded(data, config.side), data.manifest["label"].to_numpy()
    augmentation = getattr(config, "augmentation", "none")
    extra = _generated(config) if getattr(config, "generator", None) else None
    batches = Batches(images, labels, train, config.batch_size, config.seed, augmentation, extra)
    validation = np.flatnonzero(sides == "validation")
    return batches, Batches(images, labels, validation, EVALUATION_BATCH)


def _generated(config: ClassifierConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return as many generated images, with labels, as the generator had to learn from."""
    run = get(config.generator)
    images, labels = training_images(run.config)
    return generation.generate(run.model(), images, labels, -(-len(images) // 2), config.seed)


def _predictions(model: torch.nn.Module, config: RunConfig, data: Dataset, rows: np.ndarray) -> pd.DataFrame:
    labels = data.manifest["label"].to_numpy()
    batches = Batches(decoded(data, config.side), labels, rows, EVALUATION_BATCH)
    logits = training.predict(model, batches.ordered())
    table = data.manifest.iloc[rows][["path", "group", "label"]].reset_index(drop=True)
    return table.assign(logit=logits, probability=1 / (1 + np.exp(-logits)))


def remembered(name: str, inputs: dict, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return a derived table: read if it was computed before from these inputs by this code, else computed.

    Args:
        name: of the measurement.
        inputs: JSON-like values that it depends on, runs by their keys and data sets by their fingerprints.
        compute: makes the table.
    """
    key = digest({"name": name, "inputs": inputs, "code": code_version(measuring_code())})
    path = home() / "tables" / f"{name}-{key}.csv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                _write_table(compute(), path)
    return _read_table(path)


def table() -> pd.DataFrame:
    """Return a row per stored run: key, its configuration's fields, when it started, how long it took."""
    rows = []
    for path in sorted((home() / "runs").glob("*/provenance.json")):
        config, provenance = (
            json.loads(path.with_name(name).read_text()) for name in ("config.json", path.name)
        )
        rows.append({"key": path.parent.name, **config, **{k: provenance[k] for k in ("started", "seconds")}})
    return pd.DataFrame(rows)


def remove(key: str) -> None:
    """Delete the stored run `key`."""
    folder = home() / "runs" / key
    if not (folder / "provenance.json").exists():
        raise FmlibError(f"no run {key} in {folder.parent}; runs.table() lists them")
    shutil.rmtree(folder)


def _write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=1, default=str) + "\n", encoding="utf-8")


def _write_table(frame: pd.DataFrame, path: Path) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    frame.to_csv(
        partial, index=False, errors="surrogateescape", quoting=csv.QUOTE_NONNUMERIC
    )  # any file name
    os.replace(partial, path)


def _read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"group": str, "path": str}, encoding_errors="surrogateescape")
