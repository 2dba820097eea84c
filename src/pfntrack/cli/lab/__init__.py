"""Commands that use real kernels: the lab's own, and programs that show a bug on one.

Read `lab`, whose actions `build` and `diff` have files of their own, then `repro`. What is
missing for a guest is said before anything boots; verdicts are those of `pfntrack.lab`.
"""
