"""The documentation site: pages written by hand, pages made from the program."""
