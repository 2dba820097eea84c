"""How states are searched: what is tried, within which bounds, level by level.

Read `bounds` and `actions` (what is tried), then `plain` (the obviously right search)
and `explore` (the fast one); `normal` makes states equal that differ in names only.
Numbers stay behind `numbers`; no rule of the kernel is written here.
"""
