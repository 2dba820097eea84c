"""What searches found: tables, counterexamples, results for test runners.

Read `check` and `race`, then `study`, `bugs` and `difference`; `cases` writes KTAP and JUnit.
Programs that were found are shown as `runs` shows them, not anew.
"""
