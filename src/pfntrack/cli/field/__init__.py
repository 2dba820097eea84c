"""Commands for machines in the field: their logs, their state, recordings of them.

Read `triage` and `explain` (a log), `collect` and `audit` (a state), then `record` and
`replay`. None changes anything on the machine that it looks at.
"""
