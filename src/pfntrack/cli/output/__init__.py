"""How results leave: JSON, pages and files (`write`), text for a terminal (`terminal`).

A pipe or a file gets the text unchanged. What a result says is the affair of
`pfntrack.report`; nothing here knows what it shows.
"""
