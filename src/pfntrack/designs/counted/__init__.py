"""Designs that count mappings: reservations that live as long as an entry uses them.

Read `runs` and `pieces` (what is counted), then `ours`, and `mapcount`, which needs no pieces.
"""
