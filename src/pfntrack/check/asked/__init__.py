"""What is asked of the search: known defects, the decision table, where two kernels part.

Read `bugs` with `hunt`, then `study`, then `pair`. Each asks `search` and reads its
answer; none has a search of its own.
"""
