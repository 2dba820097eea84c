"""`python -m bench.tlc`."""

from __future__ import annotations

import sys

from bench.tlc import main

sys.exit(main(sys.argv[1:]))
