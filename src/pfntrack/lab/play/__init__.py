"""Playing programs in a guest, recording what happens, comparing it with the model.

Read `ops` and `programs` (operations as commands), `recorder` (one program), then
`compare` and `conform`. Verdicts are said here; nothing is drawn at random.
"""
