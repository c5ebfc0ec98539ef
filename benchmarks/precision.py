"""Whether the rule of `fmlib.arithmetic.precision` picks the faster of bf16 and fp32 on this machine.

python benchmarks/precision.py [--sides 64 224] [--steps 4] [--keep]
"""

import argparse
import time

import numpy as np
import torch
from rows import record

from fmlib import arithmetic, models, training
from fmlib.config import ARCHITECTURES

BATCH = 64


def durations(
    name: str, side: int, way: str, steps: int, device: torch.device, compiled: bool = False
) -> list[float]:
    """Seconds of training steps in one precision, the first of which may compile the network."""
    torch.manual_seed(0)
    model = models.build(name, side=side).to(device, memory_format=torch.channels_last).train()
    optimizer = training.make_optimizer("adam", model)
    if compiled:
        model.compile()
    images = torch.rand(BATCH, 3, side, side, device=device).contiguous(memory_format=torch.channels_last)
    taken = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=way == "bf16"):
            loss = model(images).float().square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        float(loss.detach())  # waits for the device
        taken.append(time.perf_counter() - start)
    return taken


def seconds(*asked, **settings) -> float:
    """Median time of a training step after the first; arguments as of `durations`."""
    return float(np.median(durations(*asked, **settings)[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=ARCHITECTURES)
    parser.add_argument("--sides", nargs="+", type=int, default=[64, 224])
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--keep", action="store_true", help="put the results into the table")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for side in options.sides:
        for name in options.models:
            times = {way: seconds(name, side, way, options.steps, device) for way in ("bf16", "fp32")}
            chosen = arithmetic.precision(device)
            other = "fp32" if chosen == "bf16" else "bf16"
            shown = {way: f"{way}: {value * 1e3:.0f} ms a step" for way, value in times.items()}
            gain = times[other] / times[chosen]
            record("precision", f"{name}, {side} px", shown[chosen], shown[other], gain, "≥ 1", options.keep)


if __name__ == "__main__":
    main()
