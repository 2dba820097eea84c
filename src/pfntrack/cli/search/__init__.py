"""Commands that search: all programs within bounds, or all schedules of one.

Read `check`, then `race`; `concurrent` is the part of `check` about both. Ctrl-C ends each
in good order with what was found. None has a search of its own: that is `pfntrack.check`.
"""
