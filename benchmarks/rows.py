"""The table of what the benchmarks measured: `benchmarks/results.csv`, and the same in the README.

A benchmark calls `record`; run as a script (`make bench` does so at the end) this rewrites the README's table.
"""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import torch

from fmlib.arithmetic import precision
from fmlib.environment import commit, environment
from fmlib.files import write_text
from fmlib.readme import with_table
from fmlib.store import write_table

RESULTS = Path(__file__).with_name("results.csv")
README = Path(__file__).resolve().parent.parent / "README.md"
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
    text = README.read_text(encoding="utf-8")
    write_text(README, with_table(text, "benchmarks", markdown(pd.read_csv(RESULTS))))


if __name__ == "__main__":
    main()
