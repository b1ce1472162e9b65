"""`python -m kinetic`: the command line."""

import os
import sys

# With -m, Python puts the current folder first on the path, so a json.py in it would run. The folder stays only when it
# holds kinetic itself, as a checkout does. Python itself holds the two modules above: no file is searched.
if __name__ == "__main__" and not sys.flags.safe_path:
    if sys.path[0] != os.path.dirname(os.path.dirname(os.path.abspath(__file__))):
        del sys.path[0]

from kinetic.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
