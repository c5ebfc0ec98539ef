"""Where things live, what the classes are called, and the three profiles."""

import os
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
CLASSES = ("without mask", "with mask")  # labels 0 and 1; 1 is the positive class
STAGES = ("data", "classifier", "dae", "vae", "gradcam", "metrics")
ARCHITECTURES = ("resnet18", "efficientnet-b0", "alexnet", "googlenet")  # the ones every report compares
OPTIMIZERS = ("adam", "sgd", "adadelta", "asgd")
ACTIVATIONS = ("relu", "tanh", "leaky_relu")


def home() -> Path:
    """Folder of caches and runs: `FMLIB_HOME`, or `.fmlib` in the repository."""
    return Path(os.environ.get("FMLIB_HOME") or REPO / ".fmlib").expanduser().resolve()


@dataclass(frozen=True)
class DataConfig:
    """Which images: a source's name or a folder, and for the synthetic source how many and from which seed."""

    dataset: str = "synthetic"
    images: int | None = None
    seed: int = 0
