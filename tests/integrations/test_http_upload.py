"""Requests whose body is still coming: framing, pace, and every way to end early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvloop

from tests.harness import bad_backend as backends
from tests.harness.bad_backend import Exchange, answer, bad_backend, closed_port, hang
from tests.harness.quiet import quiet
from tests.harness.until import until
from wsgw.errors import BadRequest, GatewayError, IntegrationFailure, IntegrationTimeout
from wsgw.integrations.drive import Drive
from wsgw.integrations.http import HttpIntegration
from wsgw.integrations.http_pool import HttpPool
from wsgw.invocation import IntegrationRequest, Reply

pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy. fixture")


@pytest.fixture(
    params=[asyncio.DefaultEventLoopPolicy(), uvloop.EventLoopPolicy()], ids=["asyncio", "uvloop"], scope="module"
)
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    policy: asyncio.AbstractEventLoopPolicy = request.param
    return policy


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool(circuit_failures=0)
    yield pool
    await pool.close()


class Body:
    """A client's body: `pieces`, an error among them is raised. `taken` counts them; each waits for `gate`.

    asked: the first is waited for, or was.
    """

    def __init__(
        self, *pieces: bytes | Exception, length: int | None = None, gate: asyncio.Event | None = None
    ) -> None:
        self.length = length
        self.cancelled = 0
        self.taken = 0
        self.asked = False
        self._pieces = pieces
        self._gate = gate

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.asked = True
        for piece in self._pieces:
            if self._gate is not None:
                await self._gate.wait()
            if isinstance(piece, Exception):
                raise piece
            self.taken += 1
            yield piece

    def cancel(self) -> None:
        self.cancelled += 1


async def post(
    pool: HttpPool, url: str, stream: Body, body: bytes = b"", *, timeout: float = 5.0, streams: bool = False
) -> Reply:
    return await pool.send_to(pool.target(url), "POST", b"A: b\r\n", body, timeout, stream, streams)


async def raw(exchange: Exchange) -> None:
    """Gives back what it is sent on the wire, up to the end of a body in chunks."""
    while True:
        try:
            head = await exchange.reader.readuntil(b"\r\n\r\n")
            body = await exchange.reader.readuntil(b"0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        await exchange.send(answer(head + body))


async def test_a_body_of_known_length_has_a_content_length(pool):
    async with bad_backend(backends.echo) as backend:
        for _ in range(3):
            reply = await post(pool, backend.url, Body(b"b", b"", b"cd", length=4), b"a")
            assert reply.body == b"abcd"
        assert b"Content-Length: 4" in backend.requests[0].headers
        assert backend.connections == 1


async def test_a_body_of_unknown_length_goes_out_in_chunks(pool):
    async with bad_backend(raw) as backend:
        for _ in range(3):
            reply = await post(pool, backend.url, Body(b"b", b"", b"c" * 20), b"a")
            head, _, body = reply.body.partition(b"\r\n\r\n")
            assert b"Transfer-Encoding: chunked" in head
            assert b"Content-Length" not in head
            assert body == b"1\r\na\r\n1\r\nb\r\n14\r\n" + b"c" * 20 + b"\r\n0\r\n\r\n"
        assert backend.connections == 1


async def test_an_integration_request_with_a_stream_sends_all_of_it(pool):
    async with bad_backend(backends.echo) as backend:
        request = IntegrationRequest("PUT", backend.url, (), b"a", 5, stream=Body(b"bc", length=3))
        assert (await HttpIntegration(pool).invoke(request)).body == b"abc"


async def test_pieces_reach_the_backend_as_they_come(pool):
    gate = asyncio.Event()

    async def waits(exchange: Exchange) -> None:
        await exchange.reader.readuntil(b"\r\n\r\nfirst")
        gate.set()
        await exchange.reader.readuntil(b"second")
        await exchange.send(answer())

    async with bad_backend(waits) as backend, asyncio.timeout(5):
        assert (await post(pool, backend.url, Body(b"second", length=11, gate=gate), b"first")).body == b"ok"


async def test_a_client_is_not_read_faster_than_the_backend_takes_its_body(pool):
    async def reads_nothing(exchange: Exchange) -> None:
        await asyncio.sleep(60)

    body = Body(*[b"x" * 65_536] * 2000, length=2000 * 65_536)
    async with bad_backend(reads_nothing) as backend:
        with pytest.raises(IntegrationTimeout):
            await post(pool, backend.url, body, timeout=0.5)
        assert body.taken < 200
        assert body.cancelled
        await quiet(pool)


async def test_time_does_not_run_while_the_client_keeps_the_backend_waiting():
    now, gate = [0.0], asyncio.Event()
    pool = HttpPool(clock=lambda: now[0])
    async with bad_backend(backends.echo) as backend:
        body = Body(b"x", length=1, gate=gate)
        call = asyncio.ensure_future(post(pool, backend.url, body, timeout=1))
        await until(lambda: body.asked)
        now[0] = 3.0
        pool.sweep()
        gate.set()
        assert (await call).body == b"x"
    await pool.close()


async def test_time_runs_from_the_last_piece_on(pool):
    async with bad_backend(hang) as backend:
        with pytest.raises(IntegrationTimeout):
            await post(pool, backend.url, Body(b"x", length=1), timeout=0.1)


async def test_a_request_in_pieces_is_not_sent_again(pool):
    async with bad_backend(backends.drops_second) as backend:
        await pool.send_to(pool.target(backend.url), "GET", b"", b"", 5)
        body = Body(b"x", length=1)
        with pytest.raises(IntegrationFailure, match="connection_reset"):
            await pool.send_to(pool.target(backend.url), "PUT", b"", b"", 5, body)
        assert len(backend.requests) == 2


# ---- the answer comes first


async def test_an_answer_before_the_body_ends_counts_and_the_rest_is_not_sent(pool):
    gate = asyncio.Event()
    async with bad_backend(backends.answers_early) as backend:
        for connections in (1, 2):
            body = Body(b"x", length=1000, gate=gate)
            reply = await post(pool, backend.url, body)
            assert (reply.status, reply.body) == (413, b"too much")
            assert body.cancelled
            assert backend.connections == connections  # what follows on the first is the rest of its request
            await quiet(pool)


async def test_a_stream_comes_back_while_the_other_goes_out(pool):
    gates = [asyncio.Event() for _ in range(3)]

    async def talks(exchange: Exchange) -> None:
        await exchange.reader.readuntil(b"\r\n\r\n")
        await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            said = await exchange.reader.readuntil(b"?\r\n")
            await exchange.send(b"1\r\n" + said[-4:-3] + b"\r\n")
        await exchange.reader.readuntil(b"0\r\n\r\n")
        await exchange.send(b"0\r\n\r\n")

    class Questions(Body):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for number, gate in enumerate(gates):
                await gate.wait()
                yield b"%d?" % number

    async with bad_backend(talks) as backend, asyncio.timeout(5):
        reply = await post(pool, backend.url, Questions(), streams=True)
        assert reply.stream is not None
        pieces = aiter(reply.stream)
        for number, gate in enumerate(gates):
            gate.set()
            assert await anext(pieces) == b"%d" % number
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)
        assert pool.counts().idle == 1


# ---- ends that are none


async def test_a_client_that_breaks_off_ends_the_request(pool):
    async with bad_backend(hang) as backend:
        body = Body(b"x", BadRequest(detail="client_gone"), length=1000)
        with pytest.raises(BadRequest):
            await post(pool, backend.url, body)
        await quiet(pool)
        assert pool.counts().open == 0
        assert backend.requests == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (Body(b"xx", length=1), "request_longer_than_announced"),
        (Body(b"x", length=2), "request_broken_off"),
        (Body(b"x", RuntimeError("ours"), length=2), "unexpected RuntimeError"),
    ],
)
async def test_a_body_that_is_not_what_its_length_says_ends_the_request(pool, body, reason):
    """S-05: nothing of one request is read as another."""
    async with bad_backend(hang) as backend:
        with pytest.raises(IntegrationFailure) as failure:
            await post(pool, backend.url, body)
        assert failure.value.detail == reason
        await quiet(pool)
        assert pool.counts().open == 0


async def test_a_backend_that_resets_ends_the_body(pool):
    async def resets(exchange: Exchange) -> None:
        await exchange.reader.readuntil(b"\r\n\r\n")
        exchange.reset()

    body = Body(b"x", length=10, gate=asyncio.Event())
    async with bad_backend(resets) as backend:
        with pytest.raises(IntegrationFailure, match="connection_reset"):
            await post(pool, backend.url, body)
        assert body.cancelled


async def test_a_backend_that_refuses_ends_the_body(pool):
    body = Body(b"x", length=1)
    with pytest.raises(IntegrationFailure, match="connection_refused"):
        await post(pool, f"http://127.0.0.1:{closed_port()}/", body)
    assert (body.taken, bool(body.cancelled)) == (0, True)


async def test_a_circuit_that_is_open_ends_the_body():
    pool = HttpPool(circuit_failures=1)
    url = f"http://127.0.0.1:{closed_port()}/"
    for _ in range(2):
        body = Body(b"x", length=1)
        with pytest.raises(GatewayError):
            await post(pool, url, body)
        assert body.cancelled
    await pool.close()


async def test_a_caller_that_goes_away_ends_the_request_and_the_body(pool):
    async with bad_backend(hang) as backend:
        body = Body(b"x", length=10, gate=asyncio.Event())
        caller = asyncio.ensure_future(post(pool, backend.url, body))
        await until(lambda: pool.counts().open)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert body.cancelled
        await quiet(pool)
        assert pool.counts().open == 0


async def test_a_driven_coroutine_sends_a_stream(pool):
    ended = asyncio.get_running_loop().create_future()
    replies: list[Reply] = []

    async def send() -> None:
        replies.append(await post(pool, url, Body(b"bc", length=3), b"a"))

    async with bad_backend(backends.echo) as backend, asyncio.timeout(5):
        url = backend.url
        Drive(send(), ended.set_result).step()
        await ended
    assert replies[0].body == b"abc"
