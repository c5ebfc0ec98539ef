"""How good generators are: what they reconstruct, and what a classifier learns from their images alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from fmlib import few_images, generation, studies
from fmlib.bootstrap import ratio_interval
from fmlib.comparison import Difference
from fmlib.config import AutoencoderConfig, ClassifierConfig, Generated
from fmlib.runs import Run
from fmlib.stage import Stage


class Contender(NamedTuple):
    """A way to make labelled images: an autoencoder, how its codes are drawn, how the images it learns from change."""

    model: str
    way: str
    augmentation: str = "none"

    @property
    def name(self) -> str:
        varied = "augmented " if self.augmentation != "none" else ""
        return f"{varied}{self.model}, {self.way}"


SPECIFIED = Contender("vae-per-class", "prior")  # how a VAE as specified makes images of a known class
GAUSSIAN = Contender("vae", "gaussian")
NEAR = Contender("cvae", few_images.MIXING["way"])
VARIED = Contender("cvae", few_images.LEARNED["way"], few_images.CLASSIC)
CONTENDERS = (SPECIFIED, GAUSSIAN, *(Contender("cvae", way) for way in generation.WAYS), VARIED)
# below the full profile
BRIEF = (SPECIFIED, GAUSSIAN, Contender("cvae", "gaussian"), NEAR, VARIED)
REAL = "real images"  # what the contenders are held against
AUGMENTED = "real images, classic augmentation"
RESAMPLES = 2000


def errors(run: Run, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean squared error of a VAE's reconstruction of each uint8 image N side side 3, in [0, 1]; N."""
    made = generation.reconstructed(run.model(), images, labels)
    return np.square((made.astype(np.float32) - images) / 255).mean((1, 2, 3))


def reduction(plain: np.ndarray, better: np.ndarray, groups: np.ndarray) -> Difference:
    """By which share the second errors lie below the first on the same images, with its bootstrap interval.

    All N; images of one group, those of one origin, are drawn together. No interval of too few (`bootstrap.enough`).
    """
    left, low, high = ratio_interval(better, plain, groups, RESAMPLES)
    return Difference(1 - left, 1 - high, 1 - low, np.nan, len(plain))


def learned(stage: Stage, contender: Contender) -> AutoencoderConfig:
    """Return the autoencoder of a contender."""
    plain = studies.autoencoder_config(stage, contender.model)
    return replace(plain, augmentation=contender.augmentation)


def taught(stage: Stage, seed: int, contenders: Sequence[Contender]) -> dict[str, ClassifierConfig]:
    """Return classifiers that see nothing but one generator's images, and two that see those it learned from.

    One of the two sees them augmented. All take as many steps and keep their last weights: no real image chooses the
    epoch of those that see generated ones.
    """
    source = studies.autoencoder_config(stage, "vae")
    common = {"data": source.data, "side": source.side, "train_size": source.train_size}
    epochs = stage.profile.epochs(source.train_size, stage.profile.study_budget)
    common |= {"epochs": epochs, "batch_size": studies.SMALL_BATCH, "seed": stage.seed + seed}
    base = ClassifierConfig(**common, model=few_images.MODEL, augmentation="none", patience=None)
    made = {}
    for contender in contenders:
        images = Generated(autoencoder=learned(stage, contender), way=contender.way, share=1.0)
        made[contender.name] = replace(base, generated=images)
    return made | {REAL: base, AUGMENTED: replace(base, augmentation=few_images.CLASSIC)}


def scores(stage: Stage, contenders: Sequence[Contender] | None = None) -> pd.DataFrame:
    """Return every contender's classification accuracy score (Ravuri & Vinyals 2019), as of `few_images.scored`.

    Without a choice of them all contend in the full profile, and `BRIEF` in the others.
    """
    contenders = contenders or (CONTENDERS if stage.profile.name == "full" else BRIEF)
    per_class = studies.autoencoder_config(stage, "vae").train_size // 2
    return few_images.scored(
        (per_class, seed, arm, config)
        for seed in range(stage.profile.seeds)
        for arm, config in taught(stage, seed, contenders).items()
    )
