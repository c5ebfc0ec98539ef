"""`python -m fmlib` is the command line."""

import signal
import sys

from fmlib.cli import main

if __name__ == "__main__":
    # end as after Ctrl-C: no kernel, no file left over
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
