"""What a run's provenance.json says of how it came about."""

from datetime import UTC, datetime
from pathlib import Path

from fmlib.arithmetic import precision
from fmlib.config import RunConfig
from fmlib.environment import commit, environment
from fmlib.files import write_text
from fmlib.processes import processes

BEGUN = "begun"  # file of an unfinished run: when it was begun


def noted_start(partial: Path) -> str:
    """Return when the training in this folder was begun, ISO 8601 in UTC; the first call notes it."""
    note = partial / BEGUN
    if not note.exists() and processes().is_main_process:
        write_text(note, datetime.now(UTC).isoformat(timespec="seconds"))
    return note.read_text(encoding="utf-8") if note.exists() else ""


def circumstances(config: RunConfig) -> dict:
    """Return what a run is made with: code, packages, device, precision, processes, seeds."""
    device, revision = processes().device, commit()
    return {
        "commit": revision,
        "dirty": bool(revision and revision.endswith("-dirty")),
        "environment": environment(),
        "device": str(device),
        "precision": precision(device),
        "processes": processes().num_processes,
        "seeds": {"run": config.seed, "data": config.data.seed},
    }
