"""A trained classifier, opened from a run or from one file: safetensors with all that is needed to use it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model

from fmlib import calibration, modelcard, models, store
from fmlib.errors import FmlibError, UsageError
from fmlib.files import write_bytes, write_text
from fmlib.processes import processes

FORMAT = "fmlib classifier 1"
PICKLES = (b"PK\x03\x04", b"\x80")  # how files of torch.save and pickle begin
LARGEST = 1024  # px; what a file may ask to be built for


@dataclass(frozen=True)
class Trained:
    """A network in eval mode, its run's configuration, and the temperature that calibrates its logits."""

    network: models.Classifier
    config: dict
    temperature: float

    @property
    def side(self) -> int:
        """Side in px of the square images that it judges."""
        return self.config["side"]

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device


def load(model: str | os.PathLike) -> Trained:
    """Open a classifier on the fastest device here.

    Args:
        model: the key of a stored run, the folder of one, or a file written by `export`.

    Raises:
        UsageError: there is no such run or file, or it holds no classifier of this project.
    """
    path = Path(model)
    return _of_file(path) if path.is_file() else _of_run(run_folder(model))


def run_folder(model: str | os.PathLike) -> Path:
    """Return the folder of a classifier run, given its key or its path."""
    runs = store.shelf()
    folder = Path(model) if Path(model).is_dir() else runs / str(model)
    if not (folder / "predictions.csv").is_file():
        raise UsageError(
            f"no classifier run {str(model)!r} in {runs}, and no exported file of that name; "
            "the column `run` of results.csv names the runs"
        )
    return folder


def export(model: str | os.PathLike, target: Path) -> Path:
    """Write a run's classifier to one safetensors file, and its model card beside it; returns the card's path.

    Raises:
        UsageError: there is no such run, `target` does not end in .safetensors, or a file that is no model card lies
            where the card goes.
    """
    folder = run_folder(model)
    if target.suffix != ".safetensors":
        raise UsageError(f"{str(target)!r} should end in .safetensors, the format that is written")
    beside = target.with_suffix(".md")
    if beside.exists() and modelcard.MARK not in beside.read_text(encoding="utf-8", errors="replace"):
        raise UsageError(
            f"{str(beside)!r}, where the model card goes, is something else; choose another name"
        )
    trained, card = _of_run(folder), modelcard.write(folder)
    metadata = {"format": FORMAT, "config": json.dumps(trained.config), "card": card}
    metadata |= {"temperature": repr(trained.temperature)}
    target.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: values.contiguous().cpu() for name, values in trained.network.state_dict().items()}
    write_bytes(target, safetensors.torch.save(weights, metadata))
    write_text(beside, card)
    return beside


def _of_run(folder: Path) -> Trained:
    """The classifier of a run's folder; its temperature is fitted to the run's validation images."""
    if reason := store.fault(folder):
        raise FmlibError(
            f"the run in {str(folder)!r} is damaged ({reason}); a report that uses it trains it again"
        )
    config = store.read_json(folder / "config.json")
    known = store.read_table(folder / "predictions.csv")
    known = known[known["split"] == "validation"]
    temperature = calibration.temperature(known["label"], known["logit"])
    return Trained(_network(config, folder / "weights.safetensors"), config, temperature)


def _of_file(path: Path) -> Trained:
    metadata = _metadata(path)
    if metadata.get("format") != FORMAT:
        raise UsageError(
            f"{str(path)!r} holds weights, but not what they are for; name the run itself, or a file written by "
            "`python -m fmlib export`"
        )
    try:
        config, temperature = json.loads(metadata["config"]), float(metadata["temperature"])
        if not (isinstance(config["side"], int) and config["side"] <= LARGEST and temperature > 0):
            raise ValueError(f"side {config['side']}, temperature {temperature}")
        return Trained(_network(config, path), config, temperature)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise FmlibError(f"{str(path)!r} is damaged ({reason}); export the model again") from error


def _metadata(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        beginning = file.read(9)  # of safetensors: 8 bytes of any value, the header's length, then the header
    if beginning.startswith(PICKLES) and beginning[8:] != b"{":
        raise UsageError(
            f"{str(path)!r} is a pickle, as torch.save writes it; opening one can run whatever code is in it, so "
            "only safetensors are read: `python -m fmlib export RUN FILE.safetensors`"
        )
    try:
        with safe_open(str(path), framework="pt") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise UsageError(
            f"{str(path)!r} is no model: neither a run nor a whole safetensors file ({error})"
        ) from error


def _network(config: dict, weights: Path) -> models.Classifier:
    network = models.skeleton(config["model"], config["activation"], config["side"], config["pretrained"])
    load_model(network, str(weights))
    return network.to(processes().device, memory_format=torch.channels_last).eval()
