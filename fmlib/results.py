"""The tidy results table: one row per measured number, kept per report context and stage."""

import json
import math
import sys
from pathlib import Path

import pandas as pd
from filelock import FileLock

from fmlib.config import STAGES, home
from fmlib.errors import UsageError
from fmlib.files import write_text
from fmlib.fingerprints import code_version, digest, measuring_code

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
    """Return the name of the folder that holds the results of one report: its data, profile, seed, externals, code."""
    of = {"data": fingerprint, "profile": profile, "seed": seed, "external": external}
    return digest(of | {"code": code_version(measuring_code())})


def latest(rows: list[dict]) -> list[dict]:
    """Of rows that tell of one thing return the last: a notebook's cell that is run again measures it anew."""
    apart = [name for name in FIELDS if name not in ("value", "low", "high", "n", "run")]
    return list({tuple(row[name] for name in apart): row for row in rows}.values())


def store(context: str, stage: str, rows: list[dict]) -> None:
    """Replace a stage's rows of a context."""
    folder = home() / "results" / context
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{stage}.json", json.dumps(rows, indent=0) + "\n")


def collect(context: str, stages: tuple[str, ...] = STAGES) -> list[dict]:
    """Return the stored rows of a context, stage by stage."""
    return [row for stage in stages for row in _stored(home() / "results" / context / f"{stage}.json")]


def _stored(path: Path) -> list[dict]:
    """A stage's rows; none, with a message, where their file is damaged."""
    if not path.exists():
        return []
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        print(f"{path} is damaged and left out; the notebook of {path.stem} writes it again", file=sys.stderr)
        return []


def csv(rows: list[dict]) -> str:
    """Return rows as a CSV table; None becomes an empty field."""
    frame = pd.DataFrame(rows, columns=FIELDS).astype(dict.fromkeys(("train_size", "n", "seed"), "Int64"))
    return frame.to_csv(index=False, lineterminator="\n")


def write_csv(context: str, path: Path) -> None:
    """Write all that is stored of a context as a CSV table; of two notebooks that end at once none is left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(home() / "results" / "csv.lock"):
        write_text(path, csv(collect(context)))
