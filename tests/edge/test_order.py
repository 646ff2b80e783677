"""Messages of one connection: in order, one at a time by default, as many at once as the stage says, and bounded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway, http, route
from tests.harness.raw_websocket import TEXT, WAIT, RawWebSocket, client_frame, handshake, open_socket
from tests.harness.until import until
from wsgw.definitions.api import Stage, StageLimits


class Gated:
    """A backend path whose requests wait until the test lets each of them go."""

    def __init__(self, backend: Backend, path: str = "/gated") -> None:
        self._backend = backend
        self._path = path
        self._gates: dict[str, asyncio.Event] = {}
        self.url = backend.url + path
        self.running: set[str] = set()
        self.most = 0
        backend.answer(path, self._answer)

    async def _answer(self, request: Received) -> Any:
        self.running.add(request.text)
        self.most = max(self.most, len(self.running))
        await self._gate(request.text).wait()
        self.running.discard(request.text)
        return self._backend.nothing(request.body)

    def _gate(self, text: str) -> asyncio.Event:
        return self._gates.setdefault(text, asyncio.Event())

    def let_go(self, *texts: str) -> None:
        for text in texts:
            self._gate(text).set()

    async def arrived(self, count: int) -> list[str]:
        """The messages that have come, as soon as there are `count`."""
        return [request.text for request in await self._backend.wait_for(self._path, count)]


@pytest.fixture
def gated(backend: Backend) -> Gated:
    return Gated(backend)


def serve(gateway: TestGateway, url: str, concurrency: int = 1, **limits: Any) -> None:
    stage = Stage(name="prod", concurrency=concurrency, limits=StageLimits(**limits))
    gateway.serve(route("$default", http(url), two_way=True), stage=stage)


async def settled(gateway: TestGateway, running: int, waiting: int) -> None:
    """The only connection has so many messages running, and so many that wait."""
    (connection,) = gateway.connections
    await until(lambda: (connection._running, len(connection.inbox or ())) == (running, waiting))


async def test_messages_are_answered_in_order_however_long_each_takes(gateway: TestGateway, backend: Backend):
    texts = [str(number) for number in range(20)]
    running: list[str] = []
    most = 0

    async def answer(request: Received) -> Any:
        nonlocal most
        running.append(request.text)
        most = max(most, len(running))
        await asyncio.sleep(0.02 if int(request.text) % 5 == 0 else 0)
        running.remove(request.text)
        return backend.nothing(request.body)

    backend.answer("/uneven", answer)
    serve(gateway, f"{backend.url}/uneven")
    client = await gateway.connect()
    await client.send(b"".join(client_frame(TEXT, text.encode()) for text in texts))
    assert [await client.receive_text() for _ in texts] == texts
    assert [request.text for request in backend.got("/uneven")] == texts
    assert most == 1


async def test_the_next_message_waits_until_the_one_before_is_answered(gateway: TestGateway, gated: Gated):
    serve(gateway, gated.url)
    client = await gateway.connect()
    for text in "abc":
        await client.send_text(text)
    await settled(gateway, running=1, waiting=2)
    assert await gated.arrived(1) == ["a"]
    gated.let_go("b", "c")
    await settled(gateway, running=1, waiting=2)
    assert await gated.arrived(1) == ["a"]
    gated.let_go("a")
    assert [await client.receive_text() for _ in "abc"] == ["a", "b", "c"]
    assert gated.most == 1


async def test_a_message_that_fails_does_not_hold_up_the_next(gateway: TestGateway, backend: Backend):
    texts = [str(number) for number in range(6)]

    async def answer(request: Received) -> Any:
        if int(request.text) % 2:
            raise ConnectionResetError
        return backend.nothing(request.body)

    backend.answer("/flaky", answer)
    serve(gateway, f"{backend.url}/flaky")
    client = await gateway.connect()
    for text in texts:
        await client.send_text(text)
    backend_failed = [text for text in texts if int(text) % 2]
    answers = [await client.receive_text() for _ in texts]
    assert [text if text in texts else "failed" for text in answers] == [
        "failed" if text in backend_failed else text for text in texts
    ]


async def test_three_at_once_overlap_and_the_fourth_waits(gateway: TestGateway, gated: Gated):
    serve(gateway, gated.url, concurrency=3)
    client = await gateway.connect()
    for text in "abcde":
        await client.send_text(text)
    await settled(gateway, running=3, waiting=2)
    assert sorted(await gated.arrived(3)) == ["a", "b", "c"]
    gated.let_go("c")
    assert await client.receive_text() == "c"
    assert await gated.arrived(4)
    assert gated.running == {"a", "b", "d"}
    gated.let_go("b", "d", "e")
    assert sorted([await client.receive_text() for _ in range(3)]) == ["b", "d", "e"]
    gated.let_go("a")
    assert await client.receive_text() == "a"
    assert gated.most == 3
    await settled(gateway, running=0, waiting=0)


async def test_connections_do_not_wait_for_each_other(gateway: TestGateway, gated: Gated):
    serve(gateway, gated.url)
    slow, quick = await gateway.connect(), await gateway.connect()
    await slow.send_text("slow")
    await gated.arrived(1)
    gated.let_go("quick")
    await quick.send_text("quick")
    assert await quick.receive_text() == "quick"
    assert gated.running == {"slow"}
    gated.let_go("slow")
    assert await slow.receive_text() == "slow"


async def test_a_deployment_with_more_concurrency_reaches_connections_that_are_open(gateway: TestGateway, gated: Gated):
    serve(gateway, gated.url)
    client = await gateway.connect()
    await client.send_text("a")
    await gated.arrived(1)
    serve(gateway, gated.url, concurrency=2)
    await client.send_text("b")
    assert sorted(await gated.arrived(2)) == ["a", "b"]
    gated.let_go("a", "b")
    assert sorted([await client.receive_text() for _ in range(2)]) == ["a", "b"]


async def test_a_message_sent_before_the_101_comes_after_connect(gateway: TestGateway, backend: Backend):
    let_in = asyncio.Event()

    async def connect(request: Received) -> Any:
        await let_in.wait()
        return backend.nothing()

    backend.answer("/connect", connect)
    backend.echo("/echo")
    gateway.serve(
        route("$connect", http(f"{backend.url}/connect")), route("$default", http(f"{backend.url}/echo"), two_way=True)
    )
    async with await open_socket(gateway.url) as socket:
        early = client_frame(TEXT, b"first") + client_frame(TEXT, b"second")
        await socket.send(handshake("/prod", "localhost", key="AAAAAAAAAAAAAAAAAAAAAA==") + early)
        await backend.wait_for("/connect")
        await socket.send(client_frame(TEXT, b"third"))
        assert backend.got("/echo") == []
        let_in.set()
        response = await socket.receive_response()
        assert response.status == 101
        client = RawWebSocket(socket, response)
        assert [await client.receive_text() for _ in range(3)] == ["first", "second", "third"]


# ---- the inbox


async def test_a_full_inbox_pauses_reading_until_half_of_it_is_answered(make_gateway: MakeGateway, gated: Gated):
    gateway = await make_gateway(inbox_messages=4)
    serve(gateway, gated.url)
    client = await gateway.connect()
    (connection,) = gateway.connections
    transport = connection.transport
    assert transport is not None
    for number in range(5):
        assert transport.is_reading()
        await client.send_text(str(number))
        await settled(gateway, running=1, waiting=number)
    assert not transport.is_reading()
    await client.send_text("5")
    gated.let_go("0")
    await settled(gateway, running=1, waiting=3)
    assert not transport.is_reading()
    gated.let_go("1")
    # Two of four wait: reading goes on, and what the client has sent meanwhile comes in.
    await until(transport.is_reading)
    await settled(gateway, running=1, waiting=3)
    gated.let_go("2", "3", "4", "5")
    assert [await client.receive_text() for _ in range(6)] == list("012345")


@pytest.mark.parametrize("inbox", [1, 2, 5, 32])
async def test_a_client_faster_than_its_backend_waits_and_loses_nothing(
    make_gateway: MakeGateway, gated: Gated, inbox: int
):
    gateway = await make_gateway(inbox_messages=inbox)
    serve(gateway, gated.url, message_bytes=200_000, frame_bytes=0)
    client = await gateway.connect()
    (connection,) = gateway.connections
    texts = [f"{number:06}" + "x" * 100_000 for number in range(150)]
    sending = asyncio.create_task(send_all(client, texts))
    transport = connection.transport
    assert transport is not None
    await until(lambda: not transport.is_reading())
    # The kernel's buffers are full as well: the client waits, and here is no more than was said.
    await asyncio.wait([sending], timeout=0.05)
    assert not sending.done()
    # One read may bring some more than there is room for; it is of 256 KiB at most.
    assert len(connection.inbox or ()) <= inbox + 3
    gated.let_go(*texts)
    assert [await client.receive_text() for _ in texts] == texts
    await asyncio.wait_for(sending, WAIT)
    assert gated.most == 1


async def send_all(client: RawWebSocket, texts: list[str]) -> None:
    for text in texts:
        await client.send_text(text)


async def test_a_paused_connection_can_be_deleted_and_ends_cleanly(make_gateway: MakeGateway, gated: Gated):
    gateway = await make_gateway(inbox_messages=1)
    serve(gateway, gated.url)
    client = await gateway.connect()
    (connection,) = gateway.connections
    for text in "ab":
        await client.send_text(text)
    await settled(gateway, running=1, waiting=1)
    await client.send_text("c")
    connection.end_normally()
    # What the client had sent before it read the close frame is dropped; its answer to it is seen.
    assert await client.receive_close() == (1000, "Connection Closed Normally")
    await client.send_close(1000)
    await client.receive_eof()
    await client.drop()
    await until(lambda: connection.lost)
    gated.let_go("a", "b")
    assert await gated.arrived(2) == ["a", "b"]
