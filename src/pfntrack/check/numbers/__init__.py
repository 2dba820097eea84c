"""The search's tables of numbers, and the compiled loops over them.

Read `words` and `tabulated` (what a state and an outcome look like), then `successors`
(one state's successors) and `visited`; `tables` and `replay` fill what is missing from
the model. No property is judged here, and compiled code calls nothing outside this room.
"""
