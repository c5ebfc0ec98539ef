"""The compact network in the recipe of the published architectures: FaceMask 12K, profile `full`, both splits.

    python benchmarks/compact.py [--seeds 3] [--external FOLDER ...]

Writes figures/face-mask-12k/compact.csv, rows as those of results.csv: scores of every seed on every view, and what the
network costs; `make readme` puts the scores into the README's table.
"""

import argparse
from dataclasses import replace

from fmlib import evaluation, results, runs, studies
from fmlib.config import REPO
from fmlib.files import write_text
from fmlib.stage import Stage

TARGET = REPO / "figures" / "face-mask-12k" / "compact.csv"
NAME = "compact"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--external", nargs="*", default=[], help="folders of another collection, judged as well"
    )
    options = parser.parse_args()
    common = {
        "dataset": "face-mask-12k",
        "profile": "full",
        "seed": 0,
        "external": options.external,
        "out": "",
    }
    stage = Stage("metrics", **common)
    stage.profile = replace(stage.profile, seeds=options.seeds)
    configs = [
        replace(config, model=NAME)
        for split in ("official", "grouped")
        for config in studies.architecture_configs(stage, split)
        if config.model == "resnet18"
    ]
    found = runs.get_all(configs)
    scores = evaluation.scores(evaluation.predictions(stage.data, stage.external, found), stage.seed)
    costs = evaluation.costs(found).melt("model", var_name="metric")
    for table in (scores, costs):
        stage.record(table, augmentation=configs[0].augmentation)
    write_text(TARGET, results.csv(stage.rows))
    means = evaluation.over_seeds(scores)
    print(means[means.metric.isin(["f1", "auc", "balanced_accuracy", "ece_calibrated"])].round(4).to_string())
    print(costs.to_string(index=False))


if __name__ == "__main__":
    main()
