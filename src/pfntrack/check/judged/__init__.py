"""What is judged: the properties of states and steps, and what they are judged against.

Read `properties` first, then `oracle` (a kernel whose books are right, behind I6 and
I7) and `owners` (who holds which page); `summary`, `facts` and `judge` give the same
verdicts to a search. Nothing here searches, and nothing here changes a state.
"""
