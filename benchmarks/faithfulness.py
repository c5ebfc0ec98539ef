"""Deletion and insertion curves on FaceMask 12K: Grad-CAM and Grad-CAM++ against random and centre-first orders.

    python benchmarks/faithfulness.py [--images 200]

Report 05 draws them for a few images, to be done in seconds; here every architecture is measured on as many of the
clean view and of the test view as are asked for. Models that are not stored yet are trained. Writes
figures/face-mask-12k/gradcam_faithfulness.csv.
"""

import argparse

import pandas as pd

from fmlib import attention, studies
from fmlib.config import REPO
from fmlib.data import splits
from fmlib.explain.faithfulness import STEPS
from fmlib.explain.tables import advantage, areas, interval
from fmlib.faces import sample
from fmlib.runs import Run
from fmlib.stage import Stage
from fmlib.store import write_table

TARGET = REPO / "figures" / "face-mask-12k" / "gradcam_faithfulness.csv"
KINDS = ("deletion", "insertion")


def compared(curves: pd.DataFrame) -> list[dict]:
    """Area under the curves of each method, and its advantage over each other order, better being positive."""
    rows = []
    for kind in KINDS:
        of_kind = areas(curves).query("kind == @kind")
        for method in attention.METHODS:
            part = of_kind[of_kind["maps"] == method]
            area = interval(part["area"], part["group"])
            for over in attention.RIVALS:
                value, low, high = advantage(curves, kind, over, method)
                rows.append(
                    {"kind": kind, "maps": method, "area": area[0], "area_low": area[1], "area_high": area[2]}
                    | {"over": over, "advantage": value, "low": low, "high": high}
                )
    return rows


def measured(stage: Stage, run: Run, view: str, count: int) -> pd.DataFrame:
    """Every comparison of one run on one view."""
    rows = splits.views(stage.data.manifest)[view]
    faces = sample(stage.data, rows, stage.profile.side, count, stage.seed)
    table = pd.DataFrame(compared(attention.curves(run, faces, STEPS)))
    about = {"model": run.config.model, "view": view, "images": len(faces.rows)}
    return table.assign(**about)[[*about, *table.columns]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200, help="of each view")
    options = parser.parse_args()
    stage = Stage("gradcam", dataset="face-mask-12k", profile="quick", seed=0, external=[], out="")
    found = studies.architectures(stage)
    tables = [measured(stage, run, view, options.images) for view in ("clean", "test") for run in found]
    table = pd.concat(tables, ignore_index=True)
    write_table(table.round(5), TARGET)
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
