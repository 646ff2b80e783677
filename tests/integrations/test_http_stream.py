"""Answers that are passed on as they come: at once, in bounded memory, and broken off where the backend does (R-11)."""

from __future__ import annotations

import asyncio
import gc
import random
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme
import uvloop

from tests.harness import bad_backend as backends
from tests.harness.bad_backend import Exchange, answer, bad_backend, echo, says
from tests.harness.quiet import quiet
from tests.harness.until import until
from wsgw.errors import GatewayError, IntegrationFailure, IntegrationTimeout
from wsgw.integrations.drive import Drive
from wsgw.integrations.http import HttpIntegration
from wsgw.integrations.http_pool import HttpPool
from wsgw.invocation import IntegrationRequest, Reply

pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy. fixture")

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(
    params=[asyncio.DefaultEventLoopPolicy(), uvloop.EventLoopPolicy()], ids=["asyncio", "uvloop"], scope="module"
)
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    policy: asyncio.AbstractEventLoopPolicy = request.param
    return policy


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool(circuit_failures=0, max_response_bytes=100_000)
    yield pool
    await pool.close()


async def get(pool: HttpPool, url: str, *, timeout: float = 5.0, method: str = "GET") -> Reply:
    return await pool.send_to(pool.target(url), method, b"", b"", timeout, None, True)


async def rest(reply: Reply) -> bytes:
    """The whole body."""
    if reply.stream is None:
        return reply.body
    return reply.body + b"".join([piece async for piece in reply.stream])


async def broken(pool: HttpPool, url: str) -> tuple[bytes, str]:
    """What came of a body that breaks off, and the reason."""
    begun = bytearray()
    try:
        reply = await get(pool, url)
        assert reply.stream is not None
        begun += reply.body
        async for piece in reply.stream:
            begun += piece
    except GatewayError as error:
        return bytes(begun), error.detail
    return bytes(begun), "whole"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


# ---- in order


async def test_an_answer_that_is_there_at_once_has_no_stream(pool):
    async with bad_backend(echo) as backend:
        for _ in range(3):
            reply = await get(pool, backend.url)
            assert (reply.stream, reply.status) == (None, 200)
        assert backend.connections == 1


async def test_the_head_is_given_before_the_body_ends_and_each_event_as_it_comes(pool):
    turns = [asyncio.Event() for _ in range(3)]

    async def events(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(HEAD)
        for number, turn in enumerate(turns):
            await turn.wait()
            await exchange.send(chunk(b"data: %d\n\n" % number))
        await exchange.send(b"0\r\n\r\n")

    async with bad_backend(events) as backend, asyncio.timeout(5):
        reply = await get(pool, backend.url)
        assert (reply.status, reply.body, reply.header("content-type")) == (200, b"", "text/event-stream")
        assert reply.stream is not None
        assert reply.stream.length is None
        pieces = aiter(reply.stream)
        for number, turn in enumerate(turns):
            turn.set()  # the next event is sent only now: none is held back
            assert await anext(pieces) == b"data: %d\n\n" % number
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)


@pytest.mark.parametrize("sized", [True, False], ids=["Content-Length", "chunked"])
async def test_a_large_body_comes_whole_and_its_connection_serves_again(pool, sized):
    body = random.Random(1).randbytes(5_000_000)

    async def large(exchange: Exchange) -> None:
        while await exchange.request() is not None:
            if sized:
                await exchange.send(answer(body))
            else:
                await exchange.send(
                    HEAD + b"".join(chunk(body[at : at + 70_000]) for at in range(0, 5_000_000, 70_000))
                )
                await exchange.send(b"0\r\n\r\n")

    async with bad_backend(large) as backend:
        for _ in range(3):
            reply = await get(pool, backend.url)
            assert reply.stream is not None
            assert reply.stream.length == (5_000_000 if sized else None)
            assert await rest(reply) == body  # far beyond max_response_bytes, which is for what is held
        assert backend.connections == 1


async def test_a_body_that_only_the_connections_end_ends_is_whole(pool):
    async with bad_backend(says(b"HTTP/1.1 200 OK\r\n\r\nso", b"me", b" more")) as backend:
        assert await rest(await get(pool, backend.url)) == b"some more"


async def test_a_short_body_of_known_length_is_waited_for(pool):
    async with bad_backend(says(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nso", b"me")) as backend:
        reply = await get(pool, backend.url)
        assert (reply.stream, reply.body) == (None, b"some")


async def test_interim_answers_are_not_taken_for_the_head(pool):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
    async with bad_backend(says(early, HEAD, chunk(b"x"), b"0\r\n\r\n")) as backend:
        reply = await get(pool, backend.url)
        assert reply.status == 200
        assert await rest(reply) == b"x"


async def test_a_trailer_is_no_header_of_an_answer_that_has_begun(pool):
    async with bad_backend(says(HEAD, chunk(b"x"), b"0\r\nSet-Cookie: late\r\n\r\n")) as backend:
        reply = await get(pool, backend.url)
        assert await rest(reply) == b"x"
        assert reply.header("set-cookie") is None


async def test_head_has_no_stream(pool):
    async with bad_backend(backends.says_always(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n")) as backend:
        reply = await get(pool, backend.url, method="HEAD")
        assert (reply.stream, reply.body) == (None, b"")


async def test_who_does_not_ask_for_a_stream_gets_none():
    pool = HttpPool()
    async with bad_backend(says(HEAD, chunk(b"a"), chunk(b"b"), b"0\r\n\r\n")) as backend:
        reply = await pool.send_to(pool.target(backend.url), "GET", b"", b"", 5)
        assert (reply.stream, reply.body) == (None, b"ab")
    await pool.close()


async def test_an_integration_request_that_streams_gets_a_stream(pool):
    async with bad_backend(says(HEAD, chunk(b"x"), b"0\r\n\r\n")) as backend:
        request = IntegrationRequest("GET", backend.url, (), b"", 5, streams=True)
        reply = await HttpIntegration(pool).invoke(request)
        assert reply.stream is not None
        assert await rest(reply) == b"x"


async def test_a_driven_coroutine_takes_the_pieces_within_their_arrival(pool):
    ended = asyncio.get_running_loop().create_future()
    taken: list[bytes] = []

    async def consume() -> None:
        reply = await get(pool, url)
        assert reply.stream is not None
        taken.extend([piece async for piece in reply.stream])

    body = random.Random(2).randbytes(2_000_000)

    async def large(exchange: Exchange) -> None:
        while await exchange.request() is not None:
            await exchange.send(answer(body))

    async with bad_backend(large) as backend, asyncio.timeout(10):
        url = backend.url
        Drive(consume(), ended.set_result).step()
        await ended
        assert b"".join(taken)[-100:] == body[-100:]
        assert len(taken) > 1
        await quiet(pool)
        assert pool.counts().idle == 1


# ---- back-pressure


async def test_a_backend_is_not_read_faster_than_its_answer_is_taken(pool):
    async with bad_backend(backends.gigabyte_chunked) as backend:
        reply = await get(pool, backend.url)
        assert reply.stream is not None
        await backend.held_back()
        assert backend.sent < 32_000_000  # what kernels buffer on both sides, and 256 KiB
        pieces = aiter(reply.stream)
        taken = 0
        while taken < 64_000_000:
            piece = await anext(pieces)
            assert len(piece) <= 1_000_000
            taken += len(piece)
        reply.stream.cancel()
        await quiet(pool)
        assert pool.counts().open == 0


async def test_a_reader_that_was_paused_goes_on_to_the_end_and_the_connection_serves_again(pool):
    body = random.Random(3).randbytes(3_000_000)

    async def large(exchange: Exchange) -> None:
        while await exchange.request() is not None:
            await exchange.send(answer(body))

    async with bad_backend(large) as backend:
        for _ in range(2):
            reply = await get(pool, backend.url)
            await asyncio.sleep(0.05)
            assert await rest(reply) == body
        assert backend.connections == 1


async def test_over_tls_bodies_pass_both_ways_at_the_pace_of_the_slower():
    authority = trustme.CA()
    served, believed = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(served)
    authority.configure_trust(believed)
    pool = HttpPool(ssl=believed)
    sent = random.Random(4).randbytes(3_000_000)

    class Body:
        length = 3_000_000

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for at in range(0, self.length, 50_000):
                yield sent[at : at + 50_000]

        def cancel(self) -> None:
            raise AssertionError("all of it was taken")

    async with bad_backend(echo, tls=served) as backend:
        for _ in range(3):
            reply = await pool.send_to(pool.target(backend.url), "POST", b"", b"", 10, Body(), True)
            assert reply.stream is not None
            back = bytearray(reply.body)
            async for piece in reply.stream:
                await asyncio.sleep(0.001)
                back += piece
            assert back == sent
        assert backend.connections == 1
    await pool.close()


# ---- breaking off

BROKEN = [
    (backends.reset_mid_answer, "connection_reset"),
    (says(HEAD, chunk(b"half")), "connection_reset"),
    (says(HEAD, chunk(b"half"), b"4\r\nha"), "connection_reset"),
    (says(HEAD, chunk(b"half"), b"zz\r\n"), "invalid_response"),
    (says(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"half"), "connection_reset"),
    (
        backends.endless(HEAD + chunk(b"half") + b"0\r\n", b"X-Line: " + b"x" * 8000 + b"\r\n"),
        "response_head_too_large",
    ),
]


@pytest.mark.parametrize(("behaviour", "reason"), BROKEN)
async def test_a_body_that_breaks_off_fails_after_what_came_before(pool, behaviour, reason):
    async with bad_backend(behaviour) as backend:
        begun, detail = await broken(pool, backend.url)
        assert detail == reason
        assert b"halfha".startswith(begun)
        await quiet(pool)
        assert pool.counts()[:3] == (0, 0, 0)


HEADS_REFUSED = [
    (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), "invalid_response"),
    (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx"), "invalid_response"),
    (says(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), "invalid_response"),
    (says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxx"), "unexpected_upgrade"),
    (says(b"HTTP/1.1 101 Switching Protocols\r\n\r\nxx"), "unexpected_upgrade"),
    (says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"), "invalid_response"),
]


@pytest.mark.parametrize(("behaviour", "reason"), HEADS_REFUSED)
async def test_framing_that_is_not_sound_is_refused_with_the_head(pool, behaviour, reason):
    """S-06: a 101 is never a tunnel. R-11: invalid framing."""
    async with bad_backend(behaviour) as backend:
        with pytest.raises(IntegrationFailure) as failure:
            await get(pool, backend.url)
        assert failure.value.detail == reason


async def test_the_deadline_is_the_heads(pool):
    async with bad_backend(backends.hang) as backend:
        with pytest.raises(IntegrationTimeout) as failure:
            await get(pool, backend.url, timeout=0.1)
        assert failure.value.detail in ("no_answer", "no_connection")


async def test_a_body_may_take_longer_than_the_deadline():
    now, later = [0.0], asyncio.Event()
    pool = HttpPool(clock=lambda: now[0])

    async def slow(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(HEAD)
        await later.wait()
        await exchange.send(chunk(b"x") + b"0\r\n\r\n")

    async with bad_backend(slow) as backend:
        reply = await get(pool, backend.url, timeout=1)
        now[0] = 10.0
        pool.sweep()
        later.set()
        assert await rest(reply) == b"x"
    await pool.close()


async def test_a_backend_that_falls_silent_in_the_middle_is_given_up():
    now = [0.0]
    pool = HttpPool(stream_silence=30, clock=lambda: now[0])

    async def silent(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(HEAD + chunk(b"x"))
        await exchange.request()

    async with bad_backend(silent) as backend:
        reply = await get(pool, backend.url)
        now[0] = 29.9
        pool.sweep()
        assert pool.counts().open == 1
        now[0] = 30.0
        pool.sweep()
        with pytest.raises(IntegrationTimeout) as failure:
            await rest(reply)
        assert failure.value.detail == "no_more"
    await pool.close()


async def test_a_backend_that_nobody_reads_from_is_not_blamed_for_its_silence():
    now = [0.0]
    pool = HttpPool(stream_silence=30, clock=lambda: now[0])
    async with bad_backend(backends.gigabyte_chunked) as backend:
        reply = await get(pool, backend.url)
        await backend.held_back()
        now[0] = 1000.0
        pool.sweep()
        assert reply.stream is not None
        assert await anext(aiter(reply.stream))
        reply.stream.cancel()
    await pool.close()


async def test_an_answer_announced_beyond_the_streams_bound_is_refused_before_it_begins():
    pool = HttpPool(max_stream_bytes=1_000_000)
    async with bad_backend(backends.gigabyte) as backend:
        with pytest.raises(IntegrationFailure, match="response_too_large"):
            await get(pool, backend.url)
    await pool.close()


async def test_an_answer_that_turns_out_to_be_beyond_the_streams_bound_is_broken_off():
    pool = HttpPool(max_stream_bytes=1_000_000)
    async with bad_backend(backends.gigabyte_chunked) as backend:
        begun, detail = await broken(pool, backend.url)
        assert detail == "response_too_large"
        assert len(begun) <= 1_000_000
    await pool.close()


# ---- who takes it goes away


async def test_cancelling_closes_the_connection_and_may_be_done_again(pool):
    async with bad_backend(backends.gigabyte_chunked) as backend:
        reply = await get(pool, backend.url)
        assert reply.stream is not None
        reply.stream.cancel()
        reply.stream.cancel()
        await quiet(pool)
        assert pool.counts()[:3] == (0, 0, 0)
        with pytest.raises(IntegrationFailure, match="cancelled"):
            await anext(aiter(reply.stream))


async def test_cancelling_a_stream_that_has_ended_leaves_its_connection_alone(pool):
    body = b"x" * 500_000

    async def large(exchange: Exchange) -> None:
        while await exchange.request() is not None:
            await exchange.send(answer(body))

    async with bad_backend(large) as backend:
        first = await get(pool, backend.url)
        assert first.stream is not None
        assert await rest(first) == body
        second = await get(pool, backend.url)
        first.stream.cancel()
        assert await rest(second) == body
        assert backend.connections == 1


async def test_cancelling_wakes_who_waits(pool):
    async def silent(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(HEAD)
        await exchange.request()

    async with bad_backend(silent) as backend, asyncio.timeout(5):
        reply = await get(pool, backend.url)
        assert reply.stream is not None
        waiting = asyncio.ensure_future(anext(aiter(reply.stream)))
        await asyncio.sleep(0)
        reply.stream.cancel()
        with pytest.raises(IntegrationFailure, match="cancelled"):
            await waiting


async def test_closing_the_pool_ends_a_stream(pool):
    async with bad_backend(backends.gigabyte_chunked) as backend:
        reply = await get(pool, backend.url)
        await pool.close()
        with pytest.raises(IntegrationFailure, match="pool_closed"):
            await rest(reply)


async def test_a_storm_of_callers_that_go_away_gives_no_piece_to_the_wrong_one():
    pool = HttpPool(limit_per_host=16, circuit_failures=0)
    chance = random.Random(11)

    async def repeats(exchange: Exchange) -> None:
        """The body it was sent, over and over, of known length or in chunks."""
        while (request := await exchange.request()) is not None:
            times = chance.choice([1, 5000, 100_000])
            if chance.random() < 0.5:
                await exchange.send(answer(request.body * times))
                continue
            await exchange.send(HEAD)
            for at in range(0, times, 5000):
                await asyncio.sleep(0)
                await exchange.send(chunk(request.body * min(5000, times - at)))
            await exchange.send(b"0\r\n\r\n")

    wrong: list[bytes] = []
    failures: list[Exception] = []
    whole = left = 0

    async def call(nonce: bytes) -> None:
        nonlocal whole, left
        streams = chance.random() < 0.8
        reply = await pool.send_to(pool.target(url), "POST", b"", nonce, 10, None, streams)
        body = reply.body
        if reply.stream is not None:
            try:
                async for piece in reply.stream:
                    body += piece
                    if chance.random() < 0.1:
                        left += 1
                        break
                else:
                    whole += 1
            finally:
                reply.stream.cancel()
        if body != (nonce * (len(body) // len(nonce) + 1))[: len(body)]:
            wrong.append(nonce)

    async def caller(number: int) -> None:
        for turn in range(20):
            task = asyncio.ensure_future(call(b"%03d-%03d " % (number, turn)))
            await asyncio.wait({task}, timeout=None if chance.random() < 0.7 else chance.random() * 0.05)
            task.cancel()
            (failure,) = await asyncio.gather(task, return_exceptions=True)
            if isinstance(failure, Exception):
                failures.append(failure)

    async with bad_backend(repeats) as backend, asyncio.timeout(60):
        url = backend.url
        await asyncio.gather(*(caller(number) for number in range(32)))
        assert (wrong, failures) == ([], [])
        assert whole > 50
        assert left > 10
        gc.collect()
        await until(lambda: not pool.counts().waiting)
        assert pool.counts().open <= 16
    await pool.close()
