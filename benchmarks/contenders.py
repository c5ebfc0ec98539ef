"""Optimizers and activation functions on FaceMask 12K, as report 02 compares them, at a size that two cores can bear.

    python benchmarks/contenders.py [DATASET] [--side 64] [--seen 20000]

A learning rate for each optimizer by the same search, then every contender with three seeds: EfficientNet-B0 for the
optimizers, ResNet-18 for the activations, 4,000 training images of the grouped split. Writes figures/face-mask-12k/
learning_rates.csv, contenders.csv (F1 on the test images, means over seeds with 95% intervals) and the curves.
"""

import argparse
from dataclasses import replace

import pandas as pd

from fmlib import contenders, learning_rates, studies
from fmlib.config import REPO
from fmlib.figures import classifier as figures
from fmlib.figures import style
from fmlib.stage import Stage
from fmlib.store import write_table
from fmlib.training import OPTIMIZERS

PUBLISHED = REPO / "figures" / "face-mask-12k"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="?", default="face-mask-12k")
    parser.add_argument("--side", type=int, default=64, help="px")
    parser.add_argument("--seen", type=int, default=20_000, help="images that a network sees in training")
    options = parser.parse_args()
    stage = Stage("classifier", dataset=options.dataset, profile="full", seed=0, external=[], out="")
    stage.profile = replace(
        stage.profile, side=options.side, study_budget=options.seen, least_epochs=1, rates=(0.3, 1.0, 3.0)
    )
    searched = learning_rates.searched(studies.rate_search(stage))
    print(learning_rates.sentence(searched))
    write_table(searched, PUBLISHED / "learning_rates.csv")
    optimizers = studies.optimizers(stage, learning_rates.chosen(searched))
    found = {"optimizer": optimizers, "activation": studies.activations(stage)}
    rates = searched[searched.chosen].set_index("optimizer").learning_rate
    parts = []
    for by, runs in found.items():
        standing = contenders.standing(studies.scored(stage, runs), runs, by)
        print(contenders.readable(standing, by).to_string())
        rate = standing.model.map(rates).fillna(OPTIMIZERS["adam"][1])  # activations: Adam at its usual one
        parts.append(standing.assign(study=by, learning_rate=rate))
        curves = getattr(figures, f"{by}_curves")(studies.histories(runs, by))
        style.save(curves, PUBLISHED / f"{by}_curves.png")
    write_table(pd.concat(parts, ignore_index=True), PUBLISHED / "contenders.csv")


if __name__ == "__main__":
    main()
