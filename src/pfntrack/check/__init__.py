"""Judging states: properties, and the search for states that break them."""

from pfntrack.check.properties import PROPERTIES, Violation, judge_state, judge_step

__all__ = ["PROPERTIES", "Violation", "judge_state", "judge_step"]
