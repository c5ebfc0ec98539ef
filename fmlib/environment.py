"""What a result was made with: commit, Python, packages, machine."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from fmlib.config import REPO

PACKAGES = (
    "accelerate dask efficientnet-pytorch matplotlib nbconvert numpy opencv-python pandas papermill pillow "
    "pytorch-gradcam safetensors scikit-image scikit-learn scipy torch torchvision"
).split()


@cache
def commit() -> str | None:
    """The repository's commit, with `-dirty` if tracked files differ from it; None outside a checkout.

    Figures do not count: a report writes them, and none is read.
    """
    head = _git("rev-parse", "HEAD")
    if not head or _git("rev-parse", "--show-toplevel") != str(REPO):
        return None
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)figures")
    return head + ("-dirty" if changed else "")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(REPO), *arguments], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def environment() -> dict:
    """Python, package versions, platform, processors, torch's threads and device. Names no user and no path."""
    import torch

    return {
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "platform": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "device": _device(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "mps" if torch.backends.mps.is_available() else "cpu"
