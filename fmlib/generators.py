"""How good generators are: what they reconstruct, and what a classifier learns from their images alone."""

from dataclasses import replace

import numpy as np
import pandas as pd

from fmlib import few_images, generation, studies
from fmlib.bootstrap import interval
from fmlib.comparison import Difference
from fmlib.config import ClassifierConfig, Generated
from fmlib.runs import Run
from fmlib.stage import Stage

SPECIFIED = ("vae-per-class", "prior")  # all that a VAE as specified can make images of a known class with
CONTENDERS = (
    SPECIFIED,
    ("vae", "gaussian"),
    *(("cvae", way) for way in generation.WAYS),
)  # autoencoder, how codes are drawn
BRIEF = (
    SPECIFIED,
    ("vae", "gaussian"),
    ("cvae", "gaussian"),
    ("cvae", few_images.MIXING["way"]),
)  # below the full profile
REAL = "real images"  # what the contenders are held against
RESAMPLES = 2000


def errors(run: Run, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean squared error of a VAE's reconstruction of each uint8 image N side side 3, in [0, 1]; N."""
    made = generation.reconstructed(run.model(), images, labels)
    return np.square((made.astype(np.float32) - images) / 255).mean((1, 2, 3))


def reduction(plain: np.ndarray, better: np.ndarray) -> Difference:
    """By which share the second errors lie below the first on the same images (N each), with its bootstrap interval."""
    picks = np.random.default_rng(0).integers(0, len(plain), (RESAMPLES, len(plain)))
    drawn = 1 - better[picks].mean(1) / plain[picks].mean(1)
    return Difference(float(1 - better.mean() / plain.mean()), *interval(drawn), np.nan, len(plain))


def taught(stage: Stage, seed: int, contenders: tuple) -> dict[str, ClassifierConfig]:
    """Return classifiers that see nothing but the images of one generator, and one that sees those it learned from.

    All take as many steps and keep their last weights: no real image chooses the epoch of
    those that see generated ones.
    """
    source = studies.autoencoder_config(stage, "vae")
    common = {"data": source.data, "side": source.side, "train_size": source.train_size}
    epochs = stage.profile.epochs(source.train_size, stage.profile.study_budget)
    common |= {"epochs": epochs, "batch_size": studies.SMALL_BATCH, "seed": stage.seed + seed}
    base = ClassifierConfig(**common, model=few_images.MODEL, augmentation="none", patience=None)
    made = {
        f"{model}, {way}": Generated(autoencoder=studies.autoencoder_config(stage, model), way=way, share=1.0)
        for model, way in contenders
    }
    return {arm: replace(base, generated=images) for arm, images in made.items()} | {REAL: base}


def scores(stage: Stage, contenders: tuple | None = None) -> pd.DataFrame:
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
