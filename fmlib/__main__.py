"""`python -m fmlib` is the command line."""

import sys

from fmlib.cli import main

if __name__ == "__main__":
    sys.exit(main())
