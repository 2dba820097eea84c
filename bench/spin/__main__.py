"""`python -m bench.spin`."""

from __future__ import annotations

import sys

from bench.spin import main

sys.exit(main(sys.argv[1:]))
