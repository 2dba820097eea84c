"""Audit of a machine: who holds each reservation, what is stale, what exits will leave.

Collectors make `Evidence` (a state of the state schema and what surrounds it);
the checks are pure functions of it; reports come last. `collector.py` runs on
the sick machine and imports nothing from here.
"""
