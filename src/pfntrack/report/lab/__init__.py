"""What real kernels did: a trace as a run, beside the model, and the verdicts.

Read `run` (a recording becomes a run like the model's), `beside`, `verdicts`, then `diff`
(two kernels). Verdicts are made in `pfntrack.lab` and `pfntrack.traces`, and printed here.
"""
