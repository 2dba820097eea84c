"""The one exception tree.

Each class says what went wrong from the user's side; the command line turns
any of them into one line on standard error.
"""

from __future__ import annotations


class PfntrackError(Exception):
    """Base of every error that pfntrack raises on purpose."""


class InputFormatError(PfntrackError):
    """A file is missing, unreadable or not of the expected form.

    The text names the file and, where known, the line, column or field and
    what was expected there.
    """


class ScenarioError(InputFormatError):
    """A scenario text is malformed or asks for something impossible."""


class ModelError(PfntrackError):
    """The model was driven in a way that no kernel allows (a caller's mistake)."""


class NoSuchProcessError(ModelError):
    """An operation names a process that does not live."""


class GuestError(PfntrackError):
    """A guest kernel could not be prepared, booted or kept alive."""
