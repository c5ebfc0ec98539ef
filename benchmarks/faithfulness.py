"""Deletion and insertion curves on FaceMask 12K: Grad-CAM and Grad-CAM++ against random and centre-first orders.

    python benchmarks/faithfulness.py [--images 200]

Report 05 draws them for a few images, to be done in seconds; here every architecture is measured on as many images of
the clean view as are asked for. Models that are not stored yet are trained. Writes the table and the figure
gradcam_faithfulness in figures/face-mask-12k/.
"""

import argparse

import pandas as pd

from fmlib import attention, studies
from fmlib.bootstrap import mean_interval
from fmlib.config import REPO
from fmlib.data import splits
from fmlib.explain.faithfulness import STEPS
from fmlib.explain.tables import RIVALS, advantage, areas
from fmlib.faces import Faces, sample
from fmlib.figures import style
from fmlib.figures.gradcam import gradcam_faithfulness
from fmlib.runs import Run
from fmlib.stage import Stage
from fmlib.store import write_table

TARGET = REPO / "figures" / "face-mask-12k" / "gradcam_faithfulness.csv"
CASCADED = 32  # images whose maps are followed while weights turn random
KINDS = ("deletion", "insertion")


def compared(curves: pd.DataFrame) -> list[dict]:
    """Area under the curves of each method, and its advantage over each other order, better being positive."""
    rows = []
    for kind in KINDS:
        of_kind = areas(curves).query("kind == @kind")
        for method in attention.METHODS:
            part = of_kind[of_kind["maps"] == method]
            area = mean_interval(part["area"], part["group"])
            for over in RIVALS:
                value, low, high = advantage(curves, kind, over, method)
                rows.append(
                    {"kind": kind, "maps": method, "area": area[0], "area_low": area[1], "area_high": area[2]}
                    | {"over": over, "advantage": value, "low": low, "high": high}
                )
    return rows


def measured(run: Run, faces: Faces) -> pd.DataFrame:
    """Every comparison of one run."""
    table = pd.DataFrame(compared(attention.curves(run, faces, STEPS)))
    about = {"model": run.config.model, "images": len(faces.rows)}
    return table.assign(**about)[[*about, *table.columns]]


def draw(found: list[Run], faces: Faces) -> None:
    """Draw the curves of the first model, every model's advantages, and what random weights leave of the maps."""
    curves = {run.config.model: attention.curves(run, faces, STEPS) for run in found}
    cascades = {run.config.model: attention.cascade(run, faces.first(CASCADED)) for run in found}
    style.save(gradcam_faithfulness(curves, cascades, found[0].config.model), TARGET.with_suffix(".png"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200, help="of the clean view")
    options = parser.parse_args()
    stage = Stage("gradcam", dataset="face-mask-12k", profile="quick", seed=0, external=[], out="")
    rows = splits.views(stage.data.manifest)["clean"]
    faces = sample(stage.data, rows, stage.profile.side, options.images, stage.seed)
    found = studies.architectures(stage)
    table = pd.concat([measured(run, faces) for run in found], ignore_index=True)
    write_table(table.round(5), TARGET)
    draw(found, faces)
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
