"""`python -m bench`: all benchmarks."""

from __future__ import annotations

import sys

from bench import explore

sys.exit(explore.main())
