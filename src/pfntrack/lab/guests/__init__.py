"""Machines that run: QEMU, and a booted guest that plays commands and is restored.

Read `machine` (devices and their windows), `qemu`, `guest`. A guest knows commands of
the agent, not operations of the model.
"""
