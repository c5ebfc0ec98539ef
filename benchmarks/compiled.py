"""Does torch.compile pay for its start? Training a network as it is against training it compiled.

    python benchmarks/compiled.py [--models NAME ...] [--sides 64] [--steps 16] [--run 2500] [--keep]

A few steps of either are measured, and a run of `--run` steps, as long as those of the full profile, is made of
them: its time compiled, with a start that finds nothing compiled before, over its time as it is.
"""

import argparse
import os
import tempfile

import numpy as np
import torch
from precision import durations
from rows import record

from fmlib import arithmetic
from fmlib.config import ARCHITECTURES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=ARCHITECTURES, default=ARCHITECTURES)
    parser.add_argument("--sides", nargs="+", type=int, default=[64])
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--run", type=int, default=2500, help="steps of the run that is told of")
    parser.add_argument("--keep", action="store_true", help="put the results into the table")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    way = arithmetic.precision(device)
    for side in options.sides:
        for name in options.models:
            plain = np.median(durations(name, side, way, options.steps, device)[1:])
            with tempfile.TemporaryDirectory() as folder:
                os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
                start, *rest = durations(name, side, way, options.steps, device, compiled=True)
            step, run = np.median(rest), options.run
            against = f"{step * 1e3:.0f} ms compiled, after {start:.0f} s"
            ratio = (start + (run - 1) * step) / (run * plain)
            setting, ours = f"{name}, {side} px, {run:,} steps", f"{plain * 1e3:.0f} ms a step"
            record("torch.compile", setting, ours, against, ratio, "to be told", options.keep)


if __name__ == "__main__":
    main()
