"""Images as a classifier may meet them elsewhere: faces smaller in the frame, coarser, in other colours and light.

Other collections may differ from the training images in all of that at once. Changed one at a time, images that a
network has not learned from tell what it withstands, and no image of another collection is needed: recipes may be
chosen by them. Hendrycks and Dietterich 2019 judge classifiers of ImageNet in this way, and leave their changes out of
training; a recipe that makes such changes itself, as "elsewhere" of `fmlib.augmentation`, is expected to do well.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
from scipy.special import expit
from torch.nn import functional as F

from fmlib import metrics, tables
from fmlib.augmentation import GREY
from fmlib.data import splits
from fmlib.data.batches import to_float
from fmlib.data.decoding import decoded
from fmlib.inputs import EVALUATION_BATCH
from fmlib.runs import Run
from fmlib.stage import Stage
from fmlib.training import predict
from fmlib.wording import label

Change = Callable[[torch.Tensor], torch.Tensor]
SHARES = (0.7, 0.5, 0.35, 0.25)  # of the frame's side that a picture takes up
DETAIL = (0.5, 0.25)  # of a picture's resolution that is left
SEED = 0  # of what is drawn around pictures, alike for all networks
MOST = 500  # images that are changed


def resized(images: torch.Tensor, side: int) -> torch.Tensor:
    """Return images N 3 H W as N 3 `side` `side`."""
    return F.interpolate(images, [side, side], mode="bilinear", antialias=True)


def distant(images: torch.Tensor, share: float) -> torch.Tensor:
    """Return images N 3 S S, each somewhere in a frame of which it takes up `share` of the side.

    What surrounds it is one colour in every other image, and in the rest a smooth pattern of random colours.
    """
    count, _, side, _ = images.shape
    rng, small = np.random.default_rng(SEED), resized(images, max(1, round(side * share)))
    colours = torch.from_numpy(rng.random((count, 3, 7, 7), np.float32))
    colours[::2] = colours[::2, :, :1, :1]
    frames = F.interpolate(colours, [side, side], mode="bilinear", align_corners=True)
    places = rng.integers(0, side - small.shape[-1] + 1, (count, 2))
    for frame, picture, (top, left) in zip(frames, small, places, strict=True):
        frame[:, top : top + picture.shape[-2], left : left + picture.shape[-1]] = picture
    return frames


def near(images: torch.Tensor, factor: float) -> torch.Tensor:
    """Return the middle of images N 3 S S, enlarged by `factor`."""
    side = images.shape[-1]
    edge = round(side * (1 - 1 / factor) / 2)
    return resized(images[:, :, edge : side - edge, edge : side - edge], side)


def coarse(images: torch.Tensor, share: float) -> torch.Tensor:
    """Return images N 3 S S with this share of their resolution."""
    side = images.shape[-1]
    return resized(resized(images, max(1, round(side * share))), side)


def grey(images: torch.Tensor) -> torch.Tensor:
    """Return images N 3 S S without colour."""
    brightness = torch.einsum("nchw,c->nhw", images, torch.tensor(GREY))
    return brightness[:, None].expand_as(images).contiguous()


def bright(images: torch.Tensor, factor: float) -> torch.Tensor:
    """Return images N 3 S S in [0, 1], their light multiplied by `factor` as far as white."""
    return (images * factor).clamp(0, 1)


def wide(images: torch.Tensor) -> torch.Tensor:
    """Return images N 3 S S of three quarters of the height, stretched to a square."""
    edge = images.shape[-2] // 8
    return resized(images[:, :, edge : images.shape[-2] - edge], images.shape[-1])


AS_THEY_ARE, HALF = "as they are", "50% of the frame's side"
CHANGES: dict[str, Change] = (
    {AS_THEY_ARE: lambda images: images}
    | {f"{share:.0%} of the frame's side": partial(distant, share=share) for share in SHARES}
    | {"enlarged by half": partial(near, factor=1.5), "stretched": wide}
    | {f"{share:.0%} of the detail": partial(coarse, share=share) for share in DETAIL}
    | {"grey": grey, "dark": partial(bright, factor=0.4), "bright": partial(bright, factor=1.6)}
)
METRICS = ("balanced_accuracy", "recall", "auc")


def table(stage: Stage, named: dict[str, list[Run]]) -> pd.DataFrame:
    """Score runs, by a name for all seeds of one, on validation images of the grouped split after each of `CHANGES`.

    Returns:
        DataFrame with model (the name), seed, run, change, metric (`METRICS` and "specificity", the share of faces
        without a mask that are not called masked), value, low, high and n; intervals as of `metrics.scores`.
    """
    rows = np.flatnonzero(splits.assign(stage.data.manifest, "grouped") == "validation")
    rows = splits.subset(stage.data.manifest, rows, MOST)
    parts = []
    for name, seeds in named.items():
        for run in seeds:
            inputs = {"run": run.key, "data": stage.data.fingerprint, "seed": stage.seed}
            found = tables.remembered("shifts", inputs, partial(_of_run, stage, run, rows))
            parts.append(found.assign(model=name, seed=run.config.seed, run=run.key))
    return pd.concat(parts, ignore_index=True)


def _of_run(stage: Stage, run: Run, rows: np.ndarray) -> pd.DataFrame:
    model, side, images = run.model(), run.config.side, stage.data.manifest.iloc[rows]
    pictures, labels = to_float(decoded(stage.data, side)[rows]), images["label"].to_numpy()
    parts = []
    for name, change in CHANGES.items():
        batches = ((batch, None) for batch in change(pictures).split(EVALUATION_BATCH))
        said = expit(predict(model, batches))
        parts.append(_scores(labels, said, images["group"].to_numpy(), stage.seed).assign(change=name))
    return pd.concat(parts, ignore_index=True)


def _scores(labels: np.ndarray, said: np.ndarray, groups: np.ndarray, seed: int) -> pd.DataFrame:
    own = metrics.scores(labels, said, groups, seed=seed)
    # the recall of the other class, to which a probability of exactly one half does not belong
    above = float(np.nextafter(0.5, 1))
    other = metrics.scores(1 - labels, 1 - said, groups, threshold=above, seed=seed, only="recall")
    return pd.concat([own[own.metric.isin(METRICS)], other.assign(metric="specificity")], ignore_index=True)


def record(stage: Stage, found: pd.DataFrame) -> None:
    """Record the scores, each on the view `validation:<change>`."""
    stage.record(found.assign(view="validation:" + found["change"]), split="grouped")


def line(found: pd.DataFrame, model: str) -> str:
    """Say which change costs a model most, and what it makes of faces that fill half of the frame's side.

    Scores are means over its seeds.
    """
    of = found[found["model"] == model].groupby(["change", "metric"], sort=False)["value"].mean()
    score = of.xs("balanced_accuracy", level="metric")
    changed = score.drop(AS_THEY_ARE)
    missed, called = 1 - of[HALF, "recall"], 1 - of[HALF, "specificity"]
    return (
        f"{label(model)} on changed validation images: balanced accuracy {score[AS_THEY_ARE]:.3f} as they are, "
        f"{changed.min():.3f} after the worst change ({changed.idxmin()}). Where the picture takes up half of the "
        f"frame's side it misses {missed:.0%} of the masks, and calls {called:.0%} of the faces without one masked."
    )
