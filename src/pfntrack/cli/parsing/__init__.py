"""Which command, with which options: the table, the parser, and examples for each help.

Read `commands`, then `parser` (complaints that say what was meant). What is imported here is
loaded by `--help` and by every mistake, so nothing here may import a command or the model.
"""
