"""The tidy results table: one row per measured number, kept per report context and stage."""

import json
import math
from pathlib import Path

import pandas as pd
from filelock import FileLock

from fmlib.config import STAGES, home
from fmlib.errors import UsageError
from fmlib.files import write_text
from fmlib.fingerprints import digest

FIELDS = (
    *("stage", "model", "optimizer", "activation", "augmentation", "train_size", "split", "view"),
    *("metric", "value", "low", "high", "n", "seed", "run"),
)


def row(stage: str, **fields: object) -> dict:
    """Return a results row; fields that are not given, and numbers that are not finite, become None.

    Raises:
        UsageError: a field that rows do not have.
    """
    unknown = set(fields) - set(FIELDS)
    if unknown:
        raise UsageError(f"a results row has no field {sorted(unknown)}; known are: {', '.join(FIELDS)}")
    return {name: _plain({"stage": stage, **fields}.get(name)) for name in FIELDS}


def _plain(value: object) -> object:
    """Turn NumPy scalars into Python's and what is not a finite number into None."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def context(fingerprint: str, profile: str, seed: int, external: dict[str, str]) -> str:
    """Return the name of the folder that holds the results of one report: its data, profile, seed, externals."""
    return digest({"data": fingerprint, "profile": profile, "seed": seed, "external": external})


def store(context: str, stage: str, rows: list[dict]) -> None:
    """Replace a stage's rows of a context."""
    folder = home() / "results" / context
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{stage}.json", json.dumps(rows, indent=0) + "\n")


def collect(context: str, stages: tuple[str, ...] = STAGES) -> list[dict]:
    """Return the stored rows of a context, stage by stage."""
    paths = [home() / "results" / context / f"{stage}.json" for stage in stages]
    return [row for path in paths if path.exists() for row in json.loads(path.read_text(encoding="utf-8"))]


def write_csv(rows: list[dict], path: Path) -> None:
    """Write rows as a CSV table; None becomes an empty field."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(rows, columns=FIELDS).astype(dict.fromkeys(("train_size", "n", "seed"), "Int64"))
    with FileLock(home() / "results" / "csv.lock"):
        write_text(path, frame.to_csv(index=False, lineterminator="\n"))
