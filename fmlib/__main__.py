"""`python -m fmlib` is the command line."""

import sys

from fmlib.cli import main

sys.exit(main())
