"""What a kernel is booted from: packages, the driver module built for it, the initramfs.

Read `kernels` (names), `apt` (packages), `build`, `boot`. Nothing here starts a machine.
"""
