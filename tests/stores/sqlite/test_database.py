"""The data directory: who may use it, what it refuses, and what it does when the disk takes nothing."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from wsgw.errors import StoreUnavailable
from wsgw.stores.sqlite.database import FILE, Database, many
from wsgw.stores.sqlite.documents import SqliteDocuments
from wsgw.stores.sqlite.layout import VERSION, Unusable


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "a" / "data"


@pytest.fixture
async def database(directory: Path) -> AsyncIterator[Database]:
    one = Database(directory)
    await one.open()
    yield one
    await one.close()


async def refusal(directory: Path) -> str:
    """What opening the directory says; nothing in it may be another afterwards."""
    before = digests(directory)
    with pytest.raises(Unusable) as refused:
        await Database(directory).open()
    assert digests(directory) == before
    return str(refused.value)


def digests(directory: Path) -> dict[str, str]:
    """The content of all files but the lock, and SQLite's index of its log, which it makes anew."""
    files = [file for file in directory.iterdir() if file.name not in ("lock", f"{FILE}-shm")]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.stat().st_size}


def rows(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT count(*) FROM documents").fetchone()[0])


# ---- the directory


@pytest.mark.usefixtures("database")
def test_it_is_made_and_only_its_owner_may_read_it(directory: Path):
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o077 for file in directory.iterdir()} == {0}


@pytest.mark.usefixtures("database")
async def test_a_second_gateway_is_refused_with_the_directory_and_who_has_it(directory: Path):
    said = await refusal(directory)
    assert str(directory) in said
    assert f"process {os.getpid()}" in said
    assert "--redis" in said


async def test_it_can_be_taken_again_after_it_was_closed(database: Database, directory: Path):
    await SqliteDocuments(database).write("api", {"chat": b"1"})
    await database.close()
    again = Database(directory)
    await again.open()
    assert await SqliteDocuments(again).all("api") == {"chat": b"1"}
    await again.close()


async def test_an_import_writes_beside_the_gateway_that_serves(database: Database, directory: Path):
    beside = Database(directory, serving=False)
    await beside.open()
    await SqliteDocuments(beside).write("api", {"chat": b"1"})
    await beside.close()
    assert await SqliteDocuments(database).all("api") == {"chat": b"1"}
    assert await SqliteDocuments(database).revision() == 1


async def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable, match=r"the data directory .*/file/data cannot be used: Not a directory"):
        await Database(tmp_path / "file" / "data").open()


# ---- files that are not ours


async def test_text_in_place_of_the_database_is_refused_and_kept(directory: Path):
    directory.mkdir(parents=True)
    (directory / FILE).write_text("not a database at all, but somebody's notes" * 100)
    assert "cannot be read as a database" in await refusal(directory)


async def test_a_damaged_database_is_refused_and_kept(database: Database, directory: Path):
    await SqliteDocuments(database).write("api", {f"api{n}": b"x" * 5000 for n in range(50)})
    await database.close()
    file = directory / FILE
    raw = bytearray(file.read_bytes())
    raw[4096 * 8 : 4096 * 12] = os.urandom(4096 * 4)
    file.write_bytes(raw)
    assert f"{file} " in await refusal(directory)


async def test_a_database_cut_short_is_refused_and_kept(database: Database, directory: Path):
    await SqliteDocuments(database).write("api", {f"api{n}": b"x" * 5000 for n in range(50)})
    await database.close()
    file = directory / FILE
    file.write_bytes(file.read_bytes()[: 4096 * 9 + 100])
    assert str(file) in await refusal(directory)


async def test_a_database_of_a_newer_version_is_refused_and_kept(database: Database, directory: Path):
    await database.write(lambda db: db.execute(f"PRAGMA user_version = {VERSION + 1}"))
    await database.close()
    assert "was made by a newer wsgw" in await refusal(directory)


async def test_somebody_elses_database_is_refused_and_kept(directory: Path):
    directory.mkdir(parents=True)
    foreign = sqlite3.connect(directory / FILE)
    foreign.execute("CREATE TABLE mine (a)")
    foreign.commit()
    foreign.close()
    assert "is a database of something else" in await refusal(directory)


# ---- writing and reading


async def test_writes_of_one_turn_are_one_transaction(database: Database):
    seen: list[int] = []
    # A trigger of the connection itself: it counts commits.
    await database.write(lambda db: db.set_trace_callback(lambda text: seen.append(1) if text == "COMMIT" else None))
    seen.clear()
    insert = "INSERT INTO documents VALUES ('api', ?, x'00')"
    await asyncio.gather(*(database.write(lambda db, n=n: db.execute(insert, (n,))) for n in range(500)))
    assert len(seen) < 50
    assert await database.read(rows) == 500


async def test_a_write_that_nobody_waits_for_disturbs_no_other(database: Database):
    insert = "INSERT INTO documents VALUES ('api', ?, x'00')"
    writes = [database.write(lambda db, n=n: db.execute(insert, (n,))) for n in range(100)]
    for write in writes[::2]:
        write.cancel()
    for write in writes[1::2]:
        await write
    assert await database.read(rows) == 100


async def test_many_rows_are_the_same_rows_in_few_statements(database: Database):
    statements: list[str] = []

    def job(db: sqlite3.Connection) -> None:
        db.set_trace_callback(statements.append)
        many(db, "INSERT INTO documents VALUES", "('api', ?, ?)", [(f"{n:04}", b"%d" % n) for n in range(1000)])
        db.set_trace_callback(None)

    await database.write(job)
    stored = await SqliteDocuments(database).all("api")
    assert stored == {f"{n:04}": b"%d" % n for n in range(1000)}
    assert len(statements) < 15


async def test_a_job_that_fails_leaves_nothing_of_its_transaction_and_the_next_works(database: Database):
    def job(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO documents VALUES ('api', 'half', x'00')")
        raise ZeroDivisionError

    with pytest.raises(StoreUnavailable):
        await database.write(job)
    assert await SqliteDocuments(database).write("api", {"chat": b"1"}) == 1
    assert await SqliteDocuments(database).all("api") == {"chat": b"1"}


async def test_a_full_disk_is_unavailable_and_said_once_and_it_recovers(
    database: Database, caplog: pytest.LogCaptureFixture
):
    documents = SqliteDocuments(database)
    await documents.write("api", {"before": b"1"})
    await database.write(lambda db: db.execute("PRAGMA max_page_count = 1"))
    with caplog.at_level(logging.WARNING, "wsgw"):
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="disk is full"):
                await documents.write("api", {"large": b"x" * 100_000})
        assert await documents.all("api") == {"before": b"1"}
        await database.write(lambda db: db.execute("PRAGMA max_page_count = 100000"))
        await documents.write("api", {"large": b"x" * 100_000})
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert sorted(await documents.all("api")) == ["before", "large"]


async def test_a_closed_database_is_unavailable(database: Database):
    await database.close()
    with pytest.raises(StoreUnavailable):
        await SqliteDocuments(database).revision()


async def test_what_was_queued_is_written_before_it_closes(database: Database, directory: Path):
    insert = "INSERT INTO documents VALUES ('api', ?, x'00')"
    for number in range(300):
        database.write(lambda db, n=number: db.execute(insert, (n,)))
    await database.close()
    again = Database(directory)
    await again.open()
    assert await again.read(rows) == 300
    await again.close()


# ---- kill -9

WRITER = """
import asyncio, sys
from wsgw.stores.sqlite.database import Database
from wsgw.stores.sqlite.documents import SqliteDocuments

async def main():
    database = Database(sys.argv[1])
    await database.open()
    documents = SqliteDocuments(database)
    async def write(worker):
        for number in range(1_000_000):
            name = f"{worker}-{number}"
            await documents.write("api", {name: b"x" * 300})
            print(name, flush=True)
    await asyncio.gather(*map(write, range(20)))

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [1, 400, 2000])
async def test_what_was_answered_survives_kill_9(directory: Path, after: int):
    """What a killed process said was written is there afterwards, and its directory can be used at once."""
    pipe = asyncio.subprocess.PIPE
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, str(directory), stdout=pipe)
    assert writer.stdout is not None
    answered = [(await writer.stdout.readline()).decode().strip() for _ in range(after)]
    writer.send_signal(signal.SIGKILL)
    # A line that was cut off was not answered.
    answered += [line.decode().strip() async for line in writer.stdout if line.endswith(b"\n")]
    await writer.wait()
    database = Database(directory)
    await database.open()
    stored = await SqliteDocuments(database).all("api")
    await database.close()
    assert set(answered) <= stored.keys()
    assert len(stored) <= len(answered) + 20
