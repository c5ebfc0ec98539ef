"""Take the machine out of executed notebooks: absolute paths become short names."""

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from fmlib.config import REPO, home

_CELL_FILE = re.compile(r"[^\s\"'<>]*ipykernel_\d+[/\\]\d+\.py")


def scrub(notebook: NotebookNode, names: dict[Path, str] | None = None) -> NotebookNode:
    """A copy of the notebook without absolute paths of this machine.

    Args:
        names: what to call some folders; the repository, its store and the user's home have names already.
    """
    patterns = list(_patterns(names or {}))

    def clean(value):
        if isinstance(value, dict):
            return {name: item if _binary(name) else clean(item) for name, item in value.items()}
        if isinstance(value, list):
            return [clean(item) for item in value]
        if isinstance(value, str):
            return _shorten(value, patterns)
        return value

    copy = clean(notebook)
    for name in ("input_path", "output_path", "environment_variables"):
        copy["metadata"].get("papermill", {}).pop(name, None)
    return nbformat.from_dict(copy)


def _binary(mime: str) -> bool:
    """Base64 is not text: a slash in it starts no path."""
    return mime.startswith(("image/", "application/pdf")) and mime != "image/svg+xml"


def _patterns(names: dict[Path, str]) -> Iterator[tuple[re.Pattern, str]]:
    """Longest first, so that a folder inside the repository goes by its own name."""
    known = {
        Path.home(): "~",
        Path(tempfile.gettempdir()): "tmp",
        Path(sys.base_prefix): "python",
        Path(sys.prefix): "python",
        REPO: ".",
        home(): ".fmlib",
        **names,
    }
    both = {spelling: name for path, name in known.items() for spelling in (str(path), str(path.resolve()))}
    for path in sorted(both, key=len, reverse=True):
        if len(Path(path).parts) > 1:  # never the root of the file system
            yield re.compile(rf"(?<![\w.~-]){re.escape(path)}(?![\w-])"), both[path]


def _shorten(text: str, patterns: list[tuple[re.Pattern, str]]) -> str:
    text = _CELL_FILE.sub("cell", text)
    for pattern, name in patterns:
        text = pattern.sub(lambda _, name=name: name, text)
    return text
