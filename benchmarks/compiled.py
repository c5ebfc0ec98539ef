"""Does torch.compile pay for its start? Training steps of compiled networks against those of the same as they are.

python benchmarks/compiled.py [--models NAME ...] [--sides 64] [--steps 8] [--keep]
"""

import argparse

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
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--keep", action="store_true", help="put the results into the table")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    way = arithmetic.precision(device)
    for side in options.sides:
        for name in options.models:
            plain = np.median(durations(name, side, way, options.steps, device)[1:])
            start, *rest = durations(name, side, way, options.steps, device, compiled=True)
            step, saved = np.median(rest), plain - np.median(rest)
            pays = f"pays after {(start - step) / saved:,.0f} steps" if saved > 0 else "never pays"
            against = f"{step * 1e3:.0f} ms compiled, {start:.0f} s to start; {pays}"
            ours = f"{plain * 1e3:.0f} ms a step"
            record("compiled", f"{name}, {side} px", ours, against, step / plain, "≥ 1", options.keep)


if __name__ == "__main__":
    main()
