"""Overlapping operations: all schedules, what breaks in which, and the shortest of them.

Read `moments` (what is judged between two parts), then `schedules` (the search), then
`found` (what a race of a scenario comes to). Nothing in here knows how a call stops: that
is `pfntrack.mm.together` and `pfntrack.releases.together`.
"""
