"""What is known: messages of the kernel, and diagnoses with rule, cure and windows.

Read `messages` (what each line means), then `codes`. Data with citations; nothing here
looks at a log.
"""
