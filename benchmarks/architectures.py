"""The architecture study of the full profile on FaceMask 12K, judged on all views, over seeds.

python benchmarks/architectures.py [FOLDER ...] [--splits grouped official] [--models NAME ...] [--seeds N]

FOLDER: images of another collection, judged as well. Writes figures/face-mask-12k/architectures.csv, a row per model,
split, view and metric, from which `make readme` makes the README's table; what was written of others stays. With
FMLIB_WORKERS=2 two networks train at once.
"""

import argparse
from dataclasses import replace

import pandas as pd

from fmlib import evaluation, runs, studies
from fmlib.config import ARCHITECTURES, REPO
from fmlib.stage import Stage

METRICS = ("precision", "recall", "f1", "auc", "accuracy", "balanced_accuracy", "ece", "ece_calibrated")
TARGET = REPO / "figures" / "face-mask-12k" / "architectures.csv"
SPLITS = ("grouped", "official")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", metavar="FOLDER")
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=list(SPLITS))
    parser.add_argument("--models", nargs="+", choices=ARCHITECTURES, default=list(ARCHITECTURES))
    parser.add_argument("--seeds", type=int, help="of each model; the profile's number unless given")
    options = parser.parse_args()
    common = {
        "dataset": "face-mask-12k",
        "profile": "full",
        "seed": 0,
        "external": options.folders,
        "out": "",
    }
    stage = Stage("metrics", **common)
    if options.seeds is not None:
        stage.profile = replace(stage.profile, seeds=options.seeds)
    configs = [
        config
        for split in options.splits
        for config in studies.architecture_configs(stage, split)
        if config.model in options.models
    ]
    predictions = evaluation.predictions(stage.data, stage.external, runs.get_all(configs))
    scores = evaluation.over_seeds(evaluation.scores(predictions, stage.seed))
    scores = scores[scores.metric.isin(METRICS)].assign(side=stage.profile.side)
    write(scores)
    print(scores.round(4).to_string(index=False))


def write(scores: pd.DataFrame) -> None:
    """Put scores into the table, in the place of all that was measured of the same models on the same split."""
    old = pd.read_csv(TARGET) if TARGET.exists() else scores.head(0)
    new = pd.MultiIndex.from_frame(scores[["model", "split"]])
    others = old[~pd.MultiIndex.from_frame(old[["model", "split"]]).isin(new)]
    pd.concat([others, scores], ignore_index=True).to_csv(TARGET, index=False, float_format="%.5f")


if __name__ == "__main__":
    main()
