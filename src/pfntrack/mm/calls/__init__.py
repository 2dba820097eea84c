"""One module per operation on an address space, with the kernel's names.

Read `mmap` and `remap`, then `unmap`, `split`, `fork`, `mremap`. Each reads like the
kernel's function that it cites; none knows a design or a driver.
"""
