"""The compact network in the recipe of the published architectures: FaceMask 12K, profile `full`, both splits.

    python benchmarks/compact.py [--seeds 3] [--external FOLDER ...]

Writes figures/face-mask-12k/compact.csv, rows as those of results.csv: scores of every seed on every view, and what the
network costs, beside ResNet-18's operations; `make readme` puts the scores into the README's table.
"""

import argparse
from dataclasses import replace

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from fmlib import evaluation, models, runs, studies
from fmlib.config import REPO
from fmlib.results import FIELDS
from fmlib.stage import Stage
from fmlib.store import write_table

TARGET = REPO / "figures" / "face-mask-12k" / "compact.csv"
NAME = "compact"


@torch.no_grad()
def operations(name: str, side: int) -> int:
    """Floating-point operations of a network for one image of `side` px."""
    with FlopCounterMode(display=False) as counter:
        models.build(name, side=side).eval()(torch.rand(1, 3, side, side))
    return counter.get_total_flops()


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
    wide = evaluation.costs(found).assign(resnet18_flops=operations("resnet18", stage.profile.side))
    costs = wide.melt(id_vars="model", var_name="metric", value_name="value")
    rows = pd.concat([scores, costs]).assign(stage="metrics", augmentation=configs[0].augmentation)
    write_table(rows.reindex(columns=FIELDS), TARGET)
    means = evaluation.over_seeds(scores)
    print(means[means.metric.isin(["f1", "auc", "balanced_accuracy", "ece_calibrated"])].round(4).to_string())
    print(costs.to_string(index=False))


if __name__ == "__main__":
    main()
