"""What the leak is worth: one plain ResNet-18 recipe, trained on either split of FaceMask 12K with several seeds.

Plain: 64 px, images moved and lit differently but never blended, as blended ones are harder to learn by heart.

python benchmarks/leak.py [FOLDER ...]     FOLDER: images of another collection, judged as well

Writes figures/face-mask-12k/leak.csv, from which `make readme` makes the README's table.
"""

import sys
from dataclasses import replace

import pandas as pd

from fmlib import comparison, evaluation, judgement, runs, studies
from fmlib.config import REPO
from fmlib.stage import Stage

SEEDS, SEEN = 3, 56_000  # seeds; images that each network sees: the grouped split eight times
PLAIN = "gentle"  # augmentation
METRICS = ("accuracy", "balanced_accuracy", "f1", "auc")
TARGET = REPO / "figures" / "face-mask-12k" / "leak.csv"


def main(folders: list[str]) -> pd.DataFrame:
    """Train and score; return the scores over seeds and, as split `official - grouped`, their paired differences."""
    common = {"dataset": "face-mask-12k", "profile": "quick", "seed": 0, "external": folders, "out": ""}
    stage = Stage("metrics", **common)
    stage.profile = replace(stage.profile, seeds=SEEDS, budget=SEEN)
    configs = [
        replace(config, augmentation=PLAIN)
        for split in ("grouped", "official")
        for config in studies.architecture_configs(stage, split)
        if config.model == "resnet18"
    ]
    predictions = evaluation.predictions(stage.data, stage.external, runs.get_all(configs))
    scores = evaluation.over_seeds(evaluation.scores(predictions, stage.seed))
    scores = scores[scores.metric.isin(METRICS)].drop(columns="model")
    return pd.concat([scores, _differences(predictions)], ignore_index=True)


def _differences(predictions: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for view in predictions[predictions["view"] != "validation"]["view"].unique():
        labels, official, groups = judgement.aligned(predictions, "official", view)
        grouped = judgement.aligned(predictions, "grouped", view)[1]
        for metric in METRICS:
            gap = comparison.paired_bootstrap(
                labels, official["resnet18"], grouped["resnet18"], groups, metric
            )
            rows.append(
                ("official - grouped", view, metric, gap.value, gap.low, gap.high, None, SEEDS, gap.n)
            )
    return pd.DataFrame(
        rows, columns=["split", "view", "metric", "value", "low", "high", "spread", "seeds", "n"]
    )


if __name__ == "__main__":
    table = main(sys.argv[1:])
    table.to_csv(TARGET, index=False)
    print(table.round(4).to_string(index=False))
