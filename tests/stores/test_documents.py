"""The contract of every Documents store: the fixture gives one in memory, one in SQLite, one in a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.redis_server import RedisServer
from wsgw.errors import StoreUnavailable
from wsgw.settings import Settings
from wsgw.stores.base import Documents
from wsgw.stores.memory_documents import MemoryDocuments
from wsgw.stores.redis.documents import RedisDocuments
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.sqlite.database import Database
from wsgw.stores.sqlite.documents import SqliteDocuments


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def documents(request: pytest.FixtureRequest, tmp_path: Path, redis: RedisServer) -> AsyncIterator[Documents]:
    if request.param == "memory":
        yield MemoryDocuments()
    elif request.param == "sqlite":
        database = Database(tmp_path / "data")
        await database.open()
        yield SqliteDocuments(database)
        await database.close()
    else:
        link = Link(Settings(redis=redis.url, redis_seconds=1))
        await link.open()
        yield RedisDocuments(link, Keys("test"))
        await link.close()


async def test_nothing_is_stored_at_first(documents: Documents):
    assert await documents.all("api") == {}
    assert await documents.revision() == 0


async def test_what_was_written_is_read(documents: Documents):
    await documents.write("api", {"chat": b'{"name":"chat"}', "other": b"\x00\xff"})
    assert await documents.all("api") == {"chat": b'{"name":"chat"}', "other": b"\x00\xff"}


async def test_a_document_is_replaced_whole(documents: Documents):
    await documents.write("api", {"chat": b"a long document", "other": b"stays"})
    await documents.write("api", {"chat": b"short"})
    assert await documents.all("api") == {"chat": b"short", "other": b"stays"}


async def test_none_deletes_and_is_nothing_where_there_is_nothing(documents: Documents):
    await documents.write("api", {"chat": b"1", "other": b"2"})
    await documents.write("api", {"chat": None, "unknown": None, "third": b"3"})
    assert await documents.all("api") == {"other": b"2", "third": b"3"}


async def test_kinds_are_apart(documents: Documents):
    await documents.write("api", {"name": b"1"})
    await documents.write("accessKey", {"name": b"2"})
    assert (await documents.all("api"), await documents.all("accessKey")) == ({"name": b"1"}, {"name": b"2"})


async def test_each_write_makes_a_greater_revision_over_all_kinds(documents: Documents):
    revisions = [
        await documents.write("api", {"chat": b"1"}),
        await documents.write("accessKey", {"AKID": b"2"}),
        await documents.write("api", {"chat": None}),
    ]
    assert revisions == sorted(set(revisions))
    assert revisions[0] > 0
    assert await documents.revision() == revisions[-1]


async def test_many_and_large_documents_come_back(documents: Documents):
    stored = {f"api{number}": b"x" * 20_000 for number in range(130)}
    await documents.write("api", stored)
    assert await documents.all("api") == stored


async def test_writers_at_once_lose_nothing(documents: Documents):
    revisions = await asyncio.gather(*(documents.write("api", {f"api{n}": b"%d" % n}) for n in range(50)))
    assert len(set(revisions)) == 50
    assert await documents.all("api") == {f"api{n}": b"%d" % n for n in range(50)}


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
Write = dict[str, bytes | None]
WRITES = st.lists(st.dictionaries(NAMES, st.none() | st.binary(max_size=20), max_size=4), max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=WRITES)
async def test_any_row_of_writes_leaves_what_a_dict_would_hold(documents: Documents, writes: list[Write]):
    kind, expected = str(uuid4()), {}
    for write in writes:
        await documents.write(kind, write)
        expected = {name: body for name, body in {**expected, **write}.items() if body is not None}
    assert await documents.all(kind) == expected


async def test_a_writer_and_a_reader_see_whole_writes_only(documents: Documents):
    await documents.write("api", {f"api{n}": b"0" for n in range(100)})

    async def write() -> None:
        for round_ in range(1, 20):
            await documents.write("api", {f"api{n}": b"%d" % round_ for n in range(100)})

    writing = asyncio.create_task(write())
    while not writing.done():
        try:
            assert len(set((await documents.all("api")).values())) == 1
        except StoreUnavailable:
            # It may say that it cannot get a whole one between so many writes; it must not give a torn one.
            pass
        # A store in memory never waits by itself.
        await asyncio.sleep(0)
    await writing
