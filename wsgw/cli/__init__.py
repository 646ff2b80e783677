"""The `wsgw` command: `main` has the table of commands, each in a module of its own, loaded when it runs.

`options` makes command-line options of settings.py, `definition_files` reads files; `load` is the load generator, which
imports nothing of the gateway. May import everything.
"""
