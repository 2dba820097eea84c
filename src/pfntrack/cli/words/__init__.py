"""What words on the command line name: scenarios, releases, bounds, kernels.

Read `chosen` first; `searched` is for commands that search, `kernels` for those that boot, and
`catalogue` lists the library without parsing it. Only options and their meaning: nothing is
run here, and nothing printed but warnings about a name.
"""
