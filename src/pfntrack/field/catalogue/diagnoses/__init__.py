"""Diagnoses: for each code what it means, the rule behind it, the cure and the traps.

Read `base` (the form), then `codes`, which joins the families. When a code applies is decided
in `pfntrack.field.rules`; nothing here is computed from a log.
"""
