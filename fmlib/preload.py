"""What the notebooks import, imported once: kernels are forked from a process that has this module."""

import os
import signal
import threading
from importlib import import_module

MODULES = (
    "ipykernel.kernelapp",
    "torch",
    "fmlib.judgement",
    "fmlib.play",
    "fmlib.portraits",
    "fmlib.studies",
)
MODULES += ("fmlib.few_images", "fmlib.gradcam_rows", "fmlib.figures.data", "fmlib.figures.gradcam")

signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asked for the kernels
os.environ.setdefault(
    "MPLBACKEND", "module://matplotlib_inline.backend_inline"
)  # as in a kernel that starts anew
for name in MODULES:
    import_module(name)
fingerprints = import_module("fmlib.fingerprints")
fingerprints.code_version(
    fingerprints.measuring_code()
)  # of the code that kernels get, not of what is edited later
import_module("tqdm").tqdm.set_lock(threading.RLock())  # its usual lock outlives a kernel that is killed
