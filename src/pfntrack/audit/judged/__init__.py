"""From evidence to findings: owners, coming exits, types that differ.

Read `owners` (a multiset match), `predict` (the kernel's erase rule over coming exits),
then `checks`. Pure functions; a question that the facts cannot answer goes to `undecided`.
"""
