"""Backends at their worst, behind a gateway: the caller is told in time what failed, and nobody else notices.

Check R-11. A message gets an error frame and its connection stays; a handshake gets the status of the failure. Sources:
AWS WebSocket developer guide, "Integration responses"; statuses 504 and the words were recorded on the service.
"""

from __future__ import annotations

import asyncio
import json
import time
from math import inf
from typing import Any

import pytest

from tests.conftest import MakeGateway
from tests.harness import bad_backend as bad
from tests.harness.backend import Backend
from tests.harness.bad_backend import BEFORE_THE_HEAD, IN_THE_BODY
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.memory import resident
from tests.harness.pace import SLOWER
from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket

PING = route("ping", mock('{"pong":true}'), two_way=True)
NETWORK = "Internal server error"
TOO_LATE = "Endpoint request timed out"

#: What a backend does, and what its caller is told.
FAILURES: dict[str, tuple[bad.Behaviour | None, str]] = {
    **{name: (behaviour, TOO_LATE if kind == bad.TOO_LATE else NETWORK) for name, behaviour, kind in BEFORE_THE_HEAD},
    **{name: (behaviour, NETWORK) for name, behaviour in IN_THE_BODY},
}


def failures(*names: str) -> list[Any]:
    return [pytest.param(*FAILURES[name], id=name) for name in names]


def patience(message: str) -> int:
    """The timeout in milliseconds of a backend that fails like this: short where the failure is to be late."""
    return 200 if message == TOO_LATE else 5000


@pytest.fixture
def lanes() -> bool:
    """On: what a backend does is the same behind both doors, and the doors' answers are compared in test_doors.py."""
    return True


async def ping(client: RawWebSocket) -> None:
    await client.send_json({"action": "ping"})
    assert await client.receive_json() == {"pong": True}


@pytest.mark.parametrize(("behaviour", "message"), failures(*FAILURES))
async def test_a_message_gets_an_error_frame_in_time_and_its_connection_stays(
    make_gateway: MakeGateway, behaviour: bad.Behaviour | None, message: str
):
    gateway = await make_gateway(http_response_bytes=2**20)
    async with bad.running(behaviour) as (url, backend):
        gateway.serve(route("call", http(url, timeout_ms=patience(message)), two_way=True), PING)
        client = await gateway.connect()
        memory, began = resident(), time.perf_counter()
        await client.send_json({"action": "call"})
        refusal = await client.receive_json()
        assert time.perf_counter() - began < 3 * SLOWER
        assert refusal == {
            "message": message,
            "connectionId": gateway.connections[0].id,
            "requestId": refusal["requestId"],
        }
        assert resident() - memory < 32 * 2**20
        assert backend is None or backend.sent < 64 * 2**20
        await ping(client)
        await gateway.stop()


@pytest.mark.parametrize(("behaviour", "message"), failures(*FAILURES))
async def test_a_handshake_gets_504_in_time_and_no_connection_comes_of_it(
    make_gateway: MakeGateway, behaviour: bad.Behaviour | None, message: str
):
    gateway = await make_gateway(http_response_bytes=2**20)
    async with bad.running(behaviour) as (url, _):
        gateway.serve(route("$connect", http(url, timeout_ms=patience(message))), PING)
        began = time.perf_counter()
        with pytest.raises(HandshakeRefused) as refused:
            await gateway.connect()
        assert time.perf_counter() - began < 3 * SLOWER
        assert refused.value.response.status == 504
        assert json.loads(refused.value.response.body)["message"] == message
        assert gateway.connections == []
        await gateway.stop()


@pytest.mark.parametrize(("behaviour", "message"), failures("refuses", "hangs", "resets-at-once", "gigabyte"))
async def test_a_disconnect_that_nobody_takes_ends_all_the_same(
    make_gateway: MakeGateway, behaviour: bad.Behaviour | None, message: str
):
    gateway = await make_gateway(http_response_bytes=2**20)
    async with bad.running(behaviour) as (url, backend):
        gateway.serve(route("$disconnect", http(url, timeout_ms=patience(message))), PING)
        client = await gateway.connect()
        await client.close()
        other = await gateway.connect()
        await ping(other)
        assert await gateway.stop() == 0
        assert backend is None or backend.connections == 2, "one for each of the two clients"


async def test_a_backend_that_always_says_500_is_heard_and_its_circuit_stays_closed(
    make_gateway: MakeGateway, backend: Backend
):
    gateway = await make_gateway(circuit_failures=3)
    backend.on("/call", 500, "broken")
    gateway.serve(
        route("call", http(f"{backend.url}/call"), two_way=True), route("tell", http(f"{backend.url}/call")), PING
    )
    client = await gateway.connect()
    for _ in range(10):
        await client.send_json({"action": "call"})
        assert await client.receive() == b"broken"
    await client.send_json({"action": "tell"})
    await ping(client)
    assert len(backend.got("/call")) == 11


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 429, 500, 503])
async def test_a_handshake_gets_the_status_and_body_of_its_backend(gateway: TestGateway, backend: Backend, status: int):
    backend.on("/connect", status, "because", {"X-Why": "so", "Location": "http://elsewhere.example/"})
    gateway.serve(route("$connect", http(f"{backend.url}/connect")), PING)
    with pytest.raises(HandshakeRefused) as refused:
        await gateway.connect()
    response = refused.value.response
    assert (response.status, response.body, response.header("x-why")) == (status, b"because", "so")


@pytest.mark.parametrize(("behaviour", "message"), failures("resets-at-once", "hangs", "resets-mid-answer"))
async def test_a_circuit_opens_and_spares_the_backend_and_the_callers_time(
    make_gateway: MakeGateway, behaviour: bad.Behaviour, message: str
):
    gateway = await make_gateway(circuit_failures=5)
    async with bad.running(behaviour) as (url, backend), bad.bad_backend(bad.echo) as good:
        gateway.serve(
            route("call", http(url, timeout_ms=patience(message)), two_way=True),
            route("other", http(good.url), two_way=True),
        )
        client = await gateway.connect()
        for _ in range(5):
            await client.send_json({"action": "call"})
            assert (await client.receive_json())["message"] == message
        message = NETWORK
        assert backend is not None
        (circuit,) = [host.circuit for host in gateway.app._pool._hosts.values() if host.circuit.opened]
        circuit._retry_at = inf  # No probe, however long this takes.
        before = backend.connections
        for _ in range(50):
            await client.send_json({"action": "call"})
            assert (await client.receive_json())["message"] == message
        assert backend.connections == before
        await client.send_json({"action": "other"})
        assert await client.receive_json() == {"action": "other"}
        await gateway.stop()


async def test_a_backend_that_recovers_is_called_again(make_gateway: MakeGateway):
    gateway = await make_gateway(circuit_failures=2)

    async def recovering(exchange: bad.Exchange) -> None:
        if exchange.number <= 2:
            exchange.reset()
        else:
            await bad.echo(exchange)

    async with bad.bad_backend(recovering) as backend:
        gateway.serve(route("call", http(backend.url), two_way=True))
        client = await gateway.connect()
        answers = []
        async with asyncio.timeout(5 * SLOWER):
            while not answers or "message" in answers[-1]:
                await client.send_json({"action": "call"})
                answers.append(await client.receive_json())
        assert answers[-1] == {"action": "call"}
        assert [answer["message"] for answer in answers[:2]] == [NETWORK] * 2
        await gateway.stop()


async def test_two_hundred_calls_that_hang_do_not_slow_down_other_routes(make_gateway: MakeGateway):
    gateway = await make_gateway(http_connections_per_host=64)
    async with bad.bad_backend(bad.hang) as backend, bad.bad_backend(bad.echo) as good:
        gateway.serve(
            route("call", http(backend.url, timeout_ms=800), two_way=True),
            route("other", http(good.url), two_way=True),
            PING,
        )
        stuck = [await gateway.connect() for _ in range(200)]
        for client in stuck:
            await client.send_json({"action": "call"})
        free = await gateway.connect()
        took = []
        for _ in range(100):
            began = time.perf_counter()
            await free.send_json({"action": "other"})
            assert await free.receive_json() == {"action": "other"}
            took.append(time.perf_counter() - began)
        # Who waited for the calls that hang would wait as long as they do. What holds up the machine is none of theirs.
        assert sorted(took)[-3] < 0.5
        for client in stuck:
            # Once the circuit has opened, it says that rather than how long it took.
            assert (await client.receive_json())["message"] in (TOO_LATE, NETWORK)
        await gateway.stop()


async def test_an_answer_beyond_the_message_limit_closes_the_connection_1009(gateway: TestGateway, backend: Backend):
    backend.on("/call", 200, b"x" * 131_073)
    backend.on("/just", 200, b"x" * 131_072)
    gateway.serve(
        route("call", http(f"{backend.url}/call"), two_way=True),
        route("just", http(f"{backend.url}/just"), two_way=True),
    )
    client = await gateway.connect()
    await client.send_json({"action": "just"})
    assert await client.receive() == b"x" * 131_072
    await client.send_json({"action": "call"})
    assert await client.receive_close() == (1009, "Message too big")


NO_TEXT = [("not-utf-8", b"\xff\xfe", "��"), ("half-a-character", b"caf\xc3", "caf�"), ("nul", b"a\0b", "a\0b")]


@pytest.mark.parametrize(("body", "text"), [pytest.param(body, text, id=name) for name, body, text in NO_TEXT])
async def test_an_answer_that_is_no_text_is_sent_as_valid_text(
    gateway: TestGateway, backend: Backend, body: bytes, text: str
):
    backend.on("/call", 200, body)
    gateway.serve(route("call", http(f"{backend.url}/call"), two_way=True))
    client = await gateway.connect()
    await client.send_json({"action": "call"})
    assert await client.receive_text() == text
