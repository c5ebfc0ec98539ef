"""What is kept of a run on disk: its files, whether they are intact, and tables over all runs."""

import csv
import hashlib
import json
import shutil
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout
from safetensors import safe_open

from fmlib.config import home
from fmlib.damaged_files import DamagedError, damage
from fmlib.errors import FmlibError, UsageError
from fmlib.files import write_bytes, write_text
from fmlib.fingerprints import digest

RECORD = "provenance.json"  # written last; it names the other files and their hashes
EXPLODED = "exploded"  # file of an unfinished run whose loss was not finite: what was said of it
LEFTOVERS = {".partial": "unfinished", ".damaged": "damaged"}  # endings of folders beside the runs


def shelf() -> Path:
    """Folder of all runs."""
    return home() / "runs"


def write_json(path: Path, value: dict) -> None:
    """Write a JSON file in one step."""
    write_text(path, json.dumps(value, indent=1, default=str) + "\n")


def read_json(path: Path) -> dict:
    """Read a JSON file; raise DamagedError if it holds something else."""
    with damage(path):
        return dict(json.loads(path.read_text(encoding="utf-8")))


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table in one step; names of files need not be valid text."""
    text = frame.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def read_table(path: Path) -> pd.DataFrame:
    """Read a table that `write_table` wrote."""
    return pd.read_csv(path, dtype={"group": str, "path": str}, encoding_errors="surrogateescape")


def holds(path: Path, images: pd.Series) -> bool:
    """Whether a run's table with a row for each of these images is stored, as far as its rows tell undamaged."""
    if not path.exists():
        return False
    try:
        with damage(path):
            if not path.read_bytes().endswith(b"\n"):
                raise DamagedError(f"{path.name} is damaged: it ends within a row")
            if read_table(path)["path"].to_list() != images.to_list():
                raise DamagedError(f"{path.name} is damaged: it holds other images")
    except DamagedError as error:
        print(f"run {path.parent.name}: {error}; it is computed again", file=sys.stderr)
        return False
    return True


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of a finished run's files, by name."""
    kept = (path for path in sorted(folder.iterdir()) if path.suffix in {".json", ".csv", ".safetensors"})
    return {path.name: _hash(path) for path in kept if path.name != RECORD}


def _hash(path: Path) -> str:
    facts = path.stat()
    return _hash_of(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=4096)
def _hash_of(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def explosion(partial: Path) -> str | None:
    """Return why the run of an unfinished folder will not be finished, None if it may."""
    try:
        return (partial / EXPLODED).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def fault(folder: Path) -> str | None:
    """Return why a run cannot be loaded, None if it can."""
    try:
        if not folder.is_dir():
            return "it is not stored"
        check(folder)
    except (DamagedError, OSError) as error:
        return str(error)
    return None


def check(folder: Path) -> None:
    """Raise DamagedError unless every file of a run is what was written."""
    record = folder / RECORD
    if not record.is_file():
        raise DamagedError(f"{RECORD} is missing")
    for name, expected in read_json(record).get("files", {"its list of files": ""}).items():
        path = folder / name
        if not path.is_file():
            raise DamagedError(f"{name} is missing")
        if _hash(path) != expected:
            raise DamagedError(f"{name} is not what was written{_reason(path)}")


def _reason(path: Path) -> str:
    """Say what is wrong with a weights file, as far as its header tells."""
    if path.suffix != ".safetensors":
        return ""
    try:
        with damage(path), safe_open(str(path), "pt"):
            return ""
    except DamagedError as error:
        return f" ({error}; weights are read as safetensors only, never unpickled)"


def set_aside(folder: Path, why: object) -> None:
    """Move a damaged folder out of the way, with a message; it replaces what was set aside before it."""
    aside = folder.with_name(f"{folder.name.removesuffix('.partial')}.damaged")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    print(f"run {folder.name}: {why}; set aside as {aside.name}, it is trained again", file=sys.stderr)


def table() -> pd.DataFrame:
    """Return a row per stored run: key, state, its configuration's fields, started, seconds, megabytes.

    State is "finished", "unfinished" (interrupted, or in training now), "exploded" (its loss was not finite from the
    start) or "damaged"; of all but the first only the key and the size are known.
    """
    rows = list(_rows().values())
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["key", "state", "megabytes"])


def _rows() -> dict[Path, dict]:
    """Return every folder of the store and its row, without folders that go while they are read."""
    rows = {folder: _row(folder) for folder in sorted(shelf().glob("*")) if folder.is_dir()}
    return {folder: row for folder, row in rows.items() if row}


def _row(folder: Path) -> dict | None:
    """Return a folder's row of the table, None if another process has moved or deleted it meanwhile."""
    row = {
        "key": folder.stem,
        "state": LEFTOVERS.get(folder.suffix, "finished"),
        "megabytes": _bytes(folder) / 1e6,
    }
    if row["state"] == "finished":
        row |= _described(folder)
    elif explosion(folder):
        row["state"] = "exploded"
    return row if folder.is_dir() else None


def _bytes(path: Path) -> int:
    """Return the size of a file or of a folder's files, 0 if it is gone."""
    try:
        return sum(map(_bytes, path.iterdir())) if path.is_dir() else path.stat().st_size
    except FileNotFoundError:
        return 0


def _described(folder: Path) -> dict:
    """Return what the files of a finished run say in its row."""
    try:
        config, record = read_json(folder / "config.json"), read_json(folder / RECORD)
    except (DamagedError, OSError):
        return {"state": "damaged"}
    return config | {name: record.get(name) for name in ("started", "seconds", "precision", "commit")}


def compare(*keys: str) -> pd.DataFrame:
    """Return what differs between stored runs: a column per run, a row per field of the configuration or provenance
    that is not the same in all, and a row per column of the history at the epoch whose weights are kept."""
    columns = {}
    for key in keys:
        folder = find(key)
        config, history = read_json(folder / "config.json"), read_table(folder / "history.csv")
        epoch = kept(history, config["patience"]).drop("seconds").add_prefix("kept ")
        columns[key] = _flat(config | read_json(folder / RECORD)) | epoch.to_dict()
    both = pd.DataFrame(columns)
    same = both.astype(str).nunique(axis=1) == 1
    return both[~same | both.index.str.startswith("kept ")]


def kept(history: pd.DataFrame, patience: int | None) -> pd.Series:
    """Return a history's row of the epoch whose weights are kept: the lowest loss, or the last without patience."""
    return history.loc[history.index[-1] if patience is None else history["validation_loss"].idxmin()]


def _flat(value: dict, prefix: str = "") -> dict:
    """Return a nested dict as one level, names joined by dots; file hashes left out."""
    flat = {}
    for name, part in value.items():
        if isinstance(part, dict) and name != "files":
            flat |= _flat(part, f"{prefix}{name}.")
        elif name != "files":
            flat[f"{prefix}{name}"] = part
    return flat


def find(key: str) -> Path:
    """Return the folder of the finished run `key`; raise FmlibError if there is none."""
    folder = shelf() / key
    if not (folder / RECORD).exists():
        raise FmlibError(f"no run {key!r} in {folder.parent}; runs.table() lists them")
    return folder


def remove(key: str) -> None:
    """Delete the stored run `key`, or what is remembered of one that exploded.

    Raises:
        FmlibError: there is none, or it is in training now.
    """
    try:
        with _unused(_exploded_or_finished(key)):
            shutil.rmtree(_exploded_or_finished(key))  # another process may have removed it meanwhile
    except Timeout as error:
        raise FmlibError(f"run {key} is in training now; remove it when that has ended") from error


def _exploded_or_finished(key: str) -> Path:
    partial = shelf() / f"{key}.partial"
    return partial if explosion(partial) else find(key)


def prune(keep: Iterable[str] | None = None) -> pd.DataFrame:
    """Delete what no call comes back to, and return the rows of `table()` that are gone.

    Args:
        keep: keys of the runs to keep, such as the column `run` of a results.csv; the autoencoders that these were made
            with are kept too. None keeps every finished run and deletes the others only (states as of `table`). A run
            that is in training now is left alone.

    Raises:
        UsageError: `keep` is a single text, whose letters are no keys.
    """
    if isinstance(keep, str):
        raise UsageError(f"keep takes a list of keys: keep=[{keep!r}]")
    rows = _rows()
    finished = [row for row in rows.values() if row["state"] == "finished"]
    kept = {row["key"] for row in finished} if keep is None else _with_autoencoders(finished, set(keep))
    gone = []
    for folder, row in rows.items():
        wanted = row["state"] == "finished" and row["key"] in kept
        if not wanted and _deleted(folder, row["state"]):
            gone.append(row)
    return pd.DataFrame(gone)


def _with_autoencoders(finished: list[dict], keys: set[str]) -> set[str]:
    """Return the keys and those of the autoencoders that these runs generate images with or start from."""
    kept = [row for row in finished if row["key"] in keys]
    described = [row.get("start") for row in kept]
    described += [row["generated"]["autoencoder"] for row in kept if row.get("generated")]
    return keys | {digest(description) for description in described if description}


def _deleted(folder: Path, state: str) -> bool:
    """Delete a folder if it is still in this state and no training holds its run; return whether that was done."""
    try:
        with _unused(folder):
            row = _row(folder)
            unchanged = row is not None and row["state"] == state
            if unchanged:
                shutil.rmtree(folder)
            return unchanged
    except Timeout:
        return False


def _unused(folder: Path) -> FileLock:
    """Return the lock of a folder's run, to be held while it is deleted; entering raises Timeout if it is held."""
    return FileLock(shelf() / f"{folder.stem}.lock", timeout=0)
