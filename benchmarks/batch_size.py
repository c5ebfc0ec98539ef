"""How many images a step: the four architectures on FaceMask 12K's grouped split, equally many images seen.

python benchmarks/batch_size.py [FOLDER ...]     FOLDER: images of another collection, judged as well

The sizes are compared by the loss on validation images; test images and other collections
are judged only. One seed: the intervals are over images, and another seed may differ by more than the sizes do. Writes
figures/face-mask-12k/batch_size.csv: scores, and differences from the first size on the same images.
"""

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss

from fmlib import comparison, evaluation, metrics, runs, studies
from fmlib.config import REPO, ClassifierConfig
from fmlib.runs import Run
from fmlib.stage import Stage
from fmlib.store import write_table

TARGET = REPO / "figures" / "face-mask-12k" / "batch_size.csv"
SIZES = (64, 32)
METRICS = ("f1", "balanced_accuracy", "auc")


def scored(run: Run, table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Scores of a run on every view, and its loss on the validation images."""
    parts = []
    for view, rows in table.groupby("view", sort=False):
        part = metrics.scores(rows.label, rows.probability, rows.group, seed=seed)
        parts.append(part[part.metric.isin(METRICS) & part.value.notna()].assign(view=view))
        if view == "validation":
            loss = {"metric": "log_loss", "value": log_loss(rows.label, rows.probability), "n": len(rows)}
            parts.append(pd.DataFrame([{**loss, "view": view}]))
    return pd.concat(parts, ignore_index=True).assign(batch_size=run.config.batch_size)


def gains(table: pd.DataFrame, first: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Differences of a run's scores from those of the run with the first size, paired by image."""
    rows = []
    for view, part in table.groupby("view", sort=False):
        other = first[first["view"] == view].set_index("path").loc[part.path]
        for metric in METRICS[:2] if part.label.nunique() == 2 else ():
            gap = comparison.paired_bootstrap(
                part.label, part.probability, other.probability, part.group, metric, seed=seed
            )
            rows.append((view, f"{metric}_gain", gap.value, gap.low, gap.high, gap.n))
    return pd.DataFrame(rows, columns=["view", "metric", "value", "low", "high", "n"])


def compared(stage: Stage, config: ClassifierConfig) -> pd.DataFrame:
    """Scores and gains of one architecture at every size."""
    found = runs.get_all(replace(config, batch_size=size) for size in SIZES)
    tables = [evaluation.predictions(stage.data, stage.external, [run]) for run in found]
    parts = [scored(run, table, stage.seed) for run, table in zip(found, tables, strict=True)]
    for run, table in zip(found[1:], tables[1:], strict=True):
        parts.append(gains(table, tables[0], stage.seed).assign(batch_size=run.config.batch_size))
    columns = ["model", "batch_size", "view", "metric", "value", "low", "high", "n"]
    return pd.concat(parts, ignore_index=True).assign(model=config.model)[columns]


def main(folders: list[str]) -> None:
    stage = Stage("metrics", dataset="face-mask-12k", profile="quick", seed=0, external=folders, out="")
    table = pd.concat([compared(stage, config) for config in studies.architecture_configs(stage)])
    write_table(table.round(5), TARGET)
    chosen = table.query("metric == 'log_loss'").pivot(index="model", columns="batch_size", values="value")
    print(f"loss on validation images\n{chosen.round(4).to_string()}\n")
    print(table.round(4).to_string(index=False))
    print(f"best by the mean of these losses: {int(chosen.columns[np.argmin(chosen.mean())])} images a step")


if __name__ == "__main__":
    main(sys.argv[1:])
