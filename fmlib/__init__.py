"""fmlib: the library behind the face-mask report series."""

import os

__version__ = "0.1.0"

os.environ.setdefault("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")  # no file of weights runs code, whoever loads it
