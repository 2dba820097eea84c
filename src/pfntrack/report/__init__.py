"""Reports: text for people, JSON for programs, pages for both.

Read `runs` (one scenario), then `searches` and `lab`; `html` makes pages from the JSON, and
`schemas` says what the JSON holds. Text, JSON and page of one result come from the same
facts. Nothing here judges: a report prints what it is given.
"""
