"""Shell completion: `completion` is the command, `table` takes what is needed from the parser.

Read `table`, then `scripts`, which writes it down. The scripts hold all words themselves, so
that completing starts no program. Names of files are the shell's own affair.
"""

SHELLS = ("bash", "zsh", "fish")
