"""Are masks below the nose or on the chin called masks? Rendered faces at the size of the full profile.

    python benchmarks/improper_wear.py [--models NAME ...] [--augmentation strong] [--fresh 10000]

Trains the architecture study's first seed of these models (half an hour each on one core that multiplies in
bfloat16), with another augmentation if asked, and judges it on the study's test images and, for narrower intervals, on
`--fresh` faces rendered from another seed. Writes figures/synthetic/improper_wear.csv: errors by the way of wearing,
with 95% intervals; rows of other models and augmentations stay in it.
"""

import argparse
from dataclasses import replace

import pandas as pd
from rows import with_others

from fmlib import evaluation, inputs, runs, studies
from fmlib.augmentation import RECIPES
from fmlib.config import REPO, DataConfig
from fmlib.models import BUILDERS
from fmlib.stage import Stage
from fmlib.store import write_table

TARGET = REPO / "figures" / "synthetic" / "improper_wear.csv"
ORDER = ["view", "model", "augmentation"]
ANOTHER = 1  # seed of the fresh faces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=BUILDERS, default=["resnet18"])
    parser.add_argument("--augmentation", choices=RECIPES, help="the study's own by default")
    parser.add_argument("--fresh", type=int, default=10_000, help="faces rendered from another seed")
    options = parser.parse_args()
    stage = Stage("metrics", dataset="synthetic", profile="full", seed=0, external=[], out="")
    base = studies.architecture_configs(stage)[0]
    augmentation = options.augmentation or base.augmentation
    found = runs.get_all(replace(base, model=name, augmentation=augmentation) for name in options.models)
    judged = {
        "test": stage.data,
        "external:fresh": inputs.dataset(DataConfig("synthetic", options.fresh, ANOTHER)),
    }
    said = evaluation.predictions(stage.data, {"fresh": judged["external:fresh"]}, found)
    parts = []
    for view, data in judged.items():
        table = evaluation.breakdowns(said[said["view"] == view], data)
        parts.append(table[table.attribute == "wear"].drop(columns="attribute").assign(view=view))
    table = pd.concat(parts, ignore_index=True).rename(columns={"value": "wear"})
    table = table.assign(augmentation=augmentation)
    print(table.round(4).to_string(index=False))
    table = with_others(table, TARGET, ORDER)
    write_table(table.sort_values(ORDER, ascending=False, kind="stable", ignore_index=True), TARGET)


if __name__ == "__main__":
    main()
