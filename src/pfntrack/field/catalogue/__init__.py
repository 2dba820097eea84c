"""What is known: messages of the kernel, and diagnoses with rule, cure and windows.

Read `messages` (what each line means), then `diagnoses`; `lookup` finds, `page` prints all.
Data with citations; nothing here looks at a log.
"""
