"""How well denoisers restore damaged images, and what that does to a classifier."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from skimage.metrics import structural_similarity
from torch import nn

from fmlib.bootstrap import mean_interval, ratio_interval
from fmlib.damage import FILTERS, LEVELS, NOTHING, TRAINED, apply, damaged
from fmlib.data.batches import to_float
from fmlib.data.splits import spread
from fmlib.intervals import of_rate
from fmlib.runs import Run
from fmlib.stage import Stage
from fmlib.tables import remembered
from fmlib.wording import label, with_interval

COMPARED = 50  # images, evenly spread, whose structural similarity is computed: it takes milliseconds each
TOLD = 1.0  # width of the interval of a share from which it tells nothing
RESAMPLES = 2000


def psnr(images: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio in dB of each image N 3 H W in [0, 1] (peak 1); equal images have infinity."""
    return -10 * torch.log10((images - reference).square().mean((1, 2, 3)))


def ssim(images: torch.Tensor, reference: torch.Tensor) -> np.ndarray:
    """Structural similarity of each image (Wang et al. 2004, as scikit-image computes it); N."""
    pairs = zip(images.numpy(), reference.numpy(), strict=True)
    return np.array([structural_similarity(a, b, channel_axis=0, data_range=1) for a, b in pairs])


@dataclass(frozen=True)
class Judge:
    """Scores images by a classifier trained on clean images and by one trained with noise.

    `labels`: 0 or 1, N; `groups`: of images that share an origin, N, which intervals count once.
    """

    classifier: nn.Module
    hardened: nn.Module
    labels: np.ndarray
    groups: np.ndarray

    def hits(self, images: torch.Tensor, hardened: bool = False) -> np.ndarray:
        """Return which images N 3 H W are classified correctly, bool N."""
        network = self.hardened if hardened else self.classifier
        return apply(network, images).argmax(1).numpy() == self.labels


def robustness(judge: Judge, denoisers: dict[str, nn.Module], images: np.ndarray, seed: int) -> pd.DataFrame:
    """Score damaged images at every level of `LEVELS`: as they are, restored, and by a classifier that knows noise.

    Args:
        denoisers: name -> network; the filters of `fmlib.damage` join them.
        images: uint8 N side side 3, of the judge's labels.

    Returns:
        DataFrame with damage, level, front_end, accuracy with its Wilson interval low and high (over the effective
        number of images), and n; with bootstrap intervals over groups (..._low, ..._high) gain, the accuracy less that
        of the images as they are, and restored, the share of the accuracy that the damage took which comes back (NaN
        where it took none); and the images' mean psnr (dB) and ssim against the clean ones, the latter of `compared`.
    """
    front_ends = {name: partial(apply, model) for name, model in denoisers.items()} | FILTERS
    clean = judge.hits(to_float(images))
    parts = [
        _level(judge, front_ends, images, damaged(images, kind, level, seed), clean).assign(
            damage=kind, level=float(level)
        )
        for kind, levels in LEVELS.items()
        for level in levels
    ]
    return pd.concat(parts, ignore_index=True)


def _level(
    judge: Judge, front_ends: dict[str, Callable], images: np.ndarray, seen: torch.Tensor, clean: np.ndarray
) -> pd.DataFrame:
    """One damage at one level: a row per front end, the images as they are (`seen`, N 3 H W) first."""
    plain, reference = judge.hits(seen), to_float(images)
    score = partial(_score, plain=plain, clean=clean, groups=judge.groups)
    rows = [{"front_end": NOTHING, **score(plain), **_quality(seen, reference)}]
    for name, restore in front_ends.items():
        restored = restore(seen)
        rows.append({"front_end": name, **score(judge.hits(restored)), **_quality(restored, reference)})
    known = score(judge.hits(seen, hardened=True))
    return pd.DataFrame([*rows, {"front_end": TRAINED, **known, **_quality(seen, reference)}])


def _quality(images: torch.Tensor, reference: torch.Tensor) -> dict[str, float]:
    few = spread(np.arange(len(images)), COMPARED)
    return {
        "psnr": float(psnr(images, reference).mean()),
        "ssim": float(ssim(images[few], reference[few]).mean()),
        "compared": len(few),
    }


def _score(hits: np.ndarray, plain: np.ndarray, clean: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """Accuracy and how much of what was lost comes back, of which images (bool N) are classified correctly."""
    low, high = of_rate(hits.mean(), groups)
    back, lost = hits.astype(float) - plain, clean.astype(float) - plain
    gain, gain_low, gain_high = mean_interval(back, groups)
    restored, restored_low, restored_high = ratio_interval(back, lost, groups, RESAMPLES)
    return {
        "accuracy": hits.mean(),
        "low": low,
        "high": high,
        "n": len(hits),
        "gain": gain,
        "gain_low": gain_low,
        "gain_high": gain_high,
        "restored": restored,
        "restored_low": restored_low,
        "restored_high": restored_high,
    }


def measured(
    stage: Stage, images: np.ndarray, rows: np.ndarray, judges: Sequence[Run], denoisers: dict[str, Run]
) -> pd.DataFrame:
    """Return the `robustness` of these rows of a stage's images (uint8), computed once.

    Args:
        judges: a classifier trained on clean images, and one trained with noise.
        denoisers: name -> autoencoder; they join the filters.
    """
    clean, hardened = judges
    labels, groups = (stage.data.manifest[name].to_numpy()[rows] for name in ("label", "group"))
    judge = Judge(clean.model(), hardened.model(), labels, groups)
    keys = {name: run.key for name, run in denoisers.items()} | {"judges": [clean.key, hardened.key]}
    keys |= {"data": stage.data.fingerprint, "images": rows.tolist(), "seed": stage.seed}
    networks = {name: run.model() for name, run in denoisers.items()}
    return remembered("robustness", keys, lambda: robustness(judge, networks, images[rows], stage.seed))


def record(stage: Stage, table: pd.DataFrame, model: str, dae: Run) -> None:
    """Record a robustness table as results rows, each with what came before the classifier and with the damage."""
    for row in table.itertuples():
        fields = {"model": f"{model} after {row.front_end}", "augmentation": f"{row.damage} {row.level:g}"}
        fields |= {"split": "grouped", "view": "test", "n": row.n, "seed": dae.config.seed, "run": dae.key}
        stage.row(metric="accuracy", value=row.accuracy, low=row.low, high=row.high, **fields)
        stage.row(metric="psnr", value=row.psnr, **fields)
        stage.row(metric="ssim", value=row.ssim, **(fields | {"n": row.compared}))


def verdict(table: pd.DataFrame, level: float = 0.3, front_end: str = "dae", damage: str = "noise") -> str:
    """Say in a sentence what a front end does to the classifier's accuracy at one level of a robustness table.

    The gain in brackets is paired on the same images, with its interval, which decides.
    """
    rows = table[(table.damage == damage) & (table.level == level)].set_index("front_end")
    plain, after = rows.loc[NOTHING], rows.loc[front_end]
    gain = with_interval(after.gain, after.gain_low, after.gain_high, "+.3f")
    other = (
        "with the classifier trained with noise in its place"
        if front_end == TRAINED
        else f"with {label(front_end)}"
    )
    scored = (
        f"accuracy is {plain.accuracy:.3f} with nothing before the classifier, {after.accuracy:.3f} {other} "
    )
    scored += f"({gain})"
    apart = after.gain_low > 0 or after.gain_high < 0
    how = ("helps" if after.gain > 0 else "hurts") if apart else "makes no difference we can tell"
    if (damage, level) == ("noise", 0):
        return f"On clean images {scored}: it {how}."
    share = ""
    if apart and after.restored > 0 and after.restored_high - after.restored_low < TOLD:
        back = with_interval(after.restored, after.restored_low, after.restored_high, ".0%")
        share = f" and brings back {back} of what was lost"
    return f"At {label(damage)} {level:g} {scored}: it {how}{share}."
