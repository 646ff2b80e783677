"""Stores of one process that survive it, in a directory: one SQLite database, written by one thread.

`database` owns the file and its two threads, `layout` what is in it; `documents`, `connections` and `quota` satisfy
the protocols of `stores.base`. sqlite3's exceptions end here as StoreUnavailable.
"""
