"""The explorer in the browser: a scenario is edited on the left and seen on the right.

`answers` turns questions of the page into answers, as JSON and without any server;
`server` is the local web server of `pfntrack serve`; `page` is what the browser gets.
Nothing is written to a file, and nothing leaves the machine.
"""
