"""`python -m kinetic` is the command line."""

from __future__ import annotations

import sys

from kinetic.cli import main

if __name__ == "__main__":
    sys.exit(main())
