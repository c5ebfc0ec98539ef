"""What was tried to make a VAE's images add to classic augmentation: other ways to draw codes, other losses."""

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from fmlib import few_images
from fmlib.config import ClassifierConfig, Generated
from fmlib.stage import Stage

BASELINE = "classic"
SIZE = 50  # source images per class, if the data has so many
ATTEMPTS = {  # name -> autoencoder, what is changed of it, what is changed of the mixing
    "specified VAE, gaussian": ("vae", {}, {"way": "gaussian"}),
    "CVAE, gaussian": ("cvae", {}, {"way": "gaussian"}),
    "CVAE, mixture": ("cvae", {}, {"way": "mixture"}),
    "CVAE, perturb": ("cvae", {}, {"way": "perturb"}),
    "CVAE, interpolate": ("cvae", {}, {"way": "interpolate"}),
    "CVAE, perturb, early epochs alone": ("cvae", {}, {"until": 0.6}),
    "CVAE, perturb, β 0.1": ("cvae", {"beta": 0.1}, {}),
    "CVAE, perturb, KL warm-up": ("cvae", {"warm_up": 0.5}, {}),
    "CVAE, perturb, sharp edges": ("cvae", {"edges": 1.0}, {}),
    "augmented CVAE, perturb": ("cvae", {"augmentation": few_images.CLASSIC}, {}),
}
# below the full profile
BRIEF = ("CVAE, interpolate", "CVAE, perturb, sharp edges", "augmented CVAE, perturb")


def size(stage: Stage) -> int:
    """Return the number of source images per class of the attempts: the study's size that is nearest to `SIZE`."""
    return min(few_images.sizes(stage), key=lambda per_class: abs(per_class - SIZE))


def arms(stage: Stage, per_class: int, seed: int, tried: Iterable[str]) -> dict[str, ClassifierConfig]:
    """Return the attempts at `per_class` source images and what they are held against: classic augmentation alone."""
    base = few_images.augmentation_arms(stage, per_class, seed)[BASELINE]
    found = {BASELINE: base}
    for name in tried:
        model, changes, mixing = ATTEMPTS[name]
        learned = replace(few_images.generator(stage, per_class, seed, model), **changes)
        images = Generated(autoencoder=learned, **{**few_images.MIXING, **mixing})
        found[f"classic + {name}"] = replace(base, generated=images)
    return found


def scored(stage: Stage, tried: Iterable[str] | None = None) -> pd.DataFrame:
    """Train these attempts in pairs by seed; a table as of `few_images.scored`.

    Without a choice these are all in the full profile, and `BRIEF` in the others.
    """
    per_class = size(stage)
    tried = tried or (ATTEMPTS if stage.profile.name == "full" else BRIEF)
    return few_images.scored(
        (per_class, seed, arm, config)
        for seed in range(stage.profile.size_seeds)
        for arm, config in arms(stage, per_class, seed, tried).items()
    )


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """Compare every attempt with classic augmentation alone, as `few_images.gains` does."""
    tried = [arm for arm in table.arm.unique() if arm != BASELINE]
    return few_images.gains(table, [(arm, BASELINE) for arm in tried])


def sentence(gains: pd.DataFrame) -> str:
    """Say which of the attempts helped, how many hurt, and for how many it cannot be told."""
    helped = "; ".join(gains.arm[gains.verdict == "helps"])
    said = f"these helped: {helped}" if helped else "none was shown to help"
    per_class = gains.per_class.iloc[0]
    hurt, unclear = ((gains.verdict == verdict).sum() for verdict in ("hurts", "cannot be told"))
    return (
        f"Of {len(gains)} attempts to add a VAE's images to classic augmentation, with {per_class} images per "
        f"class, {said} ({hurt} hurt, and for {unclear} it cannot be told)."
    )
