"""Recordings of live machines, and their replay on the model.

`recorder` runs on the machine (standard library only); `format` reads what it wrote, `calls`
puts events together to calls, `recover` turns calls into operations of the model, and `replay`
holds the model against what was seen. Nothing here guesses: what is not explained is said so.
"""
