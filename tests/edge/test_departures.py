"""`$disconnect` at least once: what its backend did not take comes again, with the same id, code and reason."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import pytest
from aiohttp import web

from tests.conftest import MakeGateway
from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway, api, http, mock, route
from tests.harness.until import until
from wsgw.definitions.route import Integration
from wsgw.errors import StoreUnavailable
from wsgw.ids import api_tag, connection_id
from wsgw.stores.ready import YES
from wsgw.stores.records import ConnectionRecord, Departure, PrincipalRecord

BYE = "/bye"


def event_id(request: Received) -> str:
    return request.header("Wsgw-Event-Id") or ""


def failing_first(backend: Backend, times: int, status: int) -> None:
    """The backend answers `status` this often, then takes what comes."""
    left = times

    def answer(request: Received) -> web.Response:
        nonlocal left
        left -= 1
        return web.Response(status=200 if left < 0 else status)

    backend.answer(BYE, answer)


def serve(gateway: TestGateway, backend: Backend) -> None:
    gateway.serve(route("$disconnect", http(backend.url + BYE)))


async def leave(gateway: TestGateway, code: int = 4005, reason: str = "done") -> str:
    """A client comes and goes; gives its connection id."""
    client = await gateway.connect()
    known = gateway.connections[-1].id
    await client.close(code, reason)
    return known


async def again(gateway: TestGateway, backend: Backend, count: int) -> list[Received]:
    """Let time pass until the backend has been asked `count` times."""
    for _ in range(200):
        if len(backend.got(BYE)) >= count:
            break
        gateway.advance(1)
        await asyncio.sleep(0.01)
    return await backend.wait_for(BYE, count)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_an_event_that_its_backend_did_not_take_comes_again_as_it_was(
    gateway: TestGateway, backend: Backend, status: int
):
    failing_first(backend, 2, status)
    serve(gateway, backend)
    known = await leave(gateway)
    first, second, third = await again(gateway, backend, 3)
    assert event_id(first) == event_id(second) == event_id(third) == f"{known}.disconnect"
    for request in (first, second, third):
        assert request.header("Wsgw-Disconnect-Code") == "4005"
        assert request.header("Wsgw-Disconnect-Reason") == "done"
        assert request.header("Wsgw-Connection-Id") == known
        assert request.header("Wsgw-Connected-At") == first.header("Wsgw-Connected-At")
    await until(lambda: gateway.app.departures.waiting == 0)
    assert gateway.app.departures.delivered == 1


async def test_an_event_comes_again_when_nobody_listened(gateway: TestGateway, backend: Backend, refused_port: int):
    gateway.serve(route("$disconnect", http(f"http://127.0.0.1:{refused_port}{BYE}")))
    known = await leave(gateway)
    await until(lambda: gateway.app.departures.waiting == 1)
    gateway.serve(route("$disconnect", http(backend.url + BYE)))
    (request,) = await again(gateway, backend, 1)
    assert event_id(request) == f"{known}.disconnect"


@pytest.mark.parametrize("status", [200, 204, 302, 400, 403, 404, 410])
async def test_what_a_backend_answers_otherwise_is_the_last_word(gateway: TestGateway, backend: Backend, status: int):
    backend.on(BYE, status)
    serve(gateway, backend)
    await leave(gateway)
    await backend.wait_for(BYE)
    await until(lambda: not gateway.app.node._drives)
    gateway.advance(30)
    assert gateway.app.departures.waiting == 0
    assert len(backend.got(BYE)) == 1


async def test_pauses_between_attempts_double_up_to_their_bound(make_gateway: MakeGateway, backend: Backend):
    gateway = await make_gateway(disconnect_backoff_seconds=4)
    gateway.clock.stand_still()
    backend.on(BYE, 500)
    serve(gateway, backend)
    await leave(gateway)
    await backend.wait_for(BYE)
    elapsed, seen = 0.0, [0.0]
    while len(seen) < 6:
        asked = len(backend.got(BYE))
        await until(lambda: gateway.app.departures._trying == 0 and gateway.app.departures.waiting == 1)
        gateway.advance(0.25)
        elapsed += 0.25
        if gateway.app.departures._trying:
            await backend.wait_for(BYE, asked + 1)
            seen.append(elapsed)
    pauses = [later - earlier for earlier, later in pairwise(seen)]
    for pause, most in zip(pauses, (1, 2, 4, 4, 4), strict=True):
        # Jitter takes up to half of it; the sweep is up to a quarter of a second late.
        assert most / 2 <= pause <= most + 0.5, pauses


async def test_a_backend_that_works_again_gets_all_that_waits_at_once(gateway: TestGateway, backend: Backend):
    backend.on(BYE, 503)
    serve(gateway, backend)
    known = {await leave(gateway) for _ in range(20)}
    await backend.wait_for(BYE, 20)
    for _ in range(4):
        gateway.advance(8)
        await until(lambda: gateway.app.departures._trying == 0)
    backend.requests.clear()
    backend.on(BYE, 200)
    known.add(await leave(gateway))
    # No time passes but the sweep's: what waited comes because the backend took another event.
    await until(lambda: gateway.app.departures.waiting == 0)
    assert {event_id(request) for request in backend.got(BYE)} == {f"{one}.disconnect" for one in known}


async def test_an_event_is_given_up_after_its_time_and_said_so(
    make_gateway: MakeGateway, backend: Backend, caplog: pytest.LogCaptureFixture
):
    gateway = await make_gateway(disconnect_retry_seconds=60)
    backend.on(BYE, 500)
    serve(gateway, backend)
    known = await leave(gateway)
    await backend.wait_for(BYE)
    with caplog.at_level(logging.ERROR, "wsgw.disconnect"):
        for _ in range(30):
            gateway.advance(16)
            await until(lambda: gateway.app.departures._trying == 0)
            if not gateway.app.departures.waiting:
                break
    assert gateway.app.departures.given_up == 1
    assert gateway.app.departures.waiting == 0
    assert any(known in record.getMessage() and "60 s" in record.getMessage() for record in caplog.records)
    assert b"wsgw_departures_given_up_total 1.0" in gateway.app.metrics.exposition()


async def test_the_oldest_is_given_up_where_too_many_wait(
    make_gateway: MakeGateway, backend: Backend, caplog: pytest.LogCaptureFixture
):
    gateway = await make_gateway(disconnect_queue=3)
    backend.on(BYE, 500)
    serve(gateway, backend)
    departures = gateway.app.departures
    known = []
    for number in range(5):
        known.append(await leave(gateway))
        await until(lambda number=number: departures.waiting + departures.given_up == number + 1)
        gateway.clock.added += 0.001
    assert gateway.app.departures.waiting == 3
    given_up = [record.getMessage() for record in caplog.records if "given up" in record.getMessage()]
    assert len(given_up) == 2
    assert known[0] in given_up[0]
    assert known[1] in given_up[1]
    await until(lambda: departures._trying == 0)
    backend.requests.clear()
    backend.on(BYE, 200)
    await again(gateway, backend, 3)
    await until(lambda: departures.waiting == 0)
    assert sorted(map(event_id, backend.got(BYE))) == sorted(f"{one}.disconnect" for one in known[2:])


async def test_nothing_is_tried_again_once_the_node_ends(gateway: TestGateway, backend: Backend):
    backend.on(BYE, 500)
    serve(gateway, backend)
    await leave(gateway)
    await backend.wait_for(BYE)
    await until(lambda: gateway.app.departures.waiting == 1)
    await gateway.app.departures.stop()
    gateway.advance(60)
    await until(lambda: not gateway.app.node._drives)
    assert len(backend.got(BYE)) == 1


async def test_nothing_is_tried_again_where_the_setting_says_so(make_gateway: MakeGateway, backend: Backend):
    gateway = await make_gateway(disconnect_retry_seconds=0)
    backend.on(BYE, 500)
    serve(gateway, backend)
    await leave(gateway)
    await until(lambda: gateway.app.departures.given_up == 1)
    assert gateway.app.departures.waiting == 0


async def test_what_can_never_be_sent_is_given_up_at_once(gateway: TestGateway, backend: Backend):
    broken = Integration(
        type="HTTP", uri=backend.url + BYE, request_templates={"text/x": "{}"}, passthrough_behavior="NEVER"
    )
    gateway.serve(route("$disconnect", broken))
    await leave(gateway)
    await until(lambda: gateway.app.departures.given_up == 1 or gateway.app.departures.waiting == 1)
    assert gateway.app.departures.given_up == 1


async def test_a_refused_handshake_owes_nothing(gateway: TestGateway, backend: Backend):
    backend.on("/connect", 403)
    backend.on(BYE, 500)
    gateway.serve(route("$connect", http(backend.url + "/connect")), route("$disconnect", http(backend.url + BYE)))
    with pytest.raises(Exception, match="403"):
        await gateway.connect()
    gateway.advance(60)
    assert backend.got(BYE) == []
    assert gateway.app.departures.waiting == 0


async def test_ten_thousand_that_are_answered_at_once_do_not_pile_up(gateway: TestGateway):
    gateway.serve(route("$disconnect", mock("")))
    book = FakeBook([record(number) for number in range(10_000)])
    gateway.app.departures.adopt(book)
    async with asyncio.timeout(30):
        await book.closed.wait()
    assert len(book.gone) == 10_000


# ---- the book of a dead node


class FakeBook:
    """A book that was taken over, with the failures that the test wants."""

    def __init__(self, records: list[ConnectionRecord], *owed: Departure) -> None:
        self.node = "dead"
        self.lost = False
        self.open = {one.id: one for one in records}
        self.owed = {one.connection.id: one for one in owed}
        self.gone: list[str] = []
        self.closed = asyncio.Event()
        self.fails_after: Callable[[int], bool] = lambda given: False

    def enter(self, record: ConnectionRecord) -> object:
        return YES

    def leave(self, connection_id: str) -> None:
        self.gone.append(connection_id)
        self.open.pop(connection_id, None)
        self.owed.pop(connection_id, None)

    def defer(self, departure: Departure) -> None:
        self.owed[departure.connection.id] = departure

    async def departures(self) -> AsyncIterator[Departure]:
        now = time.time_ns() // 1_000_000
        everything = [*self.owed.values(), *(Departure(one, 1006, "Node lost", now) for one in self.open.values())]
        for given, departure in enumerate(everything):
            if self.fails_after(given):
                raise StoreUnavailable("gone for a while")
            yield departure

    async def close(self) -> None:
        self.closed.set()


def record(number: int, stage: str = "prod") -> ConnectionRecord:
    known = connection_id("dead", api_tag("chat"))
    principal = PrincipalRecord("somebody", {"tier": "gold"}, {}) if number % 2 else None
    return ConnectionRecord(
        known, "chat", stage, 1_700_000_000_000 + number, "192.0.2.1", "agent", "gw", "http://gw", principal
    )


async def test_the_connections_of_a_dead_node_are_told_as_lost(gateway: TestGateway, backend: Backend):
    serve(gateway, backend)
    records = [record(number) for number in range(5)]
    owed = Departure(record(7), 4000, "moved on", 0, 1)
    book = FakeBook(records, owed)
    gateway.app.departures.adopt(book)
    await asyncio.wait_for(book.closed.wait(), 10)
    told = {event_id(request).removesuffix(".disconnect"): request for request in backend.got(BYE)}
    assert told.keys() == {one.id for one in records} | {owed.connection.id}
    assert sorted(book.gone) == sorted(told)
    for number, one in enumerate(records):
        request = told[one.id]
        assert request.header("Wsgw-Disconnect-Code") == "1006"
        assert request.header("Wsgw-Disconnect-Reason") == "Node lost"
        assert request.header("Wsgw-Connected-At") == str(one.connected_at)
        assert request.header("Wsgw-Source-Ip") == "192.0.2.1"
        assert request.header("Wsgw-Principal-Id") == ("somebody" if number % 2 else None)
    assert told[owed.connection.id].header("Wsgw-Disconnect-Code") == "4000"


async def test_a_dead_nodes_book_is_worked_through_although_its_backend_fails_at_first(
    gateway: TestGateway, backend: Backend
):
    failing_first(backend, 3, 500)
    serve(gateway, backend)
    book = FakeBook([record(number) for number in range(3)])
    gateway.app.departures.adopt(book)
    await again(gateway, backend, 6)
    await asyncio.wait_for(book.closed.wait(), 10)
    assert len(book.gone) == 3


async def test_a_store_that_is_away_for_a_moment_loses_nothing_of_a_dead_nodes_book(
    gateway: TestGateway, backend: Backend
):
    serve(gateway, backend)
    book = FakeBook([record(number) for number in range(6)])
    failures = iter([2, 3])
    limit = next(failures)

    def fails_after(given: int) -> bool:
        nonlocal limit
        if given < limit:
            return False
        limit = next(failures, 100)
        return True

    book.fails_after = fails_after
    gateway.app.departures.adopt(book)
    await asyncio.wait_for(book.closed.wait(), 15)
    assert len(book.gone) == len(set(book.gone)) == 6


async def test_a_book_that_another_node_takes_is_left_to_it(gateway: TestGateway, backend: Backend):
    backend.on(BYE, 500)
    serve(gateway, backend)
    book = FakeBook([record(number) for number in range(3)])
    gateway.app.departures.adopt(book)
    await backend.wait_for(BYE, 3)
    await until(lambda: gateway.app.departures._trying == 0)
    book.lost = True
    gateway.advance(30)
    await until(lambda: gateway.app.departures.waiting == 0 and gateway.app.departures.adopting == 0)
    assert not book.closed.is_set()
    assert book.gone == []


async def test_events_of_a_stage_that_is_not_deployed_wait_for_it(gateway: TestGateway, backend: Backend):
    serve(gateway, backend)
    book = FakeBook([ConnectionRecord(record(0).id, "later", "prod", 0, "", None, "", "")])
    gateway.app.departures.adopt(book)
    await until(lambda: gateway.app.departures.waiting == 1)
    gateway.deploy(api(route("$disconnect", http(backend.url + BYE)), id="later"))
    await again(gateway, backend, 1)
    await asyncio.wait_for(book.closed.wait(), 10)


async def test_no_more_go_out_at_once_than_the_setting_allows(make_gateway: MakeGateway, backend: Backend):
    gateway = await make_gateway(disconnect_concurrency=4)
    open_ = asyncio.Event()
    most = now = 0

    async def answer(request: Received) -> web.Response:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await open_.wait()
        now -= 1
        return web.Response()

    backend.answer(BYE, answer)
    serve(gateway, backend)
    book = FakeBook([record(number) for number in range(20)])
    gateway.app.departures.adopt(book)
    await backend.wait_for(BYE, 4)
    gateway.advance(1)
    open_.set()
    await asyncio.wait_for(book.closed.wait(), 10)
    assert most == 4
    assert len(backend.got(BYE)) == len(book.gone) == 20
    assert most == 4
    assert len(book.gone) == 20
