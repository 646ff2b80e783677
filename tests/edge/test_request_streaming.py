"""Bodies that are still coming: answers passed on piece by piece, requests not held.

Through both doors, over real sockets. An answer that breaks off never looks whole (RFC 9112 §6.3 and §7.1): a chunked
one has no last chunk, one that the end of the connection ends is reset.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway
from tests.harness.http_api import Pieces, answer, http_api
from tests.harness.pace import SLOWER
from tests.harness.raw_http import request
from tests.harness.raw_websocket import WAIT, RawSocket, open_socket
from tests.harness.until import until
from wsgw.definitions.api import Api, Stage, StageLimits
from wsgw.definitions.route import Integration, Route
from wsgw.errors import GatewayError, IntegrationFailure
from wsgw.invocation import HttpInvocation, Reply

GET = request("/pets/prod/feed", "x.example")


async def read_head(socket: RawSocket) -> tuple[str, dict[str, str]]:
    """Status line, and headers by lower-case name."""
    head = await asyncio.wait_for(socket.reader.readuntil(b"\r\n\r\n"), WAIT)
    status, *lines = head.decode("latin-1").rstrip().split("\r\n")
    return status, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def read_chunk(socket: RawSocket) -> bytes:
    size = int(await asyncio.wait_for(socket.reader.readline(), WAIT), 16)
    data = await asyncio.wait_for(socket.reader.readexactly(size + 2), WAIT)
    assert data.endswith(b"\r\n")
    return data[:-2]


class Feed(Pieces):
    """A Stream whose pieces the test puts in one by one."""

    def __init__(self, length: int | None = None) -> None:
        super().__init__(length=length)
        self.queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.ended = False

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        try:
            while (piece := await self.queue.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                self.taken += 1
                yield piece
        finally:
            self.ended = True


def serve(gateway: TestGateway, reply: Reply, **members: object) -> None:
    gateway.deploy(http_api("GET /feed", "HEAD /feed", **members))  # type: ignore[arg-type]
    answer(gateway, "GET /feed", lambda invocation: reply)
    answer(gateway, "HEAD /feed", lambda invocation: reply)


# ---- answers


async def test_each_piece_is_sent_as_it_comes_and_the_head_before_the_first(gateway: TestGateway):
    feed = Feed()
    serve(gateway, Reply(200, b"", [("Content-Type", "text/event-stream")], feed))
    async with await open_socket(gateway.url) as client:
        await client.send(GET)
        status, headers = await read_head(client)
        assert status == "HTTP/1.1 200 OK"
        assert headers["transfer-encoding"] == "chunked"
        assert "content-length" not in headers
        assert headers["connection"] == "keep-alive"
        for event in (b"data: 1\n\n", b"data: 2\n\n"):
            feed.queue.put_nowait(event)
            assert await read_chunk(client) == event
        feed.queue.put_nowait(None)
        assert await read_chunk(client) == b""
        # The connection is kept.
        feed.queue.put_nowait(None)
        await client.send(GET)
        assert (await read_head(client))[0] == "HTTP/1.1 200 OK"


async def test_what_was_there_already_comes_first(gateway: TestGateway):
    serve(gateway, Reply(200, b"first,", (), Pieces(b"second")))
    async with await open_socket(gateway.url) as client:
        await client.send(GET)
        await read_head(client)
        assert [await read_chunk(client) for _ in range(3)] == [b"first,", b"second", b""]


async def test_a_known_length_is_announced(gateway: TestGateway):
    serve(gateway, Reply(200, b"four", (), Pieces(b"", b"more", length=8)))
    async with await open_socket(gateway.url) as client:
        await client.send(GET)
        response = await client.receive_response()
        assert response.body == b"fourmore"
        assert response.header("transfer-encoding") is None


async def test_an_http_1_0_client_gets_a_body_that_the_end_of_the_connection_ends(gateway: TestGateway):
    serve(gateway, Reply(200, b"a", (), Pieces(b"b", b"c")))
    async with await open_socket(gateway.url) as client:
        await client.send(GET.replace(b"HTTP/1.1", b"HTTP/1.0"))
        _, headers = await read_head(client)
        assert "transfer-encoding" not in headers
        assert headers["connection"] == "close"
        assert await client.receive_to_eof() == b"abc"


async def test_connection_close_is_honoured(gateway: TestGateway):
    serve(gateway, Reply(200, b"", (), Pieces(b"x")))
    async with await open_socket(gateway.url) as client:
        await client.send(request("/pets/prod/feed", "x.example", [("Connection", "close")]))
        _, headers = await read_head(client)
        assert headers["connection"] == "close"
        assert await client.receive_to_eof() == b"1\r\nx\r\n0\r\n\r\n"


@pytest.mark.parametrize("status", [200, 204, 304])
async def test_an_answer_without_a_body_cancels_its_stream(gateway: TestGateway, status: int):
    pieces = Pieces(b"never")
    serve(gateway, Reply(status, b"", (), pieces))
    method = "HEAD" if status == 200 else "GET"
    async with await open_socket(gateway.url) as client:
        await client.send(request("/pets/prod/feed", "x.example", method=method) * 2)
        for _ in range(2):
            _, headers = await read_head(client)
            assert ("transfer-encoding" in headers) == (status == 200)
    assert (pieces.taken, pieces.cancelled) == (0, 2)


@pytest.mark.parametrize("length", [None, 100], ids=["chunked", "content-length"])
@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
async def test_an_answer_that_breaks_off_does_not_look_whole(gateway: TestGateway, length: int | None, version: bytes):
    feed = Feed(length)
    serve(gateway, Reply(200, b"", (), feed))
    async with await open_socket(gateway.url) as client:
        await client.send(GET.replace(b"HTTP/1.1", version))
        await read_head(client)
        feed.queue.put_nowait(b"some")
        assert b"some" in await asyncio.wait_for(client.reader.read(100), WAIT)
        feed.queue.put_nowait(IntegrationFailure(detail="response_broke_off"))
        if version == b"HTTP/1.0" and length is None:
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(client.reader.read(), WAIT)
        else:
            assert b"0\r\n\r\n" not in await client.receive_to_eof()
    assert feed.cancelled


@pytest.mark.parametrize("pieces", [(b"abc",), (b"abcdef",)], ids=["less", "more"])
async def test_another_length_than_announced_breaks_off(gateway: TestGateway, pieces: tuple[bytes, ...]):
    stream = Pieces(*pieces, length=5)
    serve(gateway, Reply(200, b"", (), stream))
    async with await open_socket(gateway.url) as client:
        await client.send(GET)
        received = await client.receive_to_eof()
        assert len(received.partition(b"\r\n\r\n")[2]) < 5
    assert stream.cancelled


async def test_a_bug_in_settling_an_answer_lets_go_of_its_stream(
    gateway: TestGateway, caplog: pytest.LogCaptureFixture
):
    feed = Feed()
    serve(gateway, Reply(200, b"", (), feed))

    def settle(reply: Reply, _invocation: HttpInvocation) -> Reply:
        if reply.stream is not None:
            raise RuntimeError("a bug")
        return reply

    dict(gateway.app.stages.slots())["pets", "prod"].live.settle = settle
    async with await open_socket(gateway.url) as client:
        await client.send(GET)
        assert (await client.receive_response()).status == 500
    assert feed.cancelled


async def test_a_client_that_goes_ends_the_stream(gateway: TestGateway):
    feed = Feed()
    serve(gateway, Reply(200, b"", (), feed))
    client = await open_socket(gateway.url)
    await client.send(GET)
    await read_head(client)
    await client.drop()
    await until(lambda: feed.cancelled > 0 and feed.ended)


async def test_a_client_that_reads_slowly_slows_the_stream(gateway: TestGateway):
    pieces = Pieces(*[b"x" * 65_536] * 200, length=200 * 65_536)
    serve(gateway, Reply(200, b"", (), pieces), limits=StageLimits(payload_bytes=0))
    async with await open_socket(gateway.url, limit=65_536, receive_buffer=65_536) as client:
        await client.send(GET)
        await read_head(client)
        await asyncio.sleep(0.05)
        assert pieces.taken < 150
        await asyncio.wait_for(client.reader.readexactly(200 * 65_536), 10 * SLOWER)
    assert pieces.taken == 200


async def test_a_client_that_does_not_read_is_dropped(make_gateway: MakeGateway):
    gateway = await make_gateway(stall_seconds=5)
    pieces = Pieces(*[b"x" * 65_536] * 400, length=400 * 65_536)
    serve(gateway, Reply(200, b"", (), pieces), limits=StageLimits(payload_bytes=0))
    async with await open_socket(gateway.url, limit=65_536, receive_buffer=65_536) as client:
        await client.send(GET)
        await read_head(client)
        async with asyncio.timeout(WAIT):
            while not pieces.cancelled:
                # Again and again: what there was room for goes out first.
                gateway.advance(6)
                await asyncio.sleep(0)
    assert pieces.taken < 400


async def test_an_answer_longer_than_the_stage_allows_is_refused_where_it_says_so(gateway: TestGateway):
    pieces = Pieces(length=1001)
    serve(gateway, Reply(200, b"", (), pieces), limits=StageLimits(payload_bytes=1000))
    async with await open_socket(gateway.url) as client:
        await client.send(GET)
        response = await client.receive_response()
    assert (response.status, response.body) == (500, b'{"message":"Internal server error"}')
    assert pieces.cancelled


async def test_an_answer_that_grows_beyond_what_the_stage_allows_is_broken_off(gateway: TestGateway):
    pieces = Pieces(b"x" * 900, b"x" * 101, b"never")
    serve(gateway, Reply(200, b"", (), pieces), limits=StageLimits(payload_bytes=1000))
    async with await open_socket(gateway.url) as client:
        await client.send(GET)
        received = await client.receive_to_eof()
    assert b"0\r\n\r\n" not in received
    assert (pieces.taken, bool(pieces.cancelled)) == (2, True)


async def test_requests_behind_a_streamed_answer_wait_their_turn(gateway: TestGateway):
    feed = Feed()
    serve(gateway, Reply(200, b"", (), feed))
    async with await open_socket(gateway.url) as client:
        await client.send(GET + request("/pets/prod/none", "x.example"))
        await read_head(client)
        feed.queue.put_nowait(b"one")
        assert await read_chunk(client) == b"one"
        feed.queue.put_nowait(None)
        assert await read_chunk(client) == b""
        assert (await client.receive_response()).status == 403


async def test_stopping_ends_streams(make_gateway: MakeGateway):
    gateway = await make_gateway(stop_seconds=0.2)
    feed = Feed()
    serve(gateway, Reply(200, b"", (), feed))
    async with await open_socket(gateway.url) as client:
        await client.send(GET)
        await read_head(client)
        assert await gateway.stop() == 1
        assert feed.cancelled
        assert await client.receive_to_eof() == b""


# ---- through a real backend and back


@pytest.fixture
async def events() -> AsyncIterator[tuple[str, asyncio.Queue[bytes | None]]]:
    """A backend that sends what the test puts, and at /size says how large the body was."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def send(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while (event := await queue.get()) is not None:
            await response.write(event)
        return response

    async def size(request: web.Request) -> web.Response:
        count = 0
        async for piece in request.content.iter_any():
            count += len(piece)
        length = request.headers.get("Content-Length", request.headers.get("Transfer-Encoding"))
        return web.Response(text=f"{length}: {count}")

    app = web.Application(client_max_size=0)
    app.router.add_get("/events", send)
    app.router.add_post("/size", size)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", queue
    await runner.cleanup()


def proxy(protocol: Any, url: str) -> Api:
    keys = {"GET /events": f"{url}/events", "POST /size": f"{url}/size"}
    routes = {
        key: Route(key=key, integration=Integration(type="HTTP_PROXY", uri=uri, method="ANY"))
        for key, uri in keys.items()
    }
    return Api(id="pets", name="pets", protocol=protocol, routes=routes, stages={"prod": Stage(name="prod")})


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
async def test_server_sent_events_pass_one_by_one(
    gateway: TestGateway, events: tuple[str, asyncio.Queue[bytes | None]], protocol: str
):
    url, queue = events
    gateway.deploy(proxy(protocol, url))
    async with await open_socket(gateway.url) as client:
        await client.send(request("/pets/prod/events", "x.example"))
        for event in (b"data: 1\n\n", b"data: 2\n\n"):
            queue.put_nowait(event)
            if event == b"data: 1\n\n":
                _, headers = await read_head(client)
                assert headers["content-type"] == "text/event-stream"
            assert await read_chunk(client) == event
        queue.put_nowait(None)
        assert await read_chunk(client) == b""


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
@pytest.mark.parametrize("way", ["content-length", "chunked"])
async def test_a_large_upload_reaches_the_backend(
    gateway: TestGateway, events: tuple[str, asyncio.Queue[bytes | None]], protocol: str, way: str
):
    gateway.deploy(proxy(protocol, events[0]))
    pieces = [b"x" * 50_000] * 40
    data = chunked(*pieces) if way == "chunked" else post(b"".join(pieces))
    async with await open_socket(gateway.url) as client:
        await client.send(data.replace(b"/pets/prod/up", b"/pets/prod/size"))
        response = await client.receive_response()
    assert (response.status, response.body.decode()) == (
        200,
        f"{2_000_000 if way == 'content-length' else 'chunked'}: 2000000",
    )


# ---- requests


async def collect(invocation: HttpInvocation) -> Reply:
    """Answers how the body came, and how large it was."""
    size = len(invocation.body)
    way = "whole"
    if invocation.stream is not None:
        way = f"stream of {invocation.stream.length}"
        async for piece in invocation.stream:
            size += len(piece)
    return Reply(200, f"{way}: {size}".encode())


def collecting(gateway: TestGateway, **limits: int) -> None:
    gateway.deploy(http_api("POST /up", limits=StageLimits(**limits)))
    answer(gateway, "POST /up", collect)


def chunked(*pieces: bytes, end: bool = True) -> bytes:
    head = b"POST /pets/prod/up HTTP/1.1\r\nHost: x.example\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head + body + (b"0\r\n\r\n" if end else b"")


def post(body: bytes, *lines: tuple[str, str]) -> bytes:
    return request("/pets/prod/up", "x.example", lines, body, method="POST")


SIZES = [
    pytest.param(post(b""), "whole: 0", id="none"),
    pytest.param(post(b"x" * 1024), "whole: 1024", id="small"),
    pytest.param(post(b"x" * 3_000_000), "stream of 3000000: 3000000", id="large"),
    pytest.param(chunked(b"abc", b"de"), "whole: 5", id="chunked-and-there-already"),
    pytest.param(chunked(*[b"x" * 50_000] * 40), "stream of None: 2000000", id="chunked-and-large"),
]


@pytest.mark.parametrize(("data", "text"), SIZES)
async def test_a_large_body_is_passed_on_as_it_comes(gateway: TestGateway, data: bytes, text: str):
    collecting(gateway)
    async with await open_socket(gateway.url) as client:
        for _ in range(2):
            await client.send(data)
            response = await client.receive_response()
            assert (response.status, response.body.decode()) == (200, text)


def collecting_from(gateway: TestGateway) -> asyncio.Event:
    """As `collecting`; gives what is set when a request has come to the route."""
    collecting(gateway)
    began = asyncio.Event()

    async def begin(invocation: HttpInvocation) -> Reply:
        began.set()
        return await collect(invocation)

    answer(gateway, "POST /up", begin)
    return began


async def test_the_route_begins_before_a_chunked_body_is_whole(gateway: TestGateway):
    began = collecting_from(gateway)
    async with await open_socket(gateway.url) as client:
        await client.send(chunked(b"abc", end=False))
        await asyncio.wait_for(began.wait(), WAIT)
        await client.send(b"2\r\nde\r\n0\r\n\r\n")
        assert (await client.receive_response()).body == b"stream of None: 5"


async def test_a_stream_that_exceeds_the_payload_limit_is_413(gateway: TestGateway):
    collecting(gateway, payload_bytes=100_000)
    async with await open_socket(gateway.url) as client:
        await client.send(chunked(b"x" * 50_000, b"x" * 50_001, end=False))
        response = await client.receive_response()
        assert response.status == 413
        assert response.header("connection") == "close"


async def test_a_malformed_stream_is_400_and_the_last(gateway: TestGateway):
    collecting(gateway)
    async with await open_socket(gateway.url) as client:
        await client.send(chunked(b"abc", end=False) + b"zz\r\n")
        response = await client.receive_response()
        assert response.status == 400
        assert response.header("connection") == "close"
        assert await client.receive_to_eof() == b""


async def test_a_client_that_goes_within_its_body_breaks_the_stream_off(gateway: TestGateway):
    collecting(gateway)
    raised: list[GatewayError] = []
    began = asyncio.Event()

    async def watch(invocation: HttpInvocation) -> Reply:
        began.set()
        try:
            return await collect(invocation)
        except GatewayError as error:
            raised.append(error)
            raise

    answer(gateway, "POST /up", watch)
    client = await open_socket(gateway.url)
    await client.send(chunked(b"abc", end=False))
    await asyncio.wait_for(began.wait(), WAIT)
    client.reset()
    await until(lambda: bool(raised))
    assert raised[0].detail == "client_gone"


def answering_early(gateway: TestGateway) -> None:
    """A route that answers before the body has come."""
    collecting(gateway)

    def early(invocation: HttpInvocation) -> Reply:
        assert invocation.stream is not None
        invocation.stream.cancel()
        return Reply(200, b"enough")

    answer(gateway, "POST /up", early)


async def test_a_body_that_nobody_takes_ends_the_connection(gateway: TestGateway):
    answering_early(gateway)
    async with await open_socket(gateway.url) as client:
        await client.send(chunked(b"abc", end=False))
        response = await client.receive_response()
        assert (response.body, response.header("connection")) == (b"enough", "close")
        # What comes is the rest of the body, not a request.
        await client.send(b"5\r\nabcde\r\n0\r\n\r\n")
        assert await client.receive_to_eof() == b""


async def test_a_client_that_goes_when_it_was_answered_within_its_body_leaves_no_trace_in_the_log(
    gateway: TestGateway, caplog: pytest.LogCaptureFixture
):
    """S-23: else anybody could fill it, a traceback at a time."""
    answering_early(gateway)
    async with await open_socket(gateway.url) as client:
        await client.send(chunked(b"abc", end=False))
        assert (await client.receive_response()).body == b"enough"
        client.writer.write(b"8000\r\n" + b"x" * 32_768 + b"\r\n")
        (handler,) = gateway.app._server.connections
        client.reset()
    await until(lambda: not gateway.app._server.connections)
    assert caplog.records == []
    handler.log_exception("what else goes wrong", exc_info=ValueError("is told"))
    assert len(caplog.records) == 1


async def test_a_stream_that_takes_too_long_is_408(make_gateway: MakeGateway):
    gateway = await make_gateway(body_seconds=5)
    began = collecting_from(gateway)
    async with await open_socket(gateway.url) as client:
        await client.send(chunked(b"abc", end=False))
        await asyncio.wait_for(began.wait(), WAIT)
        gateway.advance(3)
        await client.send(b"1\r\nx\r\n")
        await asyncio.sleep(0.05)
        gateway.advance(3)
        assert (await client.receive_response()).status == 408


async def test_time_that_others_take_with_the_body_is_not_the_clients(make_gateway: MakeGateway):
    gateway = await make_gateway(body_seconds=5)
    collecting(gateway)
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(invocation: HttpInvocation) -> Reply:
        began.set()
        await go_on.wait()
        return await collect(invocation)

    answer(gateway, "POST /up", slow)
    async with await open_socket(gateway.url) as client:
        await client.send(chunked(b"abc", end=False))
        await asyncio.wait_for(began.wait(), WAIT)
        gateway.advance(20)
        go_on.set()
        await client.send(b"0\r\n\r\n")
        assert (await client.receive_response()).body == b"stream of None: 3"
