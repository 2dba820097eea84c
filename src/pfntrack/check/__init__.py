"""Judging states: properties, and the search for states that break them.

`run` performs one scenario and judges each step. Rooms: `judged` (what is judged),
`search` (how states are searched), `numbers` (tables and compiled loops), `asked` (what
is asked of a search); `report` and `text` say what a search found.
"""

from pfntrack.check.judged.properties import PROPERTIES, Violation, judge_state, judge_step

__all__ = ["PROPERTIES", "Violation", "judge_state", "judge_step"]
