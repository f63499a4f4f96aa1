"""``python -m zslearn`` is the command line."""

import sys

from zslearn._cli import main

if __name__ == "__main__":
    sys.exit(main())
