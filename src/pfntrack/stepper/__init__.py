"""Going through a scenario step by step, in a terminal or line by line."""

from pfntrack.stepper.session import Session, SessionError, start

__all__ = ["Session", "SessionError", "start"]
