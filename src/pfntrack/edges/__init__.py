"""The edges of the program: what comes in is bounded here, what goes out is harmless here.

One guard for each kind of thing: `numbers`, `files` (which also guards names), `documents`
(JSON), `text` (everything that a terminal or a compiler will read), `streams` (standard input
and output), `workers` (processes that must not outlive us).
"""
