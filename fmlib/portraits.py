"""Faces to look at one by one: which ones are shown, and their Grad-CAM rows as pytorch-gradcam draws them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from fmlib.attention import model
from fmlib.explain import METHODS, coloured, reference
from fmlib.faces import Faces
from fmlib.runs import Run

FRONTAL, TURNED = 0.95, 0.05  # quantiles of left-right symmetry that stand for the pose where it is not known


@dataclass(frozen=True)
class Strip:
    """One model's view of one face of a class: the class explained, its probability, five pictures side side 3."""

    model: str
    face: str
    truth: int
    explained: int
    probability: float
    pictures: list[np.ndarray]  # input, then heat map and overlay of each method


def strips(runs: list[Run], faces: Faces, label: int) -> list[Strip]:
    """Rows of pictures for faces with this label: a frontal and a turned one by every model, then the hardest.

    The hardest face is the one that a model is least sure of or wrong about; both classes' maps are shown for it.
    """
    sure = probabilities(runs, faces)  # of the true class, a column per run
    chosen = posed(faces, label, sure.min(axis=1).to_numpy())
    rows = [(run, pose, place, label) for pose, place in chosen.items() for run in runs]
    own = sure[faces.labels.numpy() == label].stack()
    place, key = own.idxmin()
    run = next(run for run in runs if run.key == key)
    kind = "wrongly judged" if own.min() < 0.5 else "least certain"
    rows += [(run, kind, place, explained) for explained in (label, 1 - label)]
    return [
        _strip(run, faces, pose, place, explained, sure.loc[place, run.key])
        for run, pose, place, explained in rows
    ]


def probabilities(runs: list[Run], faces: Faces) -> pd.DataFrame:
    """Probability of each face's true class by every run: rows as in `faces`, a column per run's key."""
    labels, columns = faces.labels.numpy(), {}
    for run in runs:
        masked = run.predictions.set_index("path")["probability"].reindex(faces.manifest["path"]).to_numpy()
        columns[run.key] = np.where(labels == 1, masked, 1 - masked)
    return pd.DataFrame(columns)


def posed(faces: Faces, label: int, sure: np.ndarray) -> dict[str, int]:
    """Places of a frontal and of a turned face with this label, of those that every model judges rightly.

    Rendered faces tell how far the head is turned. Photographs do not: there the more and the less symmetric
    images are taken, and named so.
    """
    usable = faces.labels.numpy() == label
    table = faces.manifest
    if faces.described:
        plain = (
            (table["occluder"].fillna("") == "")
            & table["wear"].isin(["none", "proper"])
            & table["yaw"].notna()
        )
        usable = usable & plain if (usable & plain).any() else usable
    right = usable & (sure > 0.5)
    places = np.flatnonzero(right if right.any() else usable)
    if faces.described and table["yaw"].iloc[places].notna().all():
        yaw = table["yaw"].abs().to_numpy()[places]
        return {"frontal": places[yaw.argmin()], "at an angle": places[yaw.argmax()]}
    order = places[symmetry(faces.pixels[places]).argsort()]
    ends = {"symmetric": FRONTAL, "asymmetric": TURNED}
    return {name: order[round(share * (len(order) - 1))] for name, share in ends.items()}


def symmetry(pixels: np.ndarray) -> np.ndarray:
    """Correlation of each image (uint8 N H W 3) with its mirror image."""
    grey = pixels.mean(3).reshape(len(pixels), -1)
    mirrored = pixels[:, :, ::-1].mean(3).reshape(len(pixels), -1)
    grey, mirrored = (values - values.mean(1, keepdims=True) for values in (grey, mirrored))
    return (grey * mirrored).sum(1) / np.maximum((grey**2).sum(1), 1e-9)


def _strip(run: Run, faces: Faces, face: str, place: int, explained: int, sure: float) -> Strip:
    image = faces.pixels[place].astype(np.float32) / 255
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    with reference(model(run)) as draw:
        device = next(model(run).parameters()).device
        maps = [draw.map(method, tensor.to(device), explained) for method in METHODS]
    pictures = [image, *(picture for saliency in maps for picture in coloured(saliency, image))]
    truth = int(faces.labels[place])
    return Strip(
        run.config.model, face, truth, explained, float(sure if explained == truth else 1 - sure), pictures
    )
