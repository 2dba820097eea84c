"""Messages: what each line of a kernel or a program means, and the source that prints it.

Read `message` (the form), then `table` and the families it joins; `sources` holds what
kernels can print, against which the table is tested. A message has no diagnosis in it.
"""
