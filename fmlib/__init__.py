"""fmlib: the library behind the face-mask report series."""

import os

__version__ = "0.1.0"

os.environ.setdefault("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")  # no file of weights runs code, whoever loads it


def __getattr__(name: str) -> object:
    """Load `fmlib.predict` when it is asked for: it needs torch, and the command line's help does not."""
    if name == "predict":
        from fmlib.prediction import predict

        return predict
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
