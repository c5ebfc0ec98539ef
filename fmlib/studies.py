"""The studies of the reports: which runs they ask for."""

from dataclasses import replace

from fmlib import runs
from fmlib.config import ACTIVATIONS, ARCHITECTURES, OPTIMIZERS, AutoencoderConfig, ClassifierConfig
from fmlib.data import splits
from fmlib.runs import Run
from fmlib.stage import Stage

ARMS = ("none", "classic", "vae", "classic+vae")  # of the augmentation study


def train_size(stage: Stage, split: str) -> int:
    """Number of images that a split of the stage's data trains on."""
    return int((splits.assign(stage.data.manifest, split) == "train").sum())


def architecture_configs(stage: Stage, split: str = "grouped") -> list[ClassifierConfig]:
    """Configurations of the architecture study, seeds inside architectures.

    On synthetic data below the full profile a single architecture shows what the official split does.
    """
    profile = stage.profile
    brief = split == "official" and stage.data_config.dataset == "synthetic" and profile.name != "full"
    epochs = profile.epochs(train_size(stage, split), profile.budget)
    base = ClassifierConfig(data=stage.data_config, split=split, side=profile.side, epochs=epochs)
    return [
        replace(base, model=name, seed=stage.seed + seed)
        for name in (ARCHITECTURES[:1] if brief else ARCHITECTURES)
        for seed in range(profile.seeds)
    ]


def all_architectures(stage: Stage, split: str = "grouped") -> list[Run]:
    """Return the runs of the architecture study, every seed."""
    return [runs.get(config) for config in architecture_configs(stage, split)]


def architectures(stage: Stage, split: str = "grouped") -> list[Run]:
    """Return one run of each architecture, the first seed's."""
    return [runs.get(c) for c in architecture_configs(stage, split) if c.seed == stage.seed]


def _small_study(stage: Stage) -> ClassifierConfig:
    profile = stage.profile
    size = min(profile.study_size, train_size(stage, "grouped"))
    epochs = profile.epochs(size, profile.study_budget)
    return ClassifierConfig(
        data=stage.data_config, side=profile.side, train_size=size, epochs=epochs, seed=stage.seed
    )


def optimizers(stage: Stage) -> list[Run]:
    """Return EfficientNet-B0 trained with each optimizer at its default learning rate, as the original compares."""
    base = replace(_small_study(stage), model="efficientnet-b0")
    return [runs.get(replace(base, optimizer=name)) for name in OPTIMIZERS]


def activations(stage: Stage) -> list[Run]:
    """Return ResNet-18 trained with each activation."""
    base = replace(_small_study(stage), model="resnet18")
    return [runs.get(replace(base, activation=name)) for name in ACTIVATIONS]


def autoencoder(stage: Stage, model: str) -> Run:
    """Return the DAE or the VAE trained on the stage's training images."""
    profile = stage.profile
    size = min(profile.study_size * 2, train_size(stage, "grouped"))
    epochs = profile.epochs(size, profile.autoencoder_budget)
    config = AutoencoderConfig(
        data=stage.data_config,
        model=model,
        side=profile.side,
        train_size=size,
        epochs=epochs,
        seed=stage.seed,
    )
    return runs.get(config)


def augmentation_configs(stage: Stage, per_class: int, seed: int) -> dict[str, ClassifierConfig]:
    """Return the arms of the augmentation study at `per_class` source images, equal but for the augmentation.

    The VAE learns from the same source images as the classifier and from no other.
    """
    profile, size = stage.profile, 2 * per_class
    common = {"data": stage.data_config, "side": profile.side, "train_size": size, "seed": stage.seed + seed}
    generator = AutoencoderConfig(
        **common, model="vae", epochs=round(profile.autoencoder_budget / size), latent=32, batch_size=32
    )
    base = ClassifierConfig(**common, epochs=round(profile.size_budget / size), batch_size=32)
    return {
        "none": replace(base, augmentation="none"),
        "classic": base,
        "vae": replace(base, augmentation="none", generator=generator),
        "classic+vae": replace(base, generator=generator),
    }
