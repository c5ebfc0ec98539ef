"""Derived tables that are computed once and remembered by what they were computed from."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from filelock import FileLock

from fmlib import store
from fmlib.arithmetic import exact
from fmlib.config import home
from fmlib.fingerprints import code_version, digest, measuring_code


def remembered(name: str, inputs: dict, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return a derived table: read if it was computed before from these inputs by this code, else computed.

    Args:
        name: of the measurement.
        inputs: JSON-like values that it depends on, runs by their keys and data sets by their fingerprints.
        compute: makes the table; networks compute exactly meanwhile (`arithmetic.exact`).
    """
    key = digest({"name": name, "inputs": inputs, "code": code_version(measuring_code())})
    path = home() / "tables" / f"{name}-{key}.csv"
    if (table := _stored(path)) is not None:
        return table
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if _stored(path) is None:
            with exact():
                store.write_table(compute(), path)
    return store.read_table(path)


def _stored(path: Path) -> pd.DataFrame | None:
    """A stored table; None where there is none or it is damaged."""
    try:
        return store.read_table(path)
    except (FileNotFoundError, ValueError):
        return None
