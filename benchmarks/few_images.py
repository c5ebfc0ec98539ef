"""What autoencoders are good for on FaceMask 12K, with seeds in pairs: the studies of reports 03 and 04.

    python benchmarks/few_images.py [mixing|augmentation|attempts|pretraining|generators|robustness ...]
        [--sizes 250 1000 all] [--seeds 5]

Published is what it writes by itself, but of `augmentation` with `--seeds 20` up to 100 images per class and with
`--seeds 5` from 250 on, and of `pretraining` with `--seeds 5` for all. It writes tables to figures/face-mask-12k/; rows
of sizes that are not asked for stay in them. `mixing` is the one search, on validation images, by which
`few_images.MIXING` was chosen. The runs are kept in the store, so that an interrupted study goes on.
"""

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure
from rows import with_others

from fmlib import attempts, damage, few_images, generators, restoration, runs, studies, wording
from fmlib.config import REPO
from fmlib.data import splits
from fmlib.data.decoding import decoded
from fmlib.errors import known
from fmlib.figures import few_images as figures
from fmlib.figures import style
from fmlib.stage import Stage

TARGET = REPO / "figures" / "face-mask-12k"
SEEDS = 10  # pairs
BUDGET = 3000  # images seen by each classifier of the studies on few images, in ten passes at least
SIZES = (10, 25, 50, 100, 250, 1000, None)  # source images per class; None: all of the rarer class
UNLABELLED = {
    "study_size": 4000,
    "autoencoder_budget": 100_000,
}  # all training images (a DAE takes twice as many), seen 14 times
TAUGHT = 12_000  # images seen by a network that learns from generated ones alone: the sources twelve times
SEARCHED = (25, 5)  # size and seeds of the search for the mixing
MIXINGS = (
    {"way": "perturb", "share": 0.5, "until": 1.0},
    {"way": "perturb", "share": 0.25, "until": 1.0},
    {"way": "perturb", "share": 0.5, "until": 0.6},
    {"way": "interpolate", "share": 0.5, "until": 1.0},
    {"way": "interpolate", "share": 0.25, "until": 1.0},
    {"way": "mixture", "share": 0.5, "until": 1.0},
)
SHARES = (0.25, 0.5, 0.75, 1.0)  # of a batch, tried for the CVAE of augmented images


def write(table: pd.DataFrame, name: str) -> None:
    """Write and print a table."""
    table.to_csv(TARGET / f"{name}.csv", index=False, float_format="%.5f")
    print(f"{name}\n{table.round(4).to_string(index=False)}\n", flush=True)


def mixing(stage: Stage) -> None:
    """Balanced accuracy on validation of every mixing of a CVAE's images with the sources."""
    size, seeds = SEARCHED
    tried = [("cvae", mixing) for mixing in MIXINGS]
    tried += [("learned", {**few_images.LEARNED, "share": share}) for share in SHARES]
    rows = []
    for arm, mixing in tried:
        for seed in range(seeds):
            arms = few_images.augmentation_arms(stage, size, seed, mixing, mixing)
            rows.append((size, seed, f"{arm} {json.dumps(mixing)}", arms[arm]))
    table = few_images.scored(rows).groupby("arm", sort=False).validation.agg(["mean", "std", "count"])
    write(table.reset_index(names="mixing").assign(per_class=size), "vae_mixing")


def by_size(
    stage: Stage,
    study: Callable[[Stage], pd.DataFrame],
    compared: Iterable[tuple[str, str]],
    drawn: dict[str, Callable[[pd.DataFrame], Figure]],
) -> None:
    """Run a study size after size; write and draw its scores and its paired differences, by name, after each."""
    for size in few_images.sizes(stage):
        stage.profile = replace(stage.profile, sizes=(size,))
        scores = study(stage)
        for found, (name, draw) in zip(
            (scores, few_images.gains(scores, compared)), drawn.items(), strict=True
        ):
            table = with_others(found, TARGET / f"{name}.csv", ["per_class"])
            table = table.sort_values("per_class", kind="stable", ignore_index=True)
            write(table, name)
            style.save(draw(table), TARGET / f"{name}.png")


def augmentation(stage: Stage) -> None:
    """Every arm of the augmentation study."""
    drawn = {"vae_augmentation": figures.vae_augmentation, "vae_gains": figures.gains}
    by_size(stage, few_images.augmentation, few_images.COMPARED, drawn)


def attempted(stage: Stage) -> None:
    """Everything that was tried to make generated images add to classic augmentation."""
    stage.profile = replace(stage.profile, sizes=(attempts.SIZE,))
    table = attempts.scored(stage, attempts.ATTEMPTS)
    write(table, "vae_attempts")
    gains = attempts.gains(table)
    write(gains, "vae_attempts_gains")
    print(attempts.sentence(gains))


def pretraining(stage: Stage) -> None:
    """Encoders that have learned from all training images, without labels, against a random start."""
    stage.profile = replace(stage.profile, **UNLABELLED)
    drawn = {"dae_pretraining": figures.dae_pretraining, "dae_pretraining_gains": figures.gains}
    by_size(stage, few_images.pretraining, few_images.STARTED, drawn)


def generated(stage: Stage) -> None:
    """Reconstruction errors on test images, and what classifiers learn from generated images alone."""
    stage.profile = replace(stage.profile, study_budget=TAUGHT)
    scores = generators.scores(stage, generators.CONTENDERS)
    images, labels = decoded(stage.data, stage.profile.side), stage.data.manifest.label.to_numpy()
    test = splits.views(stage.data.manifest)["test"]
    learned = {contender.name: generators.learned(stage, contender) for contender in generators.CONTENDERS}
    errors = {
        config: generators.errors(runs.get(config), images[test], labels[test])
        for config in set(learned.values())
    }
    error = {name: errors[config].mean() for name, config in learned.items()}
    write(scores.assign(reconstruction_mse=scores.arm.map(error)), "vae_generators")
    arms = list(scores.arm.unique())
    compared = [(arm, baseline) for baseline in arms[:2] for arm in arms[arms.index(baseline) + 1 :]]
    compared.append((generators.AUGMENTED, generators.REAL))
    write(few_images.gains(scores, compared), "vae_generators_gains")
    plain, better = (errors[learned[one.name]] for one in (generators.GAUSSIAN, generators.NEAR))
    gap = generators.reduction(plain, better, stage.data.manifest["group"].to_numpy()[test])
    lower = wording.with_interval(gap.value, gap.low, gap.high, ".1%")
    print(f"error lower by {lower} on {gap.n} test images")


def robustness(stage: Stage) -> None:
    """Denoisers and filters before a classifier."""
    images, labels = decoded(stage.data, stage.profile.side), stage.data.manifest.label.to_numpy()
    test = splits.views(stage.data.manifest)["test"]
    denoisers = {run.config.model: run.model() for run in studies.autoencoders(stage, "dae", "unet")}
    groups = stage.data.manifest["group"].to_numpy()[test]
    judge = restoration.Judge(*(run.model() for run in studies.judges(stage)), labels[test], groups)
    table = restoration.robustness(judge, denoisers, images[test], stage.seed)
    write(table, "dae_robustness")
    for front_end in (*denoisers, *damage.FILTERS, restoration.TRAINED):
        print(restoration.verdict(table, 0.3, front_end))


STUDIES = {
    "mixing": mixing,
    "augmentation": augmentation,
    "attempts": attempted,
    "pretraining": pretraining,
    "generators": generated,
    "robustness": robustness,
}


def size(text: str) -> int | None:
    """Return a number of source images per class as an argument gives it; None for all."""
    if text == "all":
        return None
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}: give a positive number or all")
    return int(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", help=f"of {', '.join(STUDIES)}; all by default")
    parser.add_argument(
        "--sizes", nargs="+", type=size, default=SIZES, help="source images per class, or all"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, help="pairs")
    options = parser.parse_args()
    stage = Stage("vae", dataset="face-mask-12k", profile="quick", seed=0, external=[], out="")
    stage.profile = replace(stage.profile, size_budget=BUDGET, size_seeds=options.seeds, seeds=options.seeds)
    profile = replace(stage.profile, sizes=tuple(options.sizes))
    for name in [known("study", name, STUDIES) for name in options.studies] or STUDIES:
        stage.profile = profile
        STUDIES[name](stage)


if __name__ == "__main__":
    main()
