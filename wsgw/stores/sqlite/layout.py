"""What a data directory holds, and whether a file that is there is one of ours: the tables and their version."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from wsgw.errors import StoreUnavailable

#: Stands in the file's header, so that nothing else's database is taken for a gateway's: "wsgw".
APPLICATION_ID = 0x77736777
VERSION = 1

_TABLES = """
CREATE TABLE documents (kind TEXT, name TEXT, body BLOB NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE revision (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), number INTEGER NOT NULL);
CREATE TABLE quota (
    key TEXT, period TEXT, used INTEGER NOT NULL, expires REAL NOT NULL, PRIMARY KEY (key, period)
) WITHOUT ROWID;
CREATE TABLE open (
    id TEXT PRIMARY KEY, node TEXT NOT NULL, api_id TEXT NOT NULL, stage TEXT NOT NULL, record BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE owed (id TEXT PRIMARY KEY, node TEXT NOT NULL, departure BLOB NOT NULL) WITHOUT ROWID;
"""
_KEPT = "it was left as it is; restore a copy of it, or move it away to begin with nothing"


class Unusable(StoreUnavailable):
    """A data directory cannot be used; the text names it and says what to do. Nothing in it was changed."""


def examine(file: Path) -> None:
    """Raises Unusable if `file` is there and is damaged, foreign, or made by a newer gateway; changes nothing."""
    try:
        if not file.exists() or file.stat().st_size == 0:
            return
        # Read-only: what is not ours, or broken, must not be touched, not even to fold a left-over log into it.
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            made_by = database.execute("PRAGMA application_id").fetchone()[0]
            version = database.execute("PRAGMA user_version").fetchone()[0]
            found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except (OSError, sqlite3.Error) as error:
        raise Unusable(f"{file} cannot be read as a database ({error}): {_KEPT}") from error
    if found != "ok":
        raise Unusable(f"{file} is damaged ({' '.join(found.split())}): {_KEPT}")
    if made_by != APPLICATION_ID:
        raise Unusable(f"{file} is a database of something else: name another directory")
    if version > VERSION:
        raise Unusable(
            f"{file} was made by a newer wsgw (layout {version}; this one knows up to {VERSION}): upgrade wsgw, "
            "or name another directory"
        )


def lay_out(database: sqlite3.Connection) -> None:
    """Make the tables in a database that has none yet; two processes may do so at once."""
    database.execute("BEGIN IMMEDIATE")
    try:
        if database.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in filter(str.strip, _TABLES.split(";")):
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise
