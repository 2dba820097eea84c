"""What builds the documentation, the man page and shell completion."""
