"""From bytes to the facts of a log: lines, messages, warnings with stacks, context.

Read `lines`, `parse`, `collect`. A fact says what a line says; what it means is for the
rules.
"""
