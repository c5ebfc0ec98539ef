"""The table of what the benchmarks measured: `benchmarks/results.csv`, docs/speed.md, and a part of it in the README.

A benchmark calls `record`; run as a script (`make bench` does so at the end) this rewrites the tables of both pages.
"""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import torch

from fmlib.arithmetic import precision
from fmlib.config import REPO
from fmlib.environment import commit, environment
from fmlib.files import write_text
from fmlib.readme import with_table
from fmlib.store import write_table

RESULTS = Path(__file__).with_name("results.csv")
README, PAGE = REPO / "README.md", REPO / "docs" / "speed.md"
RUNS = r"[a-e] "  # how the benchmarks of training, resuming and reporting are named
COLUMNS = ["benchmark", "setting", "ours", "against", "ratio", "asked", "commit", "date", "machine"]


def record(
    benchmark: str, setting: str, ours: str, against: str, ratio: float, asked: str, keep: bool
) -> None:
    """Print a measurement; with `keep`, put it into the table, in the place of an earlier one on such a machine.

    Args:
        ours, against: what was measured on either side, with units.
        asked: what the ratio should be, such as "≥ 3".
    """
    print(
        f"{benchmark}, {setting}: {ours}, against {against}; ratio {ratio:.2f} (asked: {asked})", flush=True
    )
    if not keep:
        return
    machine = _machine()
    values = [benchmark, setting, ours, against, round(ratio, 2), asked, commit(), _today(), machine]
    old = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame(columns=COLUMNS)
    old = old[(old.benchmark != benchmark) | (old.setting != setting) | (old.machine != machine)]
    rows = [*old.to_dict("records"), dict(zip(COLUMNS, values, strict=True))]
    write_table(pd.DataFrame(rows, columns=COLUMNS), RESULTS)


def with_others(found: pd.DataFrame, path: Path, by: list[str]) -> pd.DataFrame:
    """Return the found rows, and those of an earlier table at `path` that differ from all of them in `by`."""
    if not path.exists():
        return found
    earlier = pd.read_csv(path)
    measured = pd.MultiIndex.from_frame(earlier[by]).isin(pd.MultiIndex.from_frame(found[by]))
    return pd.concat([earlier[~measured], found], ignore_index=True)


def _machine() -> str:
    """Name what speeds depend on: processors, device, threads, and the precision that training runs in."""
    facts = environment()
    way = precision(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return f"{facts['cpu_count']} CPUs, {facts['device']}, {facts['torch_threads']} threads, trains in {way}"


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def markdown(rows: pd.DataFrame) -> str:
    """Return the rows as Markdown tables, one for each machine."""
    return "\n\n".join(_measured_on(machine, part) for machine, part in rows.groupby("machine"))


def asked_of_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of runs that something was asked of, as the machine that measured most of them did."""
    asked = rows[rows.benchmark.str.match(RUNS) & rows.asked.str.match("[≥≤]")]
    return asked[asked.machine == asked.machine.mode().iloc[0]]


def _measured_on(machine: str, rows: pd.DataFrame) -> str:
    shown = rows[["benchmark", "setting", "ours", "against", "ratio", "asked"]].sort_values(
        ["benchmark", "setting"], kind="stable"
    )
    lines = [f"| {' | '.join(shown.columns)} |", "|---" * len(shown.columns) + "|"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in shown.itertuples(index=False)]
    dates = " and ".join(sorted({str(rows.date.min()), str(rows.date.max())}))
    return "\n".join([f"Measured {dates} on {machine}:", "", *lines])


def main() -> None:
    if not RESULTS.exists():
        print("nothing was measured yet: run a benchmark with --keep")
        return
    rows = pd.read_csv(RESULTS)
    for page, shown in ((README, asked_of_runs(rows)), (PAGE, rows)):
        text = page.read_text(encoding="utf-8")
        write_text(page, with_table(text, "benchmarks", markdown(shown)))


if __name__ == "__main__":
    main()
