"""The registry in a data directory, beyond its contract: a disk that takes nothing, garbage, `kill -9`."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness.until import until
from wsgw import ids
from wsgw.errors import StoreUnavailable
from wsgw.stores.base import Book
from wsgw.stores.records import ConnectionRecord, Departure
from wsgw.stores.sqlite import changes
from wsgw.stores.sqlite.connections import SqliteConnections
from wsgw.stores.sqlite.database import Database

ENDED = 1_795_000_000_000
FULL, ROOM = "PRAGMA max_page_count = 1", "PRAGMA max_page_count = 100000"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    one = Database(tmp_path)
    await one.open()
    yield one
    await one.close()


@pytest.fixture
async def registry(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteConnections]:
    monkeypatch.setattr(changes, "_AGAIN", 0.02)
    one = SqliteConnections(database)
    await one.join()
    yield one
    await one.close()


def record(registry: SqliteConnections, agent: str = "x" * 200) -> ConnectionRecord:
    id = ids.connection_id(registry.own.node, ids.api_tag("chat"))
    return ConnectionRecord(id, "chat", "prod", ENDED, "::1", agent, "gw", "http://gw")


async def listed(registry: SqliteConnections) -> set[str]:
    return {one.id for one in (await registry.page("", 100_000)).records}


async def orphans(database: Database) -> tuple[SqliteConnections, list[Book]]:
    """The registry as the next start finds it, and the books that it is handed."""
    found: list[Book] = []
    one = SqliteConnections(database)
    one.on_orphaned = found.append
    await one.join()
    await asyncio.sleep(0)
    return one, found


async def make_room(database: Database) -> None:
    """The disk takes something again. Asked until it is so: a write fails with what shares its transaction."""
    while True:
        try:
            await database.write(lambda db: db.execute(ROOM))
            return
        except StoreUnavailable:
            pass


async def test_an_entry_that_the_disk_does_not_take_is_false_and_is_there_later(
    database: Database, registry: SqliteConnections
):
    before = [record(registry) for _ in range(50)]
    assert all(await asyncio.gather(*map(registry.own.enter, before)))
    await database.write(lambda db: db.execute(FULL))
    during = [record(registry) for _ in range(200)]
    assert not any(await asyncio.gather(*map(registry.own.enter, during)))
    # These come and go meanwhile: nothing of them is to be left.
    fleeting = [record(registry) for _ in range(200)]
    for one in fleeting:
        registry.own.enter(one)
    for one in [*fleeting, *during[:10], *before[:10]]:
        registry.own.leave(one.id)
    registry.own.defer(Departure(during[10], 1000, "", ENDED))
    await make_room(database)
    await until(lambda: registry.resyncs)
    assert await listed(registry) == {one.id for one in [*before[10:], *during[11:]]}
    assert await registry.own.enter(record(registry)) is True


async def test_what_is_remembered_while_nothing_can_be_written_is_bounded_by_what_is_open(
    database: Database, registry: SqliteConnections
):
    await database.write(lambda db: db.execute(FULL))
    for _ in range(50):
        some = [record(registry) for _ in range(100)]
        await asyncio.gather(*map(registry.own.enter, some))
        for one in some:
            registry.own.leave(one.id)
    await until(lambda: len(registry._changes._pending) <= 200)
    await make_room(database)
    await until(lambda: registry.resyncs)
    assert await listed(registry) == set()


async def test_entries_at_once_share_transactions(database: Database, registry: SqliteConnections):
    commits: list[str] = []
    await database.write(lambda db: db.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else 0))
    commits.clear()
    assert all(await asyncio.gather(*(registry.own.enter(record(registry)) for _ in range(2000))))
    assert len(commits) <= 5


async def test_a_waiter_that_is_cancelled_disturbs_no_other(registry: SqliteConnections):
    async def enter(one: ConnectionRecord) -> bool:
        return await registry.own.enter(one)

    some = [record(registry) for _ in range(100)]
    tasks = [asyncio.create_task(enter(one)) for one in some]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    assert all([await task for task in tasks[1::2]])
    assert await listed(registry) == {one.id for one in some}


async def test_garbage_is_skipped_counted_and_removed_from_a_book(database: Database, registry: SqliteConnections):
    await registry.own.enter(sound := record(registry))
    for id, value in (("a", b""), ("b", b"\xc1garbage"), ("c", b"\x93\x01\x02\x03")):
        row = (id, registry.own.node, "chat", "prod", value)
        await database.write(lambda db, row=row: db.execute("INSERT INTO open VALUES (?, ?, ?, ?, ?)", row))
        owed = ("owed" + id, registry.own.node, value)
        await database.write(lambda db, row=owed: db.execute("INSERT INTO owed VALUES (?, ?, ?)", row))
    assert await listed(registry) == {sound.id}
    assert registry.garbage == 3
    await registry.close()
    after, (book,) = await orphans(database)
    assert [one.connection.id async for one in book.departures()] == [sound.id]
    assert after.garbage == 6
    book.leave(sound.id)
    await book.close()
    assert await database.read(lambda db: db.execute("SELECT count(*) FROM open UNION SELECT 0").fetchall()) == [(0,)]
    await after.close()


async def test_a_book_of_many_is_worked_through_in_pieces(database: Database, registry: SqliteConnections):
    some = [record(registry) for _ in range(1000)]
    await asyncio.gather(*map(registry.own.enter, some))
    for one in some[:450]:
        registry.own.defer(Departure(one, 4000, "", ENDED))
    await registry.close()
    after, (book,) = await orphans(database)
    codes: dict[str, int] = {}
    async for departure in book.departures():
        codes[departure.connection.id] = departure.code
        book.leave(departure.connection.id)
    await book.close()
    assert codes == {one.id: 4000 if number < 450 else 1006 for number, one in enumerate(some)}
    last, found = await orphans(database)
    assert found == []
    await after.close()
    await last.close()


async def test_connections_of_former_runs_are_not_listed_as_open(database: Database, registry: SqliteConnections):
    await registry.own.enter(record(registry))
    await registry.close()
    after, _ = await orphans(database)
    assert await listed(after) == set()
    await after.close()


async def test_closing_a_registry_that_never_joined_is_nothing(tmp_path: Path):
    await SqliteConnections(Database(tmp_path / "unopened")).close()


CONNECTS = """
import asyncio, sys
from wsgw import ids
from wsgw.errors import StoreUnavailable
from wsgw.stores.records import ConnectionRecord
from wsgw.stores.sqlite.connections import SqliteConnections
from wsgw.stores.sqlite.database import Database

async def main():
    database = Database(sys.argv[1])
    await database.open()
    registry = SqliteConnections(database)
    print(await registry.join(), flush=True)
    async def connect():
        while True:
            id = ids.connection_id(registry.own.node, ids.api_tag("chat"))
            await registry.own.enter(ConnectionRecord(id, "chat", "prod", 1, "::1", None, "gw", "http://gw"))
            print(id, flush=True)
    await asyncio.gather(*(connect() for _ in range(20)))

asyncio.run(main())
"""


async def test_everyone_who_was_let_in_is_an_orphan_after_kill_9(tmp_path: Path):
    """What `enter` has answered is told as gone by the next start, as 1006."""
    directory, pipe = tmp_path / "data", asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", CONNECTS, str(directory), stdout=pipe)
    assert process.stdout is not None
    node = (await process.stdout.readline()).decode().strip()
    entered = [(await process.stdout.readline()).decode().strip() for _ in range(1000)]
    process.send_signal(signal.SIGKILL)
    entered += [line.decode().strip() async for line in process.stdout if line.endswith(b"\n")]
    await process.wait()

    database = Database(directory)
    await database.open()
    after, (book,) = await orphans(database)
    assert book.node == node
    departures = {one.connection.id: one.code async for one in book.departures()}
    assert set(entered) <= departures.keys()
    assert set(departures.values()) == {1006}
    await after.close()
    await database.close()
