"""From a machine's files to evidence: the collector, and readers of what it took.

Read `collector` (it runs alone on the sick machine), then `snapshot` and `evidence`.
What a file does not show stays unknown; nothing is judged here.
"""
