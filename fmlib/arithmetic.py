"""How a device computes: in which precision it trains, and that it gives the same bits every time.

Networks are not compiled: on two cores torch.compile slows ResNet-18 down, and would save EfficientNet-B0 a tenth of
the longest runs (`benchmarks/compiled.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch


def precision(device: torch.device) -> str:
    """Return "bf16" where that is the faster way to train on this device, else "fp32".

    A rule and not a stopwatch: one noisy measurement would change the weights that a fresh store ends with.
    `benchmarks/precision.py` measures whether the rule is right on a machine.
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    quick = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return "bf16" if quick else "fp32"


def autocast(device: torch.device):
    """Return the bf16 context where it is faster on this device, else an empty one."""
    if precision(device) == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


@contextmanager
def exact() -> Iterator[None]:
    """Have convolutions on a GPU give the same bits every time, and those in float32 full precision."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
