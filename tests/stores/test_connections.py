"""The contract of every registry. The fixtures give each implementation; what `make` gives next shares its data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.until import until
from wsgw import ids
from wsgw.settings import Settings
from wsgw.stores.base import Book, Connections
from wsgw.stores.memory_connections import MemoryConnections
from wsgw.stores.records import ConnectionRecord, Departure, PrincipalRecord
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.registry import RedisConnections
from wsgw.stores.sqlite.connections import SqliteConnections
from wsgw.stores.sqlite.database import Database

Make = Callable[[], Awaitable[Connections]]
ENDED = 1_795_000_000_000


@pytest.fixture
async def make_memory() -> Make:
    async def make() -> Connections:
        return MemoryConnections()

    return make


@pytest.fixture
async def make_sqlite(tmp_path: Path) -> AsyncIterator[Make]:
    databases: list[Database] = []

    async def make() -> Connections:
        for former in databases:
            await former.close()
        databases[:] = [Database(tmp_path)]
        await databases[0].open()
        return SqliteConnections(databases[0])

    yield make
    for one in databases:
        await one.close()


@pytest.fixture
async def make_redis(redis: RedisServer) -> AsyncIterator[Make]:
    made: list[tuple[Link, RedisConnections]] = []

    async def make() -> Connections:
        options = Settings(redis=redis.url, redis_seconds=1)
        link = Link(options)
        await link.open()
        made.append((link, RedisConnections(link, Keys("test"), options)))
        return made[-1][1]

    yield make
    for link, registry in made:
        await registry.close()
        await link.close()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def make(request: pytest.FixtureRequest) -> Make:
    chosen: Make = request.getfixturevalue(f"make_{request.param}")
    return chosen


@pytest.fixture(params=["sqlite", "redis"])
def make_lasting(request: pytest.FixtureRequest) -> Make:
    """Registries that outlive their process."""
    chosen: Make = request.getfixturevalue(f"make_{request.param}")
    return chosen


@pytest.fixture
async def registry(make: Make) -> AsyncIterator[Connections]:
    one = await make()
    await one.join()
    yield one
    await one.close()


def record(registry: Connections, api_id: str = "chat", stage: str = "prod") -> ConnectionRecord:
    id = ids.connection_id(registry.own.node, ids.api_tag(api_id))
    principal = PrincipalRecord("user", {"tenant": "blå"}, {"caller": ""})
    return ConnectionRecord(id, api_id, stage, ENDED - 1000, "::1", None, "gw.example", "http://gw.example", principal)


async def everyone(
    registry: Connections, limit: int = 100, api_id: str | None = None, stage: str | None = None
) -> list[ConnectionRecord]:
    records: dict[str, ConnectionRecord] = {}
    cursor = ""
    while True:
        page = await registry.page(cursor, limit, api_id, stage)
        assert len({one.id for one in page.records}) == len(page.records), "doubles within a page"
        records |= {one.id: one for one in page.records}
        cursor = page.next
        if not cursor:
            return sorted(records.values(), key=lambda one: one.id)


async def owed(book: Book) -> dict[str, Departure]:
    return {one.connection.id: one async for one in book.departures()}


async def gone(registry: Connections, count: int = 0) -> None:
    """Return once `count` connections are left: `leave` does not wait for the store."""
    async with asyncio.timeout(5 * SLOWER):
        while len(await everyone(registry)) != count:
            await asyncio.sleep(0.001)


async def test_a_node_has_a_name_that_connection_ids_can_carry(registry: Connections):
    read = ids.read_connection_id(record(registry).id)
    assert read is not None
    assert read.node == registry.own.node
    assert not registry.own.lost


async def test_what_was_entered_is_in_the_registry_as_it_was(registry: Connections):
    entered = record(registry)
    assert await registry.own.enter(entered) is True
    assert await everyone(registry) == [entered]


async def test_whoever_leaves_is_forgotten_and_may_leave_again(registry: Connections):
    stays, leaves = record(registry), record(registry)
    await registry.own.enter(stays)
    await registry.own.enter(leaves)
    registry.own.leave(leaves.id)
    registry.own.leave(leaves.id)
    registry.own.leave(record(registry).id)
    await gone(registry, 1)
    assert await everyone(registry) == [stays]


async def test_one_that_leaves_before_its_entry_is_written_does_not_stay(registry: Connections):
    entering = record(registry)
    answer = registry.own.enter(entering)
    registry.own.leave(entering.id)
    await answer
    await registry.own.enter(last := record(registry))
    assert await everyone(registry) == [last]


async def test_a_connection_whose_disconnect_is_owed_is_not_open(registry: Connections):
    await registry.own.enter(ended := record(registry))
    registry.own.defer(Departure(ended, 1000, "bye", ENDED))
    await gone(registry)


async def test_pages_go_through_everyone_once(registry: Connections):
    some = [record(registry) for _ in range(57)]
    await asyncio.gather(*(registry.own.enter(one) for one in some))
    assert await everyone(registry, limit=10) == sorted(some, key=lambda one: one.id)


async def test_pages_hold_about_as_many_as_asked_for(registry: Connections):
    await asyncio.gather(*(registry.own.enter(record(registry)) for _ in range(2000)))
    page = await registry.page("", 100)
    assert 100 <= len(page.records) <= 250
    assert page.next


async def test_pages_can_be_of_one_api_or_stage(registry: Connections):
    chat, beta, shop = record(registry), record(registry, stage="beta"), record(registry, "shop")
    for one in (chat, beta, shop):
        await registry.own.enter(one)
    assert await everyone(registry, api_id="shop") == [shop]
    assert await everyone(registry, stage="beta") == [beta]
    assert await everyone(registry, api_id="chat", stage="prod") == [chat]
    assert await everyone(registry, api_id="none") == []


async def test_whoever_stays_is_found_though_others_come_and_go_between_pages(registry: Connections):
    stay = [record(registry) for _ in range(300)]
    go = [record(registry) for _ in range(300)]
    await asyncio.gather(*(registry.own.enter(one) for one in [*stay, *go]))
    found: set[str] = set()
    cursor = ""
    while True:
        page = await registry.page(cursor, 50)
        found |= {one.id for one in page.records}
        for one in go[:40]:
            registry.own.leave(one.id)
        go = go[40:]
        await registry.own.enter(record(registry))
        cursor = page.next
        if not cursor:
            break
    assert {one.id for one in stay} <= found


@pytest.mark.parametrize("cursor", ["zzzz", "-", "0000-x", "\x00", "a3f0-" + "9" * 30])
async def test_a_cursor_that_nobody_gave_out_breaks_nothing(registry: Connections, cursor: str):
    await registry.own.enter(record(registry))
    assert len((await registry.page(cursor, 10)).records) <= 1


async def test_a_closed_book_is_not_written_to(registry: Connections):
    book = registry.own
    await registry.close()
    assert book.lost
    assert await book.enter(record(registry)) is False
    book.leave("anything")
    book.defer(Departure(record(registry), 1000, "", ENDED))


async def test_a_header_with_bytes_that_are_no_text_does_not_stop_an_entry(registry: Connections):
    odd = ConnectionRecord(record(registry).id, "chat", "prod", 1, "::1", "agent \udce9", "gw", "http://gw")
    assert await registry.own.enter(odd)
    assert [one.id for one in await everyone(registry)] == [odd.id]


# ---- what outlives a process


async def test_what_is_still_owed_is_found_by_the_next_start(make_lasting: Make):
    first = await make_lasting()
    await first.join()
    open_, ended, told = record(first), record(first), record(first)
    for one in (open_, ended, told):
        await first.own.enter(one)
    deferred = Departure(ended, 4001, "because", ENDED, attempts=3)
    first.own.defer(deferred)
    first.own.leave(told.id)
    await first.close()

    second = await make_lasting()
    found: list[Book] = []
    second.on_orphaned = found.append
    await second.join()
    await until(lambda: found)
    assert found[0].node == first.own.node != second.own.node
    departures = await owed(found[0])
    assert set(departures) == {open_.id, ended.id}
    assert departures[ended.id] == deferred
    assert departures[open_.id].connection == open_
    assert departures[open_.id].code == 1006
    await second.close()


async def test_a_book_that_was_worked_through_is_not_found_again(make_lasting: Make):
    first = await make_lasting()
    await first.join()
    await first.own.enter(record(first))
    await first.close()

    second = await make_lasting()
    found: list[Book] = []
    second.on_orphaned = found.append
    await second.join()
    await until(lambda: found)
    for id in await owed(found[0]):
        found[0].leave(id)
    await found[0].close()
    await second.close()

    third = await make_lasting()
    third.on_orphaned = found.append
    await third.join()
    await third.own.enter(alone := record(third))
    assert await everyone(third) == [alone]
    await third.close()
    assert len(found) == 1


async def test_what_was_not_done_of_a_book_is_found_once_more(make_lasting: Make):
    first = await make_lasting()
    await first.join()
    some = [record(first) for _ in range(3)]
    for one in some:
        await first.own.enter(one)
    await first.close()

    second = await make_lasting()
    found: list[Book] = []
    second.on_orphaned = found.append
    await second.join()
    await until(lambda: found)
    tried = Departure(some[1], 1006, "Node lost", ENDED, attempts=1)
    found[0].leave(some[0].id)
    found[0].defer(tried)
    second.on_orphaned = lambda book: None
    await found[0].close()
    await second.close()

    third = await make_lasting()
    third.on_orphaned = found.append
    await third.join()
    await until(lambda: len(found) > 1)
    departures = await owed(found[1])
    assert set(departures) == {some[1].id, some[2].id}
    assert departures[some[1].id] == tried
    await third.close()


STEPS = st.lists(st.tuples(st.sampled_from(["enter", "leave", "defer"]), st.integers(0, 5)), max_size=40)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_a_book_says_what_the_last_word_was(registry: Connections, steps: list[tuple[str, int]]):
    some = [record(registry) for _ in range(6)]
    expected: dict[str, str] = {}
    for verb, which in steps:
        one = some[which]
        if verb == "enter":
            registry.own.enter(one)
        elif verb == "leave":
            registry.own.leave(one.id)
        else:
            registry.own.defer(Departure(one, 1001, "", ENDED))
        expected[one.id] = verb
    await registry.own.enter(last := record(registry))
    open_ = {id for id, verb in expected.items() if verb == "enter"}
    assert {one.id for one in await everyone(registry)} == open_ | {last.id}
    for one in [*some, last]:
        registry.own.leave(one.id)
    await gone(registry)
