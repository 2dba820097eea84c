"""Model, test, triage and audit of PFN mapping tracking on Linux x86."""

__version__ = "0.1.0"
