"""The studies of the reports: which runs they ask for."""

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from fmlib import evaluation, learning_rates, runs
from fmlib.better_autoencoders import latent
from fmlib.config import (
    ACTIVATIONS,
    ARCHITECTURES,
    OPTIMIZERS,
    AutoencoderConfig,
    ClassifierConfig,
)
from fmlib.data import splits
from fmlib.runs import Run
from fmlib.stage import Stage

SMALL_BATCH = 8  # of autoencoders, judges of what they make, studies on few images: many small steps pay
LONG = 50_000  # images that a run sees from which strong augmentation pays
SEEN = {"unet": 0.5, "vae-per-class": 2.0}  # images that an autoencoder sees, in those of the others
UNET_RATE = 3e-3  # its learning rate, chosen on validation images as its share above


def train_size(stage: Stage, split: str) -> int:
    """Number of images that a split of the stage's data trains on."""
    return int((splits.assign(stage.data.manifest, split) == "train").sum())


def architecture_configs(stage: Stage, split: str = "grouped") -> list[ClassifierConfig]:
    """Configurations of the architecture study, seeds inside architectures.

    On synthetic data below the full profile a single architecture shows what the official split does.
    """
    profile = stage.profile
    brief = split == "official" and stage.data_config.dataset == "synthetic" and profile.name != "full"
    size = train_size(stage, "grouped")
    base = ClassifierConfig(
        data=stage.data_config,
        split=split,
        side=profile.side,
        epochs=_epochs(stage, split),
        batch_size=batch_size(size),
        # one for both splits, which are compared
        augmentation=recipe(size * _epochs(stage, "grouped"), stage.data_config.dataset),
        patience=None,
    )
    return [
        replace(base, model=name, seed=stage.seed + seed)
        for name in (ARCHITECTURES[:1] if brief else ARCHITECTURES)
        for seed in range(profile.seeds)
    ]


def batch_size(images: int) -> int:
    """Return the images a step of so large a set: fewer of a small one, which would be over after a few steps.

    With 32 of a large one, three of four architectures have a higher loss on validation images
    (`benchmarks/batch_size.py`).
    """
    return 64 if images >= 4000 else 32


def recipe(seen: int, dataset: str) -> str:
    """Return the augmentation of the architecture study's runs that see so many images: a strong one for long runs.

    It took a third off ResNet-18's errors in cross-validation (`benchmarks/recipe.py`); that it helps short runs cannot
    be told. Rendered faces are not mixed, nor made coarse, in long runs: fewer are misclassified
    (`benchmarks/improper_wear.py`), perhaps as whether a mask sits below a nose is a matter of a small area.
    """
    if seen < LONG:
        return "classic"
    return "whole" if dataset == "synthetic" else "strong"


def _epochs(stage: Stage, split: str) -> int:
    """Return the epochs over a split; on both splits a network sees about as many images."""
    honest = train_size(stage, "grouped")
    seen = honest * stage.profile.epochs(honest, stage.profile.budget)
    return max(1, round(seen / train_size(stage, split)))


def all_architectures(stage: Stage, split: str = "grouped") -> list[Run]:
    """Return the runs of the architecture study, every seed."""
    return runs.get_all(architecture_configs(stage, split))


def architectures(stage: Stage, split: str = "grouped") -> list[Run]:
    """Return one run of each architecture, the first seed's."""
    return runs.get_all(c for c in architecture_configs(stage, split) if c.seed == stage.seed)


def _small_study(stage: Stage) -> ClassifierConfig:
    profile = stage.profile
    size = min(profile.study_size, train_size(stage, "grouped"))
    epochs = profile.epochs(size, profile.study_budget)
    return ClassifierConfig(
        data=stage.data_config,
        side=profile.side,
        train_size=size,
        epochs=epochs,
        batch_size=batch_size(size),
        seed=stage.seed,
        patience=None,
    )


def _every_seed(stage: Stage, configs: Iterable[ClassifierConfig]) -> list[Run]:
    """Return the runs of these configurations, each with all seeds of the profile's smaller studies."""
    seeds = range(stage.seed, stage.seed + stage.profile.study_seeds)
    return runs.get_all(replace(config, seed=seed) for config in configs for seed in seeds)


def rate_search(stage: Stage) -> list[Run]:
    """Return EfficientNet-B0 trained once with each optimizer at each rate of the search that it survives."""
    base = replace(_small_study(stage), model="efficientnet-b0")
    return runs.surviving(
        replace(base, optimizer=name, learning_rate=rate)
        for name in OPTIMIZERS
        for rate in learning_rates.rates(name, stage.profile.rates)
    )


def optimizers(stage: Stage, rates: dict[str, float | None]) -> list[Run]:
    """Return the original's EfficientNet-B0 trained with each optimizer at its rate, every seed."""
    base = replace(_small_study(stage), model="efficientnet-b0")
    return _every_seed(
        stage, [replace(base, optimizer=name, learning_rate=rate) for name, rate in rates.items()]
    )


def activations(stage: Stage) -> list[Run]:
    """Return ResNet-18 trained with each activation, every seed."""
    base = replace(_small_study(stage), model="resnet18")
    return _every_seed(stage, [replace(base, activation=name) for name in ACTIVATIONS])


def _twice_the_study(stage: Stage, budget: int) -> dict:
    """What the runs of reports 03 and 04 on twice the study's images have in common."""
    size = min(stage.profile.study_size * 2, train_size(stage, "grouped"))
    epochs = stage.profile.epochs(size, budget)
    common = {"data": stage.data_config, "side": stage.profile.side, "seed": stage.seed}
    return {**common, "train_size": size, "epochs": epochs}


def autoencoder_config(stage: Stage, model: str) -> AutoencoderConfig:
    """Return the configuration of an autoencoder that learns from the stage's training images.

    The U-Net, whose steps take longer and which needs fewer, sees half as many; two VAEs, one per class, twice.
    """
    common = _twice_the_study(stage, round(stage.profile.autoencoder_budget * SEEN.get(model, 1)))
    return AutoencoderConfig(
        **common,
        model=model,
        latent=latent(model, stage.profile.side),
        batch_size=SMALL_BATCH,
        learning_rate=UNET_RATE if model == "unet" else None,
    )


def autoencoders(stage: Stage, *models: str) -> list[Run]:
    """Return autoencoders of these kinds, trained on the stage's training images."""
    return runs.get_all(autoencoder_config(stage, model) for model in models)


def judges(stage: Stage) -> list[Run]:
    """Return the small network that judges restored images, trained without and with noise."""
    common = _twice_the_study(stage, 2 * stage.profile.study_budget)
    base = ClassifierConfig(**common, model="dae-encoder")
    return runs.get_all([base, replace(base, augmentation="noisy")])


def histories(found: list[Run], by: str = "model") -> pd.DataFrame:
    """Return the runs' histories under each other, with `name` (the field `by` of the configuration) and seed."""
    parts = [run.history.assign(name=getattr(run.config, by), seed=run.config.seed) for run in found]
    return pd.concat(parts, ignore_index=True)


def scored(stage: Stage, found: list[Run]) -> pd.DataFrame:
    """Return every metric of each run on all views, as `evaluation.scores` does."""
    return evaluation.scores(evaluation.predictions(stage.data, stage.external, found), stage.seed)


def record(stage: Stage, table: pd.DataFrame, found: list[Run], **fields: object) -> None:
    """Record a scores table as results rows, each with what its run was configured to."""
    runs_by_key = {run.key: run for run in found}
    for score in table.to_dict("records"):
        config = runs_by_key[score["run"]].config
        known = {
            "model": config.model,
            "optimizer": config.optimizer,
            "split": config.split,
            "seed": config.seed,
        }
        known |= {
            "activation": config.activation,
            "augmentation": config.augmentation,
            "train_size": config.train_size,
        }
        measured = {name: score[name] for name in ("view", "metric", "value", "low", "high", "n", "run")}
        stage.row(**(known | measured | fields))


def record_search(stage: Stage, found: list[Run], table: pd.DataFrame) -> None:
    """Record the validation loss at every learning rate that was tried."""
    for run, tried in zip(found, table.itertuples(), strict=True):
        of = {"model": run.config.model, "optimizer": run.config.optimizer, "run": run.key}
        of |= {"split": run.config.split, "train_size": run.config.train_size, "seed": run.config.seed}
        view = f"validation:learning_rate={tried.learning_rate:g}"
        stage.row(**of, view=view, metric="validation_loss", value=tried.validation_loss)
