"""Kill a smoke report at random moments, go on each time, and compare what comes out with an undisturbed one.

    python tests/torture.py --kills 30 --seed 0        (or: make torture)

Nothing but durations may differ. A report is killed with SIGKILL together with its kernels, as when a machine runs
out of memory; what was finished has to be found again, what was half written has to do no harm.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil

REPO = Path(__file__).resolve().parent.parent
DURATIONS = ("train_seconds", "images_per_second")
SHARE = 0.6  # of the undisturbed duration within which a report is killed: what is stored makes it that much shorter


def start(place: Path, only: str) -> subprocess.Popen:
    """Begin a smoke report in `place`, in a process group of its own."""
    command = [sys.executable, "-m", "fmlib", "report", "--profile", "smoke", "--out", str(place / "site")]
    command += ["--only", only] if only else []
    environment = os.environ | {"FMLIB_HOME": str(place / "home")}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    return subprocess.Popen(command, cwd=REPO, env=environment, **quiet)


def kill(process: subprocess.Popen, kernels: bool) -> None:
    """Kill a report without a warning, its kernels with it or not: then they have to notice and end themselves."""
    children = psutil.Process(process.pid).children(recursive=True)
    for victim in [process, *(children if kernels else [])]:
        with suppress(psutil.NoSuchProcess):
            victim.send_signal(signal.SIGKILL)
    process.wait()
    _, left = psutil.wait_procs(children, timeout=60)
    if left:
        sys.exit(f"a kernel outlived its report: {left}")


def table(place: Path) -> pd.DataFrame:
    """The results of a finished report, without what is bound to differ."""
    rows = pd.read_csv(place / "site" / "results.csv", dtype=str)
    return rows[~rows["metric"].isin(DURATIONS)].reset_index(drop=True)


def finish(place: Path, only: str) -> float:
    """Run a report to its end; returns the seconds it took."""
    began = time.monotonic()
    if status := start(place, only).wait():
        sys.exit(f"a report that nobody killed ended with status {status}")
    return time.monotonic() - began


def torture(place: Path, only: str, kills: int, seconds: float, rng: random.Random) -> None:
    """Begin a report again and again, killing it `kills` times, each time at a random moment of `seconds`."""
    done = 0
    while done < kills:
        process = start(place, only)
        try:
            if status := process.wait(timeout=rng.uniform(1, SHARE * seconds)):
                sys.exit(f"after {done} kills the report ended with status {status}")
            forget(place / "home", rng)
        except subprocess.TimeoutExpired:
            kill(process, kernels=rng.random() < 0.5)
            done += 1
            print(f"killed {done} of {kills} times", flush=True)


def forget(home: Path, rng: random.Random) -> None:
    """Remove half of what a finished report has stored, so that there is something to do again."""
    for path in sorted(home.glob("*/*")):
        if rng.random() < 0.5:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="some notebooks only, as 01,03")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fmlib-torture-") as folder:
        calm, rough = Path(folder) / "calm", Path(folder) / "rough"
        seconds = finish(calm, given.only)
        torture(rough, given.only, given.kills, seconds, random.Random(given.seed))
        finish(rough, given.only)
        pd.testing.assert_frame_equal(table(calm), table(rough))
        rows = len(table(calm))
    print(f"{given.kills} kills; the {rows} rows of results are the same")
    return 0


if __name__ == "__main__":
    sys.exit(main())
