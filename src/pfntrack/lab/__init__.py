"""Real kernels: packages, guests, observation and comparison.

Dependencies inside the package point one way::

    regions <- events, calls, state           text of the guest -> neutral form
    machine <- qemu <- guest                  a guest that runs and answers
    regions, machine <- ops                   operations -> commands for the agent
    guest, ops, events, calls, state <- recorder <- traces
    apt <- kernels;  boot, guest <- build     a kernel's name -> what it is booted from
    kernels, build, recorder, traces, compare <- record

``guest/`` holds the C source of the agent, ``module/`` that of the driver
module (under its own license).
"""
