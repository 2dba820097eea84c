"""`python -m pfntrack`."""

import sys

from pfntrack.cli import main

if __name__ == "__main__":
    sys.exit(main())
