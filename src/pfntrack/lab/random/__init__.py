"""Random search for programs on which model and kernel differ.

Read `generate` (what is legal), `fuzz` (the campaign), `shrink`. Every draw comes from
the campaign's seed.
"""
