"""Hashes that tell whether a stored result still stands: of values, and of the code that made it."""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# what decides how a run comes out: the way from files to tensors, the loop, and the networks of its kind
TRAINING_CODE = (
    *("arithmetic.py", "augmentation.py", "data/batches.py", "data/decoding.py", "data/pasting.py"),
    *("data/pictures.py", "inputs.py", "making.py", "objectives.py", "pixels.py", "resizing.py"),
    "training.py",
)
CLASSIFIER_CODE = (*TRAINING_CODE, "compact.py", "depthwise.py", "models.py")
AUTOENCODERS = ("autoencoders.py", "better_autoencoders.py")
AUTOENCODER_CODE = (*TRAINING_CODE, *AUTOENCODERS, "autoencoder_losses.py")
ENCODER_CODE = ("autoencoders.py",)  # of the classifier that has a DAE's encoder
GENERATED_CODE = (*AUTOENCODERS, "generation.py")  # of the images that a classifier is given by a VAE
# what shows results or starts their computation, and cannot change them
PRESENTATION = (
    "__",
    "batch.py",
    "cli.py",
    "environment.py",
    "executors.py",
    "figures/",
    "kernels.py",
    "lab.py",
    "modelcard.py",
    "modelfile.py",
    "notebooks.py",
    "orphans.py",
    "overlay.py",
    "pages.py",
    "play.py",
    "prediction.py",
    "preload.py",
    "privacy.py",
    "progress.py",
    "readme.py",
    "report.py",
    "requested.py",
    "sanitise.py",
    "side_by_side.py",
    "site.py",
    "stage.py",
    "summary.py",
    "wording.py",
)


@cache
def _meaning(path: Path) -> str:
    """Return the code of a module without comments, docstrings and layout, alike in every version of Python.

    It is read once in a process: what has been imported does not change when a file is edited.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return _dumped(tree)


def _dumped(node: object) -> str:
    """Return a syntax tree as text, without empty fields: in those, versions of Python differ."""
    if isinstance(node, list):
        return f"[{', '.join(map(_dumped, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if value is not None and value != []]
    return f"{type(node).__name__}({', '.join(f'{name}={_dumped(value)}' for name, value in fields)})"


def measuring_code() -> tuple[str, ...]:
    """Return every module that can change a measured number: all but those that only show or start things."""
    modules = (path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    return tuple(sorted(name for name in modules if not name.startswith(PRESENTATION)))


@cache
def code_version(modules: tuple[str, ...]) -> str:
    """Return a hash of what these modules do; comments, docstrings and layout do not count."""
    text = "\n".join(_meaning(PACKAGE / module) for module in modules)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest(value: object) -> str:
    """Return 16 hex characters that stand for a JSON-like value; neither the order of keys nor 1 or 1.0 matters."""
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    """One spelling for equal values: NumPy's numbers become Python's, whole ones integers."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value
