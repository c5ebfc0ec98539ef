"""`python -m fmlib` is the command line."""

import signal
import sys

from fmlib.cli import main

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as after Ctrl-C: no kernel, no file left over
    sys.exit(main())
