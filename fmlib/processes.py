"""The processes that train a run together: this one alone, or those that `torchrun` started."""

from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

# how long processes wait for the first one, which may wait for the whole training of a run that others have begun
TIMEOUT = timedelta(days=7)


def processes() -> PartialState:
    """Return which process this is, and of how many; where there is no GPU they talk over gloo."""
    return PartialState(cpu=not torch.accelerator.is_available(), timeout=TIMEOUT)


def agreed(value: object) -> object:
    """Return the first process's value in all of them, so that they do the same."""
    processes()
    return broadcast_object_list([value])[0]
