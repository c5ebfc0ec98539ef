"""Seconds of a report with everything computed against the same report cold.

python benchmarks/warm_report.py [--dataset synthetic] [--profile smoke] [--keep]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rows import record


def report(options: argparse.Namespace, folder: Path) -> float:
    """Build a report in a process of its own, with the store and the site in `folder`; return the seconds."""
    command = [sys.executable, "-m", "fmlib", "report", "--out", str(folder / "site")]
    command += ["--dataset", options.dataset, "--profile", options.profile]
    start = time.perf_counter()
    subprocess.run(command, check=True, env=os.environ | {"FMLIB_HOME": str(folder / "home")})
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--profile", default="smoke")
    parser.add_argument("--keep", action="store_true", help="put the result into the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cold, warm = (report(options, Path(folder)) for _ in range(2))
    setting = f"{Path(options.dataset).name}, {options.profile}"
    record(
        "d warm report", setting, f"{warm:.0f} s", f"{cold:.0f} s cold", warm / cold, "≤ 0.1", options.keep
    )


if __name__ == "__main__":
    main()
