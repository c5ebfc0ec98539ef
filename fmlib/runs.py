"""The run store: a training is asked for by its configuration and is loaded, resumed or trained.

A run's key is the hash of its configuration, of the images' content and of the code that trains. Its folder
`runs/<key>/` holds config.json, history.csv, weights.safetensors, predictions.csv and provenance.json; it
appears whole or not at all. Until then the work lies in `<key>.partial`, from which a later call goes on.
`table()`, `compare(...)`, `remove(key)` and `prune(...)` look after what is stored.
"""

import dataclasses
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from safetensors.torch import load_model

from fmlib import executors, making, provenance, store, training
from fmlib.config import AutoencoderConfig, ClassifierConfig, RunConfig
from fmlib.damaged_files import DamagedError, damage
from fmlib.data.sources import Dataset
from fmlib.errors import ExplosionError, FmlibError
from fmlib.files import full_disk_named, write_text
from fmlib.fingerprints import (
    AUTOENCODER_CODE,
    CLASSIFIER_CODE,
    ENCODER_CODE,
    GENERATED_CODE,
    code_version,
    digest,
)
from fmlib.inputs import batches, dataset, parts, rendered, seen
from fmlib.processes import agreed, processes
from fmlib.provenance import circumstances, noted_start
from fmlib.store import compare, prune, remove, table

__all__ = ["Run", "compare", "get", "get_all", "prune", "remove", "surviving", "table"]
_training = threading.RLock()  # a generator's run may be trained within a classifier's


def code(config: RunConfig) -> tuple[str, ...]:
    """Return the modules that can change how a run of this configuration comes out."""
    if not isinstance(config, ClassifierConfig):
        return AUTOENCODER_CODE
    encoder = ENCODER_CODE if config.model == "dae-encoder" else ()
    return CLASSIFIER_CODE + encoder + (GENERATED_CODE if config.generated else ())


def meaning(config: RunConfig) -> dict:
    """Return what a run's key is made of: its fields, the images' content and their parts in it, the code."""
    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    if fields.get("generated") is not None:
        made = vars(fields["generated"])
        fields["generated"] = made | {"autoencoder": meaning(made["autoencoder"])}
    if fields.get("start") is not None:
        fields["start"] = meaning(fields["start"])
    data = dataset(config.data)
    fields |= {"data": data.fingerprint, "rows": parts(config, data).digest}
    if fields.get("pasted"):
        fields["pasted"] = rendered(config).fingerprint
    return {"kind": type(config).__name__, **fields, "code": code_version(code(config))}


def place(config: RunConfig) -> Path:
    """Return the folder of a configuration's run, whether it is stored or not."""
    return store.shelf() / digest(meaning(config))


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
        return store.read_table(self.folder / "history.csv")

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row per validation and test image: path, group, split, label, logit, probability of a mask."""
        return store.read_table(self.folder / "predictions.csv")

    @property
    def kept(self) -> pd.Series:
        """The history's row of the epoch whose weights are kept."""
        return store.kept(self.history, self.config.patience)

    @property
    def seconds(self) -> float:
        """Time that the training's epochs took."""
        return float(self.history["seconds"].sum())

    def model(self, weights: str = "weights") -> torch.nn.Module:
        """Return the trained network in eval mode; `weights="first"`: an autoencoder after its first epoch."""
        model, path = making.skeleton(self.config), self.folder / f"{weights}.safetensors"
        with damage(path):
            load_model(model, str(path))
        return model.to(processes().device, memory_format=torch.channels_last).eval()

    def predict(self, data: Dataset) -> pd.DataFrame:
        """Return the predictions for every image of another data set, computed once."""
        path = self.folder / f"predictions-{data.fingerprint}.csv"
        if not store.holds(path, data.manifest["path"]):
            rows = np.arange(len(data.manifest))
            table = making.predictions(self.model(), self.config, data, rows)
            table.insert(2, "split", "external")
            with full_disk_named(store.shelf()):
                store.write_table(table, path)
        return store.read_table(path)


def get(config: RunConfig) -> Run:
    """Return the run of this configuration: loaded if it is stored, else resumed or trained.

    Two processes that ask for one run train it once; the second waits and loads. A process trains one run at a time,
    as torch's random state is its own only then. What is damaged is set aside with a message and trained again.

    Raises:
        ExplosionError: the loss was not finite from the start; that is remembered until `remove` or `prune`.
        FmlibError: the disk is full.
        UsageError: the configuration names something unknown.
    """
    return _stored(config, place(config))


def _stored(config: RunConfig, folder: Path) -> Run:
    """Return the run of a configuration, whose place is known, once it is stored."""
    if agreed(store.fault(folder)):
        with full_disk_named(folder.parent), _training, _alone(folder):
            _finish(config, folder)
    return Run(config, folder)


def get_all(configs: Iterable[RunConfig]) -> list[Run]:
    """Return the runs of a study, in order; what is not stored is computed where `fmlib.executors` says.

    Autoencoders that others of them need come first.

    With one thread per run they are the same bits wherever they are computed on one kind of machine; the number of
    threads changes the order of sums, and with it the rounding.
    """
    asked = [(config, place(config)) for config in configs]
    missing = {folder: config for config, folder in asked if store.fault(folder)}
    needed = {place(part): part for config in missing.values() for part in _needed(config)}
    _make_all({folder: config for folder, config in needed.items() if store.fault(folder)})
    _make_all(missing)
    return [_stored(config, folder) for config, folder in asked]


def surviving(configs: Iterable[RunConfig]) -> list[Run]:
    """Return the runs of a study as `get_all` does, without those whose loss is not finite from the start.

    Those are named on stderr.
    """
    configs = list(configs)
    try:
        return get_all(configs)  # which computes all it can before it says what failed
    except ExplosionError:
        return [run for run in map(_survivor, configs) if run]


def _survivor(config: RunConfig) -> Run | None:
    try:
        return get(config)
    except ExplosionError as error:
        print(f"{error}; this run is left out", file=sys.stderr)
        return None


def _needed(config: RunConfig) -> list[AutoencoderConfig]:
    """Return the autoencoders that a run is made with."""
    if not isinstance(config, ClassifierConfig):
        return []
    made = [config.generated.autoencoder] if config.generated else []
    return made + ([config.start] if config.start else [])


def _make_all(missing: dict[Path, RunConfig]) -> None:
    """Have the executor store the runs that are to lie in these folders."""
    if not missing:
        return
    sizes = [seen(config) for config in missing.values()]
    keys = executors.complete(make, list(missing.values()), sizes, training.describe)
    for folder, key in zip(missing, keys, strict=True):
        if store.fault(folder):
            raise FmlibError(
                f"a worker stored run {key}, and {folder} is not there: give workers and this process the same "
                "code and images, and one FMLIB_HOME on a shared folder"
            )


def make(config: RunConfig, threads: int | None = None) -> str:
    """Have a run stored, computing with this many threads, and return its key."""
    if threads:
        torch.set_num_threads(threads)
    return get(config).key


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a run's lock; under torchrun the first process does, for all of them."""
    state = processes()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")) if state.is_main_process else nullcontext():
        state.wait_for_everyone()
        yield
        state.wait_for_everyone()


def _finish(config: RunConfig, folder: Path) -> None:
    """Train a run from where it was left, unless another process has done so meanwhile."""
    fault, partial = agreed(store.fault(folder)), folder.with_suffix(".partial")
    if not fault:
        return
    _set_aside(folder, fault)
    why = agreed(store.explosion(partial))
    if why:
        raise ExplosionError(f"{why} (remembered; runs.remove({folder.name!r}) forgets it)")
    try:
        _train(config, partial)
    except DamagedError as error:
        _set_aside(partial, error)
        _train(config, partial)
    if processes().is_main_process:
        os.replace(partial, folder)
        for name in (provenance.BEGUN, training.CHECKPOINT):
            (folder / name).unlink(missing_ok=True)


def _set_aside(folder: Path, why: object) -> None:
    """Set a folder aside if there is one; all processes under torchrun go on when that is done."""
    state = processes()
    if state.is_main_process and folder.exists():
        store.set_aside(folder, why)
    state.wait_for_everyone()


def _train(config: RunConfig, partial: Path) -> None:
    """Train, and write everything that a run's folder holds into `partial`."""
    partial.mkdir(exist_ok=True)
    began = noted_start(partial)
    data = dataset(config.data)
    model = making.started(config, _trained)
    both = batches(config, making.mixture(config, _trained))
    with _explosion_noted(partial):
        history = training.Fit(model, config, *both, partial).run()
    if not processes().is_main_process:
        return
    clock = time.perf_counter()
    store.write_table(history, partial / "history.csv")
    if isinstance(config, ClassifierConfig):
        store.write_table(making.judged(model, config, data), partial / "predictions.csv")
    store.write_json(partial / "config.json", meaning(config))
    seconds = history["seconds"].sum() + time.perf_counter() - clock
    facts = {"started": began, "seconds": seconds, "data": data.fingerprint}
    facts |= {"images": len(parts(config, data).train)}
    facts |= {"dataset": data.name, "attributes": data.attributes}
    facts |= circumstances(config) | {"files": store.hashes(partial)}
    store.write_json(partial / store.RECORD, facts)


@contextmanager
def _explosion_noted(partial: Path) -> Iterator[None]:
    """Leave a note of an explosion, so that the next call need not train to find it."""
    try:
        yield
    except ExplosionError as error:
        if processes().is_main_process:
            write_text(partial / store.EXPLODED, str(error))
        raise


def _trained(config: AutoencoderConfig) -> torch.nn.Module:
    """Return the trained network of an autoencoder that a classifier is made with."""
    return get(config).model()
