"""How connections end: the close frame that the client sees, what `$disconnect` says, and that it says it once.

Codes and reasons were recorded on the service, or are its users' reports; where nothing is known of it (1002, 1006,
1007), RFC 6455 gives the code and the reason is ours. Source: developer guide, "Manage disconnected clients".
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import unquote

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend, Received
from tests.harness.events import RECORDER, Recorder
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.management import manage
from tests.harness.raw_websocket import BINARY, CLOSE, PING, TEXT, HandshakeRefused, RawWebSocket, client_frame
from tests.harness.until import until
from wsgw.definitions.api import Stage, StageLimits

GOING_AWAY = (1001, "Going away")
CLOSED_NORMALLY = (1000, "Connection Closed Normally")
LOST = (1006, "Connection lost")
#: What `receive_close` gives where no close frame came.
NONE = (1006, "")

FOREVER = Stage(name="prod", limits=StageLimits(idle_seconds=0))
Ending = Callable[[TestGateway, RawWebSocket], Awaitable[object]]
DISCONNECT = route("$disconnect", RECORDER)


def closed_with(code: int | None, reason: str = "") -> Ending:
    return lambda gateway, client: client.send_close(code, reason)


def time_passes(seconds: float) -> Ending:
    async def end(gateway: TestGateway, client: RawWebSocket) -> None:
        gateway.advance(seconds)

    return end


def sent(*frames: bytes) -> Ending:
    return lambda gateway, client: client.send(b"".join(frames))


async def deleted(gateway: TestGateway, client: RawWebSocket) -> None:
    assert (await manage(gateway, "DELETE", gateway.connections[0].id)).status == 204


async def dropped(gateway: TestGateway, client: RawWebSocket) -> None:
    client.writer.write_eof()


async def reset(gateway: TestGateway, client: RawWebSocket) -> None:
    reset_now(client)


def reset_now(client: RawWebSocket) -> None:
    """End with a TCP reset."""
    sock = client.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.reset()


async def answered_too_much(gateway: TestGateway, client: RawWebSocket) -> None:
    await client.send_json({"action": "large"})


@pytest.fixture
async def recorder() -> Recorder:
    return Recorder()


#: How it ends, the close frame that the client gets, what `$disconnect` says if that is something else.
ENDINGS = [
    pytest.param(closed_with(4001, "bye"), (4001, "bye"), None, id="client-code-and-reason"),
    pytest.param(closed_with(1000, "é∑"), (1000, "é∑"), None, id="client-reason-beyond-ascii"),
    pytest.param(closed_with(1001), (1001, ""), None, id="browser-tab-closed"),
    pytest.param(closed_with(1000, "x" * 123), (1000, "x" * 123), None, id="client-longest-reason"),
    pytest.param(
        closed_with(None), (1005, ""), (1005, "Client-side close frame status not set"), id="client-without-a-code"
    ),
    pytest.param(time_passes(601), GOING_AWAY, None, id="idle"),
    pytest.param(deleted, CLOSED_NORMALLY, None, id="deleted"),
    pytest.param(dropped, NONE, LOST, id="tcp-closed-without-a-word"),
    pytest.param(reset, NONE, LOST, id="tcp-reset"),
    pytest.param(sent(client_frame(BINARY, b"\0")), (1003, "Binary is not supported"), None, id="binary"),
    pytest.param(sent(client_frame(TEXT, b"x" * 32_769)), (1009, "Frame too big"), None, id="frame-too-big"),
    pytest.param(
        sent(*(client_frame(0 if at else TEXT, b"x" * 32_768, fin=False) for at in range(5))),
        (1009, "Message too big"),
        None,
        id="message-too-big",
    ),
    pytest.param(answered_too_much, (1009, "Message too big"), None, id="answer-too-big"),
    pytest.param(sent(client_frame(TEXT, b"\xff")), (1007, "Invalid UTF-8"), None, id="invalid-utf-8"),
    pytest.param(sent(client_frame(CLOSE, b"\3\xe8\xff")), (1007, "Invalid UTF-8"), None, id="invalid-close-reason"),
    pytest.param(sent(client_frame(TEXT, b"x", mask=None)), (1002, "Frame without mask"), None, id="not-masked"),
    pytest.param(sent(client_frame(CLOSE, b"\3\xee")), (1002, "Invalid close code"), None, id="close-code-1006-sent"),
]


@pytest.mark.parametrize(("end", "frame", "event"), ENDINGS)
async def test_a_connection_ends_with_this_close_frame_and_disconnect_event(
    gateway: TestGateway,
    backend: Backend,
    recorder: Recorder,
    end: Ending,
    frame: tuple[int, str],
    event: tuple[int, str] | None,
):
    backend.on("/large", body=b"x" * 131_073)
    recorder.serve(gateway, DISCONNECT, route("large", http(f"{backend.url}/large"), two_way=True))
    client = await gateway.connect()
    (connection,) = gateway.connections
    await end(gateway, client)
    if not client.writer.is_closing():
        assert await client.receive_close() == frame
        if frame != NONE:
            await client.send_close(1000)
        await client.receive_eof()
        await client.drop()
    assert await recorder.wait_for_endings() == [event or frame]
    assert gateway.connections == []
    assert connection.slot.connections == 0
    assert (await manage(gateway, "POST", connection.id, b"late")).status == 410
    await nothing_more_is_told(gateway, recorder)


async def nothing_more_is_told(gateway: TestGateway, recorder: Recorder, count: int = 1) -> None:
    """Another connection comes and goes: whatever was on its way by then has been told."""
    gateway.advance(30)
    await (await gateway.connect()).close(4999)
    endings = await recorder.wait_for_endings(count + 1)
    assert len(endings) == count + 1
    assert endings[-1] == (4999, "")


async def test_two_hours_end_a_connection_however_busy_it_is(gateway: TestGateway, recorder: Recorder):
    gateway.clock.stand_still()
    recorder.serve(gateway, DISCONNECT, route("ping", mock("pong"), two_way=True))
    client = await gateway.connect()
    for _ in range(12):
        gateway.advance(599)
        await client.send_json({"action": "ping"})
        assert await client.receive_text() == "pong"
    gateway.advance(7200.3 - 12 * 599)
    assert gateway.connections == []
    assert await client.receive_close() == GOING_AWAY
    await client.drop()
    assert await recorder.wait_for_endings() == [GOING_AWAY]


# ---- once


async def closes_while_it_is_deleted(gateway: TestGateway, client: RawWebSocket) -> None:
    gateway.connections[0].end_normally()
    await client.send_close(4000)
    await client.receive_close()
    await client.drop()


async def deleted_twice(gateway: TestGateway, client: RawWebSocket) -> None:
    (connection,) = gateway.connections
    assert (await manage(gateway, "DELETE", connection.id)).status == 204
    assert (await manage(gateway, "DELETE", connection.id)).status == 410
    await client.receive_close()
    await client.drop()


async def closes_and_resets(gateway: TestGateway, client: RawWebSocket) -> None:
    await client.send_close(1000)
    await client.receive_close()
    reset_now(client)


async def resets_while_it_is_deleted(gateway: TestGateway, client: RawWebSocket) -> None:
    gateway.connections[0].end_normally()
    reset_now(client)


async def closes_twice(gateway: TestGateway, client: RawWebSocket) -> None:
    await client.send(client_frame(CLOSE, b"\3\xe8") + client_frame(CLOSE, b"\3\xe9"))
    await client.receive_close()
    await client.drop()


async def fails_while_it_is_idle(gateway: TestGateway, client: RawWebSocket) -> None:
    gateway.advance(601)
    await client.send(client_frame(TEXT, b"x", mask=None))
    await client.receive_close()
    await client.drop()


async def never_answers_the_close_frame(gateway: TestGateway, client: RawWebSocket) -> None:
    gateway.connections[0].end_normally()
    assert await client.receive_close() == CLOSED_NORMALLY
    gateway.advance(6)
    await client.receive_eof()


async def never_closes_tcp(gateway: TestGateway, client: RawWebSocket) -> None:
    await client.send_close(1000)
    await client.receive_close()
    await client.receive_eof()
    gateway.advance(6)


TWICE = [
    pytest.param(closes_while_it_is_deleted, CLOSED_NORMALLY, id="deleted-then-closed"),
    pytest.param(deleted_twice, CLOSED_NORMALLY, id="deleted-twice"),
    pytest.param(closes_and_resets, (1000, ""), id="closed-then-reset"),
    pytest.param(resets_while_it_is_deleted, CLOSED_NORMALLY, id="deleted-then-reset"),
    pytest.param(closes_twice, (1000, ""), id="closed-twice"),
    pytest.param(fails_while_it_is_idle, GOING_AWAY, id="idle-then-protocol-error"),
    pytest.param(never_answers_the_close_frame, CLOSED_NORMALLY, id="close-frame-never-answered"),
    pytest.param(never_closes_tcp, (1000, ""), id="tcp-never-closed-by-the-client"),
]


@pytest.mark.parametrize(("end", "event"), TWICE)
async def test_a_connection_that_ends_twice_over_is_told_once_with_what_came_first(
    gateway: TestGateway, recorder: Recorder, end: Ending, event: tuple[int, str]
):
    recorder.serve(gateway, DISCONNECT)
    client = await gateway.connect()
    await end(gateway, client)
    assert await recorder.wait_for_endings() == [event]
    await nothing_more_is_told(gateway, recorder)


async def test_a_client_gets_time_to_answer_the_close_frame(gateway: TestGateway, recorder: Recorder):
    gateway.clock.stand_still()
    recorder.serve(gateway, DISCONNECT, stage=FOREVER)
    client = await gateway.connect()
    gateway.connections[0].end_normally()
    assert await client.receive_close() == CLOSED_NORMALLY
    gateway.advance(4.5)
    assert recorder.events == []
    await client.send_close(1000)
    # The server closes the TCP connection first, and cleanly.
    assert await asyncio.wait_for(client.reader.read(), 5) == b""
    await client.drop()
    assert await recorder.wait_for_endings() == [CLOSED_NORMALLY]


@pytest.mark.parametrize("attempt", range(3))
async def test_what_a_client_sends_behind_its_close_frame_brings_no_reset_before_the_answer(
    gateway: TestGateway, recorder: Recorder, attempt: int
):
    recorder.serve(gateway, DISCONNECT, route("$default", RECORDER))
    client = await gateway.connect()
    await client.send(client_frame(CLOSE, b"\3\xe8"))
    for _ in range(20):
        await client.send(client_frame(TEXT, b"late" * 1000) + client_frame(PING, b"late"))
        await asyncio.sleep(0)
    frame = await client.receive_frame()
    assert frame is not None
    assert (frame.opcode, frame.payload) == (CLOSE, b"\3\xe8")
    # Not receive_eof, which forgives a reset.
    assert await asyncio.wait_for(client.reader.read(), 5) == b""
    await client.drop()
    assert await recorder.wait_for_endings() == [(1000, "")]
    assert recorder.of_type("MESSAGE") == []


async def test_a_failed_client_that_goes_on_sending_still_reads_why(gateway: TestGateway, recorder: Recorder):
    recorder.serve(gateway, DISCONNECT)
    client = await gateway.connect()
    await client.send(client_frame(BINARY, b"\0"))
    for _ in range(20):
        await client.send(client_frame(BINARY, b"\0" * 4000))
        await asyncio.sleep(0)
    assert await client.receive_close() == (1003, "Binary is not supported")
    assert await asyncio.wait_for(client.reader.read(), 5) == b""
    await client.drop()
    assert await recorder.wait_for_endings() == [(1003, "Binary is not supported")]


# ---- the event


async def test_the_disconnect_event_has_the_shape_of_the_services(gateway: TestGateway, recorder: Recorder):
    stage = Stage(name="prod", variables={"tier": "test"})
    recorder.serve(gateway, route("$connect", RECORDER), DISCONNECT, stage=stage)
    client = await gateway.connect("/prod?room=1", headers=[("User-Agent", "test/1"), ("X-Mine", "secret")])
    await client.close(4001, "bye")
    (event,) = await recorder.wait_for("DISCONNECT")
    (connect,) = recorder.of_type("CONNECT")
    host = connect["requestContext"]["domainName"]
    headers = {"Host": host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    assert event.keys() == {"headers", "multiValueHeaders", "stageVariables", "requestContext", "isBase64Encoded"}
    assert event["headers"] == headers
    assert event["multiValueHeaders"] == {name: [value] for name, value in headers.items()}
    assert event["stageVariables"] == {"tier": "test"}
    assert event["isBase64Encoded"] is False
    context = event["requestContext"]
    assert context["routeKey"] == "$disconnect"
    assert context["eventType"] == "DISCONNECT"
    assert context["messageDirection"] == "IN"
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (4001, "bye")
    assert context["requestId"] == context["extendedRequestId"] != connect["requestContext"]["requestId"]
    assert context["identity"] == {"userAgent": "test/1", "sourceIp": "127.0.0.1"}
    assert "messageId" not in context
    for name in ("connectionId", "connectedAt", "stage", "apiId", "domainName"):
        assert context[name] == connect["requestContext"][name], name


async def test_an_http_backend_is_told_code_and_reason_in_headers_and_gets_no_body(
    gateway: TestGateway, backend: Backend
):
    gateway.serve(route("$disconnect", http(f"{backend.url}/gone?a=1")))
    client = await gateway.connect("/prod?room=1", headers=[("X-Mine", "secret"), ("User-Agent", "test/1")])
    (connection,) = gateway.connections
    await client.close(4001, "über\r\nX-Evil: 1")
    (request,) = await backend.wait_for("/gone")
    assert (request.method, request.query, request.body) == ("POST", "a=1", b"")
    assert request.header("Wsgw-Event-Type") == "DISCONNECT"
    assert request.header("Wsgw-Route-Key") == "$disconnect"
    assert request.header("Wsgw-Connection-Id") == connection.id
    assert request.header("Wsgw-Disconnect-Code") == "4001"
    assert unquote(request.header("Wsgw-Disconnect-Reason") or "") == "über\r\nX-Evil: 1"
    assert request.header("Wsgw-Event-Id") == f"{connection.id}.disconnect"
    assert request.header("x-amzn-apigateway-api-id") == "chat"
    assert request.header("User-Agent") == "AmazonAPIGateway_chat"
    assert request.header("X-Evil") is None
    assert request.header("X-Mine") is None


async def test_a_strict_gateway_tells_an_http_backend_no_more_than_the_service_does(
    make_gateway: MakeGateway, backend: Backend
):
    gateway = await make_gateway(strict=True)
    gateway.serve(route("$disconnect", http(f"{backend.url}/gone")))
    await (await gateway.connect()).close(4001, "bye")
    (request,) = await backend.wait_for("/gone")
    assert [name for name, _ in request.headers if name.lower().startswith("wsgw")] == []


@pytest.mark.parametrize("status", [200, 403, 500])
async def test_what_disconnect_answers_is_of_no_consequence(gateway: TestGateway, backend: Backend, status: int):
    backend.on("/gone", status, "never seen")
    gateway.serve(route("$disconnect", http(f"{backend.url}/gone"), two_way=True))
    for count in (1, 2):
        assert await (await gateway.connect()).close(1000) == (1000, "")
        assert len(await backend.wait_for("/gone", count)) == count


async def test_a_connection_whose_api_has_no_disconnect_route_just_ends(gateway: TestGateway):
    gateway.serve(route("ping", mock("pong"), two_way=True))
    assert await (await gateway.connect()).close(4001, "bye") == (4001, "bye")
    await until(lambda: not gateway.connections)


async def test_a_refused_handshake_has_no_disconnect(gateway: TestGateway, backend: Backend, recorder: Recorder):
    backend.on("/connect", 403)
    recorder.serve(gateway, route("$connect", http(f"{backend.url}/connect")), DISCONNECT)
    with pytest.raises(HandshakeRefused):
        await gateway.connect()
    backend.on("/connect", 200)
    await nothing_more_is_told(gateway, recorder, count=0)


async def test_a_client_that_leaves_before_its_101_is_told_as_lost(
    gateway: TestGateway, backend: Backend, recorder: Recorder
):
    let_in = asyncio.Event()

    async def connect(request: Received) -> object:
        await let_in.wait()
        return backend.nothing()

    backend.answer("/connect", connect)  # type: ignore[arg-type]
    recorder.serve(gateway, route("$connect", http(f"{backend.url}/connect")), DISCONNECT)
    connecting = asyncio.create_task(gateway.connect())
    await backend.wait_for("/connect")
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    handlers = gateway.app._server.connections
    await until(lambda: not gateway.app._lanes.open and all(handler.transport is None for handler in handlers))
    let_in.set()
    assert await recorder.wait_for_endings() == [LOST]
    assert gateway.connections == []


# ---- after everything else


@pytest.fixture
async def gate(backend: Backend) -> AsyncIterator[asyncio.Event]:
    """`/slow` answers once this is set."""
    opened = asyncio.Event()

    async def answer(request: Received) -> object:
        await opened.wait()
        return backend.nothing()

    backend.answer("/slow", answer)  # type: ignore[arg-type]
    yield opened
    opened.set()


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("how", [pytest.param(closed_with(1000), id="closed"), pytest.param(reset, id="reset")])
async def test_disconnect_comes_after_all_earlier_messages(
    gateway: TestGateway, backend: Backend, gate: asyncio.Event, how: Ending, concurrency: int
):
    stage = Stage(name="prod", concurrency=concurrency)
    gateway.serve(
        route("$default", http(f"{backend.url}/slow")),
        route("$disconnect", http(f"{backend.url}/gone")),
        stage=stage,
    )
    client = await gateway.connect()
    for number in range(6):
        await client.send_text(str(number))
    await backend.wait_for("/slow", concurrency)
    (connection,) = gateway.connections
    await until(lambda: connection._running + len(connection.inbox or ()) == 6)
    await how(gateway, client)
    await client.receive_close() if not client.writer.is_closing() else None
    await client.drop()
    await until(lambda: connection.lost)
    assert len(backend.got("/slow")) == concurrency
    gate.set()
    await backend.wait_for("/gone")
    assert sorted(request.text for request in backend.requests if request.path == "/slow") == list("012345")
    assert [request.path for request in backend.requests] == ["/slow"] * 6 + ["/gone"]


async def test_an_answer_to_a_client_that_has_gone_disturbs_nobody(
    gateway: TestGateway, backend: Backend, gate: asyncio.Event, caplog: pytest.LogCaptureFixture
):
    gateway.serve(
        route("$default", http(f"{backend.url}/slow"), two_way=True),
        route("$disconnect", http(f"{backend.url}/gone")),
    )
    client = await gateway.connect()
    await client.send_text("question")
    await backend.wait_for("/slow")
    await client.close(1000)
    gate.set()
    await backend.wait_for("/gone")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
