"""What a change of the kernel changes: two kernels, or a kernel and a model, side by side.

Read `sides` (who plays), `kinds` (what differs, and how kinds are told apart), `campaign`
(library and random programs), `explain` (which designs do what each side did). No verdict:
a difference is neither side's mistake.
"""
