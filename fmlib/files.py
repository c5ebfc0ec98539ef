"""Writing files so that no reader ever sees half of one."""

import os
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
