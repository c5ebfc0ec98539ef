"""Which common resolution hides how an image was made, chosen on validation images and tested once.

python benchmarks/matched_resolution.py FOLDER     a data set that publishes train and test images
"""

import sys

import pandas as pd

from fmlib.data import shortcuts, sources
from fmlib.data.resolution import matched

SIDE = 64  # px
THROUGH = (32, 24, 16, 12, 8)  # px, the least loss of detail first
MARGINS = (0.0, 0.05, 0.1, 0.15)  # of each side
TOLD_BY_RESOLUTION = ("sharpness", "spectrum", "border")
CLOSE = 0.05  # accuracy above the majority rate that is tolerated


def excess(data: sources.Dataset, through: int, margin: float, side: str) -> pd.Series:
    """Accuracy above the majority rate of each width-like shortcut on what a model sees."""
    pixels = shortcuts.measured(
        lambda row: matched(data.open(row), SIDE, through, margin), len(data), progress=False
    )
    table = shortcuts.of_split(data, pixels, "grouped", TOLD_BY_RESOLUTION, side).set_index("shortcut")
    return table["accuracy"] - table["majority"]


def main(folder: str) -> None:
    data = sources.load(folder)
    rows = []
    for through in THROUGH:
        for margin in MARGINS:
            gap = excess(data, through, margin, "validation")
            rows.append({"through": through, "margin": margin, **gap})
            print(pd.DataFrame(rows[-1:]).round(3).to_string(index=False, header=len(rows) == 1), flush=True)
            if gap.max() <= CLOSE:
                print(f"chosen on validation: through {through} px, margin {margin:.0%}; on test, once:")
                print(excess(data, through, margin, "test").round(3).to_string())
                return
    print(f"no setting comes within {CLOSE:.0%} of the majority rate")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        print(__doc__)
