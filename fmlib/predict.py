"""Judge photographs of one's own with the model of a finished run."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_model

from fmlib import calibration, models
from fmlib.checkpoints import damage
from fmlib.config import CLASSES, home
from fmlib.data import pictures
from fmlib.data.batches import squared, to_float
from fmlib.errors import UsageError

BATCH = 64
COLUMNS = ["path", "label", "probability", "error"]


def run_folder(model: str | os.PathLike) -> Path:
    """Return the folder of a classifier run, given its key or its path."""
    runs = home() / "runs"
    folder = Path(model) if Path(model).is_dir() else runs / str(model)
    if not (folder / "predictions.csv").is_file():
        raise UsageError(
            f"no classifier run {str(model)!r} in {runs}; the column `run` of results.csv names them"
        )
    return folder


def load(folder: Path) -> tuple[models.Classifier, float]:
    """Return the trained classifier of a run's folder and the temperature fitted to its validation images."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    model = models.build(config["model"], config["activation"], config["side"])
    weights = folder / "weights.safetensors"
    with damage(weights):
        load_model(model, str(weights))
    known = pd.read_csv(folder / "predictions.csv")
    known = known[known.split == "validation"]
    return model.eval(), calibration.temperature(known.label, known.logit)


def predict_files(model: str | os.PathLike, images: Sequence[str | os.PathLike]) -> pd.DataFrame:
    """Judge image files.

    Args:
        model: the key of a stored classifier run, or its folder.
        images: image files; animated ones are judged by their first frame.

    Returns:
        A row per file, in their order: path, label ("with mask" or "without mask"), probability of a mask (calibrated
        on the run's validation images), and error: why a file could not be read (then label is empty).

    Raises:
        UsageError: there is no such run.
    """
    folder = run_folder(model)
    side = json.loads((folder / "config.json").read_text(encoding="utf-8"))["side"]
    network, temperature = load(folder)
    parts = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    tables = [_judge(network, temperature, part, side) for part in parts]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


@torch.inference_mode()
def _judge(network: models.Classifier, temperature: float, paths: Sequence, side: int) -> pd.DataFrame:
    table = pd.DataFrame(
        {"path": [str(path) for path in paths], "label": "", "probability": np.nan, "error": ""}
    )
    pixels = {}
    for row, path in enumerate(paths):
        try:
            pixels[row] = squared(pictures.open_rgb(Path(path)), side)
        except pictures.UnreadableError as error:
            table.loc[row, "error"] = str(error)
    if pixels:
        logits = network(to_float(np.stack(list(pixels.values())))).double().numpy()
        probability = calibration.calibrated(logits[:, 1] - logits[:, 0], temperature)
        table.loc[list(pixels), "probability"] = probability
        table.loc[list(pixels), "label"] = [CLASSES[int(p >= 0.5)] for p in probability]
    return table
