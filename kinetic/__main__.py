"""`python -m kinetic` is the command line."""

import os
import sys

# With -m, Python puts the current folder first: a json.py in it would run. It stays only where kinetic itself is in it,
# as in a checkout. The two modules above are part of Python from its start, and looked for nowhere.
if __name__ == "__main__" and not sys.flags.safe_path:
    if sys.path[0] != os.path.dirname(os.path.dirname(os.path.abspath(__file__))):
        del sys.path[0]

from kinetic.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
