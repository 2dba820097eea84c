"""Commands of the model: one program or one recording, on one kernel or several.

Read `run`, then `compare` with `explore`. They perform and show; what searches all programs
is in `search`, and none of them boots anything.
"""
