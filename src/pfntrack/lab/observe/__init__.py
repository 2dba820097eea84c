"""What a guest shows, in neutral form: processes, page tables, calls, log lines.

Read `regions` (names of addresses), then `state`, `calls`, `events`. Text of the guest
comes in, values of `traces` go out; nothing is compared here.
"""
