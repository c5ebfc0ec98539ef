"""The studies of classifiers that learn from few images: generated ones added, or an encoder to start from.

They use the small network that has a DAE's encoder, at `SIDE` px: cheap enough for many seeds in pairs.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from fmlib import comparison, runs
from fmlib.better_autoencoders import latent
from fmlib.config import AutoencoderConfig, ClassifierConfig, Generated
from fmlib.data import splits
from fmlib.runs import Run
from fmlib.stage import Stage
from fmlib.studies import SMALL_BATCH, train_size
from fmlib.wording import label, with_interval

MODEL, SIDE = "dae-encoder", 32
EPOCHS = 10  # of one pass over the images or several
VALIDATED = 200  # images that a network is validated on after each epoch
GENERATOR_BUDGET = 4 / 3  # images seen by a generator, in those seen by a classifier, if passes allow
MIXING = {
    "way": "perturb",
    "share": 0.25,
    "until": 1.0,
}  # chosen on validation: `benchmarks/few_images.py mixing`
CLASSIC = "gentle"  # what classic augmentation is here: it blends nothing, so that a VAE can learn from it
LEARNED = {  # of the CVAE that learns from augmented sources: nearly the best, 1.0, and some real images are left
    **MIXING,
    "share": 0.75,
}
ARMS = ("none", "classic", "vae", "cvae", "learned", "classic+cvae")
COMPARED = (*((arm, "none") for arm in ARMS[1:5]), ("learned", "classic"), ("classic+cvae", "classic"))
STARTS = ("random start", "DAE's encoder", "unmasking DAE's encoder", "mask finder's encoder")
SAID = {"cannot be told": "makes no difference that can be told"}  # verdict -> in a sentence
# each with its baseline; the last says whether it helps that an unmasking DAE restores what it finds
STARTED = (*((start, STARTS[0]) for start in STARTS[1:]), (STARTS[2], STARTS[3]))


def sizes(stage: Stage) -> list[int]:
    """Source images per class of the studies; sizes that the data cannot fill are left out."""
    manifest = stage.data.manifest
    labels = manifest.label[splits.assign(manifest, "grouped") == "train"]
    available = max(1, int(np.bincount(labels, minlength=2).min()))
    wanted = [available if size is None else size for size in stage.profile.sizes]
    return sorted({size for size in wanted if size <= available}) or [available]


def _few(stage: Stage, per_class: int, seed: int) -> dict:
    """What all runs on so many images have in common."""
    return {
        "data": stage.data_config,
        "train_size": 2 * per_class,
        "validation_size": VALIDATED,
        "side": SIDE,
        "epochs": EPOCHS,
        "batch_size": SMALL_BATCH,
        "seed": stage.seed + seed,
    }


def _passes(per_class: int, seen: float) -> int:
    """Passes per epoch with which a run sees about so many images."""
    return max(1, round(seen / EPOCHS / (2 * per_class)))


def generator(
    stage: Stage, per_class: int, seed: int, model: str, augmentation: str = "none"
) -> AutoencoderConfig:
    """Return the VAE that learns from a seed's source images and from no other."""
    passes = _passes(per_class, GENERATOR_BUDGET * stage.profile.size_budget)
    common = _few(stage, per_class, seed)
    return AutoencoderConfig(
        **common, model=model, passes=passes, latent=latent(model, SIDE), augmentation=augmentation
    )


def augmentation_arms(
    stage: Stage, per_class: int, seed: int, mixing: dict = MIXING, learned: dict = LEARNED
) -> dict[str, ClassifierConfig]:
    """Return the arms of the augmentation study at `per_class` source images, equal but for the augmentation.

    "learned": a CVAE that was trained on augmented sources makes what classic augmentation computes.
    """
    passes = _passes(per_class, stage.profile.size_budget)
    common = _few(stage, per_class, seed)
    base = ClassifierConfig(**common, model=MODEL, augmentation=CLASSIC, passes=passes)
    plain = Generated(autoencoder=generator(stage, per_class, seed, "vae"), **{**mixing, "way": "gaussian"})
    better = Generated(autoencoder=generator(stage, per_class, seed, "cvae"), **mixing)
    varied = Generated(autoencoder=generator(stage, per_class, seed, "cvae", CLASSIC), **learned)
    return {
        "none": replace(base, augmentation="none"),
        "classic": base,
        "vae": replace(base, augmentation="none", generated=plain),
        "cvae": replace(base, augmentation="none", generated=better),
        "learned": replace(base, augmentation="none", generated=varied),
        "classic+cvae": replace(base, generated=better),
    }


def augmentation(stage: Stage) -> pd.DataFrame:
    """Train every arm at every size of the profile, in pairs by seed; a table as of `scored`."""
    return scored(
        (per_class, seed, arm, config)
        for per_class in sizes(stage)
        for seed in range(stage.profile.size_seeds)
        for arm, config in augmentation_arms(stage, per_class, seed).items()
    )


def dae(stage: Stage) -> AutoencoderConfig:
    """Return the DAE that learns, without labels, from as many images as the other autoencoders, at `SIDE` px."""
    size = min(2 * stage.profile.study_size, train_size(stage, "grouped"))
    epochs = stage.profile.epochs(size, stage.profile.autoencoder_budget)
    return AutoencoderConfig(
        data=stage.data_config,
        train_size=size,
        side=SIDE,
        epochs=epochs,
        batch_size=SMALL_BATCH,
        seed=stage.seed,
    )


def unmasking(stage: Stage) -> AutoencoderConfig:
    """Return a DAE that also finds rendered masks laid over augmented images, and takes them off.

    Nothing is known of the images, but the renderer says where its masks are.
    """
    return replace(dae(stage), model="unmasking", pasted=stage.profile.study_size, augmentation=CLASSIC)


def finder(stage: Stage) -> AutoencoderConfig:
    """Return the same network, which only says where masks were laid over: it learns to segment them."""
    return replace(unmasking(stage), model="mask-finder")


def pretraining(stage: Stage) -> pd.DataFrame:
    """Train on few labels from a random start and from other encoders, in pairs by seed; a table as of `scored`."""
    starts = (None, dae(stage), unmasking(stage), finder(stage))
    return scored(
        (per_class, seed, arm, replace(augmentation_arms(stage, per_class, seed)["classic"], start=start))
        for per_class in sizes(stage)
        for seed in range(stage.profile.size_seeds)
        for arm, start in zip(STARTS, starts, strict=True)
    )


def scored(arms: Iterable[tuple[int, int, str, ClassifierConfig]]) -> pd.DataFrame:
    """Have the runs of (per_class, seed, arm, configuration) made and scored.

    Returns:
        DataFrame with per_class, seed, arm, run, balanced_accuracy (test), validation (the same on validation images),
        and mean, low, high of the former over seeds (95% t interval; NaN for a single seed, and for
        equal scores).
    """
    arms = list(arms)
    found = runs.get_all(config for *_, config in arms)
    rows = [
        (*arm[:3], run.key, balanced_accuracy(run, "test"), balanced_accuracy(run, "validation"))
        for arm, run in zip(arms, found, strict=True)
    ]
    columns = ["per_class", "seed", "arm", "run", "balanced_accuracy", "validation"]
    table = pd.DataFrame(rows, columns=columns)
    summary = table.groupby(["per_class", "arm"]).balanced_accuracy.apply(_mean_interval).unstack()
    return table.join(summary, on=["per_class", "arm"])


def balanced_accuracy(run: Run, side: str) -> float:
    """Return a run's balanced accuracy on a side of its split."""
    part = run.predictions[run.predictions.split == side]
    return float(comparison.seed_scores(part.label, part.probability, "balanced_accuracy")[0])


def _mean_interval(values: pd.Series) -> pd.Series:
    gap = comparison.paired_difference(values, np.zeros(len(values)))
    return pd.Series({"mean": gap.value, "low": gap.low, "high": gap.high})


def gains(table: pd.DataFrame, compared: Iterable[tuple[str, str]] = COMPARED) -> pd.DataFrame:
    """Compare arms of a study in pairs over seeds, each with its baseline.

    Returns:
        DataFrame with per_class, arm, baseline, difference in balanced accuracy, low, high (95% t interval), pairs and
        verdict: "helps", "hurts" or "cannot be told".
    """
    rows = []
    for per_class, part in table.groupby("per_class"):
        values = part.pivot(index="seed", columns="arm", values="balanced_accuracy")
        for arm, baseline in compared:
            gap = comparison.paired_difference(values[arm], values[baseline])
            verdict = "helps" if gap.low > 0 else "hurts" if gap.high < 0 else "cannot be told"
            rows.append((per_class, arm, baseline, gap.value, gap.low, gap.high, gap.n, verdict))
    columns = ["per_class", "arm", "baseline", "difference", "low", "high", "pairs", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def record(stage: Stage, table: pd.DataFrame, test_images: int) -> None:
    """Record the scores of a study's runs as results rows."""
    for row in table.itertuples():
        fields = {"model": MODEL, "augmentation": row.arm, "train_size": 2 * row.per_class, "run": row.run}
        fields |= {"split": "grouped", "view": "test", "n": test_images, "seed": stage.seed + row.seed}
        stage.row(metric="balanced_accuracy", value=row.balanced_accuracy, **fields)


def record_gains(stage: Stage, gains: pd.DataFrame) -> None:
    """Record paired differences as results rows; their n is the number of pairs."""
    for row in gains.itertuples():
        fields = {"model": MODEL, "augmentation": f"{row.arm} against {row.baseline}", "n": row.pairs}
        fields |= {"train_size": 2 * row.per_class, "split": "grouped", "view": "test"}
        stage.row(metric="accuracy_gain", value=row.difference, low=row.low, high=row.high, **fields)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of arms, or of their `gains`, to be read: by images per class, under the names of figures."""
    names = {column: table[column].map(label) for column in ("arm", "baseline") if column in table}
    return table.assign(**names).set_index(["per_class", "arm"]).round(3)


def gain_sentences(gains: pd.DataFrame) -> str:
    """Say in a list what each comparison of `gains` showed, from its interval."""
    lines = []
    for row in gains.itertuples():
        gap = with_interval(row.difference, row.low, row.high, "+.3f", "no interval") + " balanced accuracy"
        lines.append(
            f"* At {row.per_class} images per class: {label(row.arm)} against {label(row.baseline)} "
            f"**{SAID.get(row.verdict, row.verdict)}** ({gap}, {row.pairs} pairs)."
        )
    return "\n".join(lines)
