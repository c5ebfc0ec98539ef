"""Tables that are remembered between runs; losing one costs time and nothing else."""

import csv
import warnings
from pathlib import Path

import pandas as pd

from fmlib.config import home
from fmlib.files import replacing


def place(name: str) -> Path:
    """File of a remembered table."""
    return home() / "manifests" / f"{name}.csv"


def recall(name: str, columns: dict) -> pd.DataFrame | None:
    """The table of that name with these columns (name -> dtype), None where there is none or it is damaged."""
    reading = {
        "keep_default_na": False,
        "encoding_errors": "surrogateescape",
    }
    try:
        return pd.read_csv(place(name), dtype=columns, **reading)[list(columns)]
    except (OSError, ValueError, KeyError):
        return None


def remember(name: str, table: pd.DataFrame) -> None:
    """Write the table in one step; where that fails there is a warning."""
    store = place(name)
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        quoting = csv.QUOTE_NONNUMERIC  # a name may hold a carriage return, which ends a line unless quoted
        with replacing(store) as part:
            table.to_csv(part, index=False, errors="surrogateescape", quoting=quoting)
    except OSError as error:
        remedy = "it is computed again; let FMLIB_HOME name a place that can be written"
        warnings.warn(f"cannot remember a table in {store}: {error.strerror}; {remedy}", stacklevel=2)
