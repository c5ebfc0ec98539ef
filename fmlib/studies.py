"""The studies of the reports: which runs they ask for."""

from dataclasses import replace

import numpy as np
import pandas as pd

from fmlib import comparison, evaluation, metrics, runs
from fmlib.config import (
    ACTIVATIONS,
    ARCHITECTURES,
    OPTIMIZERS,
    AutoencoderConfig,
    ClassifierConfig,
    Generated,
)
from fmlib.data import splits
from fmlib.figures import style
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
    epochs = _epochs(stage, split)
    size = batch_size(train_size(stage, "grouped"))
    base = ClassifierConfig(
        data=stage.data_config, split=split, side=profile.side, epochs=epochs, batch_size=size
    )
    return [
        replace(base, model=name, seed=stage.seed + seed)
        for name in (ARCHITECTURES[:1] if brief else ARCHITECTURES)
        for seed in range(profile.seeds)
    ]


def batch_size(images: int) -> int:
    """Return the images a step of so large a set: fewer of a small one, which would be over after a few steps."""
    return 64 if images >= 4000 else 32


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
    )


def optimizers(stage: Stage) -> list[Run]:
    """Return EfficientNet-B0 trained with each optimizer at its default learning rate, as the original compares."""
    base = replace(_small_study(stage), model="efficientnet-b0")
    return runs.get_all(replace(base, optimizer=name) for name in OPTIMIZERS)


def activations(stage: Stage) -> list[Run]:
    """Return ResNet-18 trained with each activation."""
    base = replace(_small_study(stage), model="resnet18")
    return runs.get_all(replace(base, activation=name) for name in ACTIVATIONS)


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
    return runs.get_all([config])[0]


def augmentation_configs(stage: Stage, per_class: int, seed: int) -> dict[str, ClassifierConfig]:
    """Return the arms of the augmentation study at `per_class` source images, equal but for the augmentation.

    The VAE learns from the same source images as the classifier and from no other.
    """
    profile, size = stage.profile, 2 * per_class
    common = {"data": stage.data_config, "side": profile.side, "train_size": size, "seed": stage.seed + seed}
    generator = AutoencoderConfig(
        **common, model="vae", epochs=round(profile.autoencoder_budget / size), latent=32, batch_size=32
    )
    made = Generated(autoencoder=generator)
    base = ClassifierConfig(**common, epochs=round(profile.size_budget / size), batch_size=32)
    return {
        "none": replace(base, augmentation="none"),
        "classic": base,
        "vae": replace(base, augmentation="none", generated=made),
        "classic+vae": replace(base, generated=made),
    }


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


def augmentation(stage: Stage) -> tuple[pd.DataFrame, list[Run]]:
    """Train every arm at every size of the profile, in pairs by seed.

    Returns:
        The table, per_class, arm, seed, run, balanced_accuracy (test view) and mean, low, high over seeds (95% t
        interval; NaN for a single seed); and the runs.
    """
    arms = [
        (per_class, arm, seed, config)
        for per_class in sizes(stage)
        for seed in range(stage.profile.size_seeds)
        for arm, config in augmentation_configs(stage, per_class, seed).items()
    ]
    found, rows = runs.get_all(config for *_, config in arms), []
    for (per_class, arm, seed, _), run in zip(arms, found, strict=True):
        test = run.predictions[run.predictions.split == "test"]
        score = metrics.scores(test.label, test.probability, only="balanced_accuracy", resamples=1)
        rows.append((per_class, arm, seed, run.key, score["value"].iloc[0]))
    table = pd.DataFrame(rows, columns=["per_class", "arm", "seed", "run", "balanced_accuracy"])
    summary = table.groupby(["per_class", "arm"]).balanced_accuracy.apply(_mean_interval).unstack()
    return table.join(summary, on=["per_class", "arm"]), found


def _mean_interval(values: pd.Series) -> pd.Series:
    gap = comparison.paired_difference(values, np.zeros(len(values)))
    return pd.Series({"mean": gap.value, "low": gap.low, "high": gap.high})


def sizes(stage: Stage) -> list[int]:
    """Source images per class of the augmentation study; sizes that the data cannot fill are left out."""
    available = train_size(stage, "grouped") // 2
    return [size for size in stage.profile.sizes if size <= available] or [available]


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """Compare arms of the augmentation study in pairs over seeds.

    Returns:
        DataFrame with per_class, arm, baseline, difference in balanced accuracy, low, high (95% t interval), pairs and
        verdict: "helps", "hurts" or "cannot be told".
    """
    wanted = [("classic", "none"), ("vae", "none"), ("classic+vae", "classic")]
    rows = []
    for per_class, part in table.groupby("per_class"):
        values = part.pivot(index="seed", columns="arm", values="balanced_accuracy")
        for arm, baseline in wanted:
            gap = comparison.paired_difference(values[arm], values[baseline])
            verdict = "helps" if gap.low > 0 else "hurts" if gap.high < 0 else "cannot be told"
            rows.append((per_class, arm, baseline, gap.value, gap.low, gap.high, gap.n, verdict))
    columns = ["per_class", "arm", "baseline", "difference", "low", "high", "pairs", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def verdict(stage: Stage, found: list[Run], by: str, metric: str = "f1") -> str:
    """Say in a sentence which of the runs are best on the test view, or that they cannot be told apart."""
    tests = {getattr(run.config, by): run.predictions[run.predictions.split == "test"] for run in found}
    one = next(iter(tests.values()))
    models = {name: test.probability.to_numpy() for name, test in tests.items()}
    order = comparison.ranking(one.label.to_numpy(), models, one.group.to_numpy(), metric, seed=stage.seed)
    best, rest = order.iloc[0], order.iloc[1:]
    behind = [style.label(name) for name in rest[rest.verdict == "worse than the best"].model]
    text = f"{style.label(best.model)} scores highest ({style.label(metric)} {best.value:.3f})"
    if not behind:
        return f"{text}, but none of the others can be told apart from it on these test images."
    same = [style.label(name) for name in rest.model if style.label(name) not in behind]
    tied = f"; {' and '.join(same)} cannot be told apart from it" if same else ""
    return f"{text}; {' and '.join(behind)} {'are' if len(behind) > 1 else 'is'} worse{tied}."


def summary(scores: pd.DataFrame, found: list[Run] | None = None, by: str = "model") -> pd.DataFrame:
    """Return one metric's rows as a table to read: name, seed, value with its interval, n."""
    names = {run.key: getattr(run.config, by) for run in found or []}
    named = [style.label(names.get(row.run, row.model)) for row in scores.itertuples()]
    value = [f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in scores.itertuples()]
    metric = style.label(scores.metric.iloc[0])
    columns = {by: named, "seed": scores.seed.to_numpy(), metric: value, "images": scores.n.to_numpy()}
    return pd.DataFrame(columns).set_index(by)


def gain_sentences(gains: pd.DataFrame) -> str:
    """Say in a list what each comparison of `gains` showed, from its interval."""
    said = {"helps": "help", "hurts": "hurt", "cannot be told": "make no difference that can be told"}
    what = {
        "classic": "Classic augmentation",
        "vae": "VAE images",
        "classic+vae": "VAE images on top of classic augmentation",
    }
    lines = []
    for row in gains.itertuples():
        verb = said[row.verdict] + ("s" if row.arm == "classic" and row.verdict != "cannot be told" else "")
        verb = verb.replace("make no", "makes no") if row.arm == "classic" else verb
        gap = f"{row.difference:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
        lines.append(
            f"* {what[row.arm]} {verb} at {row.per_class} source images per class: {gap} balanced accuracy."
        )
    return "\n".join(lines)
