"""Clients that do not read: what is pushed to them is bounded, answered truthfully, and no trouble to others (R-10)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.events import RECORDER, Recorder
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.machine_lag import MachineLag
from tests.harness.management import manage
from tests.harness.memory import resident
from tests.harness.raw_websocket import PING, RawWebSocket, Response
from tests.harness.until import until
from wsgw.edge.connection import Connection
from wsgw.errors import LimitExceeded

OUTBOX = 65_536
SIZE = 16_384
TOO_SLOW = (1013, "Client reads too slowly")
ECHO = route("ping", mock("pong"), two_way=True)
DISCONNECT = route("$disconnect", RECORDER)


async def served(make_gateway: MakeGateway, **settings: Any) -> tuple[TestGateway, Recorder]:
    gateway = await make_gateway(outbox_bytes=OUTBOX, stall_seconds=10, close_seconds=5, **settings)
    gateway.clock.stand_still()
    recorder = Recorder()
    recorder.serve(gateway, DISCONNECT, ECHO)
    return gateway, recorder


async def slow_client(gateway: TestGateway) -> tuple[RawWebSocket, Connection]:
    """A client that reads nothing unless the test reads from it, and the gateway's side of it."""
    known = set(gateway.connections)
    client = await gateway.connect(limit=1024, receive_buffer=4096)
    (connection,) = set(gateway.connections) - known
    return client, connection


def waiting_bytes(connection: Connection) -> int:
    return connection.transport.get_write_buffer_size() if connection.transport is not None else 0


class Pusher:
    """Posts numbered messages to one connection, and keeps the answers in the order of the posts."""

    def __init__(self, gateway: TestGateway, connection: Connection) -> None:
        self._gateway = gateway
        self._connection = connection
        self.posts: list[asyncio.Task[Response]] = []

    async def post(self) -> asyncio.Task[Response]:
        """Post one more; returns when it is answered, or waits in the outbox."""
        body = f"{len(self.posts):06}".encode().ljust(SIZE, b".")
        before = waiting_bytes(self._connection)
        post = asyncio.create_task(manage(self._gateway, "POST", self._connection.id, body))
        self.posts.append(post)
        await until(lambda: post.done() or waiting_bytes(self._connection) > before)
        return post

    async def fill(self) -> int:
        """Post until one waits; gives how many were answered at once."""
        for count in range(2000):
            post = await self.post()
            if not post.done():
                return count
            assert post.result().status == 200
        raise AssertionError("the client's socket took everything")

    async def overfill(self) -> None:
        """Post until one is refused, the outbox being full."""
        await self.fill()
        while not (await self.post()).done():
            assert waiting_bytes(self._connection) <= OUTBOX + SIZE

    async def statuses(self) -> list[int]:
        return [(await asyncio.wait_for(post, 5)).status for post in self.posts]


async def numbers_until(client: RawWebSocket, last: int) -> list[int]:
    """Read messages of a Pusher up to the one with the number `last`."""
    numbers: list[int] = []
    while not numbers or numbers[-1] != last:
        numbers.append(int((await client.receive())[:6]))
    return numbers


async def test_a_full_outbox_is_429_and_all_that_was_answered_200_arrives_and_nothing_else(make_gateway: MakeGateway):
    gateway, _ = await served(make_gateway)
    client, connection = await slow_client(gateway)
    pusher = Pusher(gateway, connection)
    await pusher.overfill()
    refused = await pusher.posts[-1]
    assert refused.status == 429
    assert refused.header("x-amzn-errortype") == "LimitExceededException"
    # What waits is not answered: it is not on the socket yet.
    waiting = [post for post in pusher.posts if not post.done()]
    assert 2 <= len(waiting) <= OUTBOX // SIZE + 1
    assert waiting_bytes(connection) <= OUTBOX + SIZE
    last = len(pusher.posts) - 2
    received = await numbers_until(client, last)
    assert await pusher.statuses() == [200] * (last + 1) + [429]
    assert received == list(range(last + 1))
    # It reads again: it is a client as any other.
    post = await pusher.post()
    assert (await post).status == 200
    assert await numbers_until(client, last + 2) == [last + 2]


async def test_a_post_waits_for_a_client_that_reads_slowly(make_gateway: MakeGateway):
    gateway, _ = await served(make_gateway)
    client, connection = await slow_client(gateway)
    pusher = Pusher(gateway, connection)
    at_once = await pusher.fill()
    (waiting,) = [post for post in pusher.posts if not post.done()]
    gateway.advance(9)
    assert not waiting.done()
    assert await numbers_until(client, at_once) == list(range(at_once + 1))
    assert (await asyncio.wait_for(waiting, 5)).status == 200
    # The clock of its stalling has stopped.
    gateway.advance(9)
    assert gateway.connections == [connection]


async def reset(gateway: TestGateway, client: RawWebSocket) -> None:
    client.reset()


async def stalls(gateway: TestGateway, client: RawWebSocket) -> None:
    """Closed for stalling, then dropped, for it doesn't read the close frame either."""
    gateway.advance(10.3)
    gateway.advance(5.3)


@pytest.mark.parametrize("end", [reset, stalls])
async def test_a_post_that_waits_for_a_client_that_goes_is_410(make_gateway: MakeGateway, end: Any):
    gateway, recorder = await served(make_gateway)
    client, connection = await slow_client(gateway)
    pusher = Pusher(gateway, connection)
    at_once = await pusher.fill()
    await pusher.post()
    await end(gateway, client)
    assert await pusher.statuses() == [200] * at_once + [410, 410]
    assert (await recorder.wait_for_endings())[0][0] == (1013 if end is stalls else 1006)


async def test_a_client_that_stalls_is_closed_1013_which_it_sees_when_it_reads_again(make_gateway: MakeGateway):
    gateway, recorder = await served(make_gateway)
    client, connection = await slow_client(gateway)
    pusher = Pusher(gateway, connection)
    at_once = await pusher.fill()
    gateway.advance(9.5)
    assert gateway.connections == [connection]
    gateway.advance(0.8)
    assert gateway.connections == []
    assert (await manage(gateway, "POST", connection.id, b"late")).status == 410
    assert await client.receive_close() == TOO_SLOW
    # What waited has gone out before the close frame, and its sender is told so.
    assert await pusher.statuses() == [200] * (at_once + 1)
    await client.send_close(1013)
    await client.receive_eof()
    await client.drop()
    assert await recorder.wait_for_endings() == [TOO_SLOW]


async def test_a_client_that_stalls_for_good_is_dropped_and_told_once(make_gateway: MakeGateway):
    gateway, recorder = await served(make_gateway)
    _, connection = await slow_client(gateway)
    await Pusher(gateway, connection).fill()
    gateway.advance(10.3)
    gateway.advance(5.3)
    assert await recorder.wait_for_endings() == [TOO_SLOW]
    gateway.advance(700)
    assert recorder.events == recorder.of_type("DISCONNECT")
    assert len(recorder.events) == 1


async def test_answers_to_a_client_that_does_not_read_are_dropped_when_its_outbox_is_full(
    make_gateway: MakeGateway, backend: Backend
):
    gateway = await make_gateway(outbox_bytes=OUTBOX)
    backend.on("/large", body=b"x" * SIZE)
    gateway.serve(route("$default", http(f"{backend.url}/large"), two_way=True))
    client, connection = await slow_client(gateway)
    most = 0
    for count in range(1, 600):
        await client.send_text("more")
        await backend.wait_for("/large", count)
        await until(lambda: not connection._running)
        most = max(most, waiting_bytes(connection))
    assert OUTBOX - SIZE < most <= OUTBOX + SIZE
    assert gateway.connections == [connection]


async def test_a_client_that_floods_pings_and_reads_no_pongs_fills_nothing(make_gateway: MakeGateway):
    gateway, _ = await served(make_gateway)
    client, connection = await slow_client(gateway)
    await Pusher(gateway, connection).fill()
    before = waiting_bytes(connection)
    for _ in range(150):
        heard = connection.heard_at
        await client.send_frame(PING, b"x" * 125)
        await until(lambda heard=heard: connection.heard_at > heard)
    assert waiting_bytes(connection) == before


@pytest.mark.parametrize("count", [50, pytest.param(485, marks=pytest.mark.slow)])
async def test_good_clients_do_not_notice_those_that_never_read(make_gateway: MakeGateway, count: int):
    gateway, recorder = await served(make_gateway)
    good = [await gateway.connect() for _ in range(count)]
    homes = gateway.connections
    alone = [await round_trip(client) for client in good for _ in range(4)]
    slow = [await slow_client(gateway) for _ in range(10)]
    push = gateway.app.push
    before = resident()
    refused = 0
    beside = []
    with MachineLag() as machine:
        for turn in range(200):
            for _, connection in slow:
                try:
                    push.send(connection, b"x" * 100_000)
                except LimitExceeded:
                    refused += 1
            beside.append(await round_trip(good[turn % len(good)]))
    assert refused > 1000
    assert resident() - before < len(slow) * (OUTBOX + 100_000) + 10_000_000
    for client, connection in zip(good, homes, strict=True):
        assert push.send(connection, b"well")
        assert await client.receive() == b"well"
    # Generous, for machines that do other things meanwhile: one that waited for a slow client would take seconds.
    assert sorted(beside)[-2] < sorted(alone)[-2] + 0.25 + machine.worst
    gateway.advance(10.3)
    assert set(gateway.connections) == set(homes)
    gateway.advance(5.3)
    assert await recorder.wait_for_endings(len(slow)) == [TOO_SLOW] * len(slow)
    await round_trip(good[0])


async def round_trip(client: RawWebSocket) -> float:
    began = time.perf_counter()
    await client.send_json({"action": "ping"})
    assert await client.receive_text() == "pong"
    return time.perf_counter() - began
