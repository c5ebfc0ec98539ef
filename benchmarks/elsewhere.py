"""Recipes for photographs of another kind: the arms of report 06 on FaceMask 12K, every one with several seeds.

All but the one of the official split, whose leak `benchmarks/leak.py` measures.

    FMLIB_WORKERS=2 python benchmarks/elsewhere.py [--seeds 3] [--external FOLDER ...]

The configurations are those of the profile `quick`. Writes figures/face-mask-12k/elsewhere.csv, rows as those of
results.csv: scores of every seed on every view and on changed validation images, which changed_images.png beside it
shows, and differences between arms; `make readme` puts them into the tables.
"""

import argparse
from dataclasses import replace

from fmlib import elsewhere, results, shifts
from fmlib.config import REPO
from fmlib.figures import style
from fmlib.figures.quality import changed_images
from fmlib.files import write_text
from fmlib.stage import Stage

TARGET = REPO / "figures" / "face-mask-12k" / "elsewhere.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, choices=range(1, 21), metavar="N")
    parser.add_argument(
        "--external", nargs="*", default=[], help="folders of another collection, judged as well"
    )
    options = parser.parse_args()
    stage = Stage(
        "metrics", dataset="face-mask-12k", profile="quick", seed=0, external=options.external, out=""
    )
    wanted = elsewhere.ARMS.keys() - {elsewhere.LEAKING}
    for seeds in range(1, options.seeds + 1):  # every arm's first seed before any arm's second
        stage.profile = replace(stage.profile, seeds=seeds)
        arms = elsewhere.trained(stage, wanted)
    judged = elsewhere.predictions(stage, arms)
    scores, gaps = elsewhere.scores(stage, judged), elsewhere.gains(stage, judged)
    elsewhere.record(stage, scores, gaps)
    networks = elsewhere.named(arms)
    changed = shifts.table(stage, networks)
    shifts.record(stage, changed)
    write_text(TARGET, results.csv(stage.rows))
    style.save(changed_images(changed), TARGET.with_name("changed_images.png"))
    print(elsewhere.readable(scores).to_string())
    print(elsewhere.sentence(gaps), *(shifts.line(changed, name) for name in networks), sep="\n\n")


if __name__ == "__main__":
    main()
