"""Real kernels: packages, guests, observation and comparison.

Rooms, in the order of dependence and of reading::

    guests  <- observe            a machine that runs; what it shows in neutral form
    images                        a kernel's name -> what it is booted from
    play    <- random             programs played, recorded and compared; random search

``agent/`` holds the C source of the guest's agent, ``module/`` that of the driver
module (under its own license). Nothing here decides what a kernel should do: that is
the model's, and a difference is only reported.
"""
