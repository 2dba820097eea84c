"""Runs and comparisons of runs: the facts of each step, as text, JSON and small pictures.

Read `facts` (what an observer sees), then `text` and `json_run`, which print the same
values; `lanes` shows calls that overlap. No fact is computed by one of the printers.
"""
