"""Judging states: properties, and the search for states that break them."""

from pfntrack.check.judged.properties import PROPERTIES, Violation, judge_state, judge_step

__all__ = ["PROPERTIES", "Violation", "judge_state", "judge_step"]
