"""The HTTP pool over real sockets, on both event loops: reuse, bounds, deadlines, and every way to fail (R-11)."""

from __future__ import annotations

import asyncio
import gc
import random
import resource
import ssl
import sys
import time

import pytest
import trustme
import uvloop

from tests.harness import bad_backend as backends
from tests.harness.bad_backend import Exchange, answer, bad_backend, closed_port, echo, hang, says, says_always
from tests.harness.pace import SLOWER
from tests.harness.quiet import quiet
from tests.harness.until import until
from wsgw.errors import GatewayError, IntegrationFailure, IntegrationTimeout
from wsgw.integrations.http_pool import HttpPool, header_block
from wsgw.invocation import IntegrationRequest, Reply

pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy. fixture")


@pytest.fixture(
    params=[asyncio.DefaultEventLoopPolicy(), uvloop.EventLoopPolicy()], ids=["asyncio", "uvloop"], scope="module"
)
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    policy: asyncio.AbstractEventLoopPolicy = request.param
    return policy


@pytest.fixture
async def pool():
    pool = HttpPool(circuit_failures=0, max_response_bytes=100_000)
    yield pool
    await pool.close()


def to(url: str, body: bytes = b"", *, method: str = "POST", timeout: float = 5.0) -> IntegrationRequest:
    return IntegrationRequest(method, url, (), body, timeout)


async def outcome(pool: HttpPool, request: IntegrationRequest) -> Reply | str:
    """The reply, or the failure's reason code."""
    try:
        return await pool.send(request)
    except GatewayError as error:
        return error.detail


class Clock:
    """A pool's time, which stands still until the test lets some pass."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        return self._now

    def passes(self, seconds: float, pool: HttpPool) -> None:
        """It is so much later, and `pool` has noticed."""
        self._now += seconds
        pool.sweep()


# ---- reuse


async def test_one_connection_serves_requests_one_after_another(pool):
    async with bad_backend(echo) as backend:
        for number in range(50):
            assert (await pool.send(to(backend.url, b"%d" % number))).body == b"%d" % number
        assert backend.connections == 1
        assert pool.counts() == (1, 1, 0, 1)


async def test_prepared_targets_and_headers_give_the_same_bytes(pool):
    async with bad_backend(echo) as backend:
        headers = (("A", "1"), ("Host", "evil"))
        await pool.send(IntegrationRequest("POST", backend.url + "x", headers, b"body", 5.0))
        await pool.send_to(pool.target(backend.url + "x"), "POST", header_block(headers), b"body", 5.0)
        assert backend.requests[0] == backend.requests[1]


async def test_concurrent_requests_get_their_own_answers(pool):
    async with bad_backend(echo) as backend:
        bodies = [b"%d" % number for number in range(300)]
        replies = await asyncio.gather(*(pool.send(to(backend.url, body)) for body in bodies))
        assert [reply.body for reply in replies] == bodies
        assert backend.connections <= 300


async def test_no_more_connections_than_the_limit_are_opened():
    pool = HttpPool(limit_per_host=3)
    async with bad_backend(echo) as backend:
        bodies = [b"%d" % number for number in range(100)]
        replies = await asyncio.gather(*(pool.send(to(backend.url, body)) for body in bodies))
        assert [reply.body for reply in replies] == bodies
        assert backend.connections == 3
        await pool.close()


async def test_the_limit_is_per_host():
    pool = HttpPool(limit_per_host=1)
    async with bad_backend(hang) as one, bad_backend(echo) as other:
        stuck = asyncio.ensure_future(outcome(pool, to(one.url)))
        assert (await pool.send(to(other.url, b"x"))).body == b"x"
        await pool.close()
        assert await stuck == "pool_closed"


async def test_a_connection_that_the_backend_closed_is_not_used(pool):
    async with bad_backend(backends.closes_kept) as backend:
        for _ in range(20):
            assert (await pool.send(to(backend.url))).body == b"ok"
            # The backend's FIN is there, and the loop has had no chance to see it.
            time.sleep(0.002)
        assert backend.connections == 20


async def test_an_answer_that_nobody_asked_for_reaches_nobody(pool):
    async with bad_backend(backends.speaks_out_of_turn) as backend:
        for connections in (1, 2, 3):
            assert (await pool.send(to(backend.url))).body == b"mine"
            await until(lambda: not pool.counts().open)  # closed when the second answer comes
            assert backend.connections == connections


async def test_a_second_answer_right_behind_the_first_reaches_nobody(pool):
    async with bad_backend(says_always(answer(b"mine") + answer(b"nobody's"))) as backend:
        for connections in (1, 2, 3):
            assert (await pool.send(to(backend.url))).body == b"mine"
            assert backend.connections == connections


async def test_connection_close_is_honoured(pool):
    async with bad_backend(says_always(answer(headers=b"Connection: close\r\n"))) as backend:
        for _ in range(3):
            await pool.send(to(backend.url))
        assert backend.connections == 3


async def test_an_answer_without_a_length_ends_with_its_connection(pool):
    async with bad_backend(says(b"HTTP/1.1 200 OK\r\n\r\nso", b"me")) as backend:
        assert (await pool.send(to(backend.url))).body == b"some"


async def test_head_has_no_body_and_the_next_request_is_not_confused(pool):
    async with bad_backend(says_always(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")) as backend:
        for _ in range(3):
            assert (await pool.send(to(backend.url, method="HEAD", timeout=1))).body == b""


async def test_a_large_body_goes_out_and_comes_back(pool):
    pool = HttpPool()
    body = random.Random(1).randbytes(3_000_000)
    async with bad_backend(echo) as backend:
        assert (await pool.send(to(backend.url, body))).body == body
        assert (await pool.send(to(backend.url, b"small"))).body == b"small"
        assert backend.connections == 1
    await pool.close()


async def test_idle_connections_are_closed_when_their_time_is_up():
    now = [0.0]
    pool = HttpPool(keepalive=60, clock=lambda: now[0])
    async with bad_backend(echo) as backend:
        await pool.send(to(backend.url))
        now[0] = 59.9
        pool.sweep()
        assert pool.counts().open == 1
        now[0] = 60.0
        pool.sweep()
        await quiet(pool)
        assert pool.counts().open == 0
        await pool.send(to(backend.url))
        assert backend.connections == 2
    await pool.close()


async def test_no_keepalive_keeps_no_connection():
    pool = HttpPool(keepalive=0)
    async with bad_backend(echo) as backend:
        for _ in range(3):
            await pool.send(to(backend.url))
        assert backend.connections == 3
    await pool.close()


# ---- backends that fail

FAILURES = [
    (backends.reset_at_once, "connection_reset"),
    (backends.close_at_once, "connection_reset"),
    (backends.reset_mid_answer, "connection_reset"),
    (says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), "connection_reset"),
    (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"), "connection_reset"),
    (backends.nonsense, "invalid_response"),
    (backends.greets, "invalid_response"),
    (says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxx"), "unexpected_upgrade"),
    (says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"), "invalid_response"),
    (hang, "no_answer"),
    (backends.trickle, "no_answer"),
    (backends.gigabyte, "response_too_large"),
    (backends.gigabyte_chunked, "response_too_large"),
    (backends.gigabyte_of_small_chunks, "response_too_large"),
    (backends.gigabyte_to_the_end, "response_too_large"),
    (backends.endless_head, "response_head_too_large"),
    (backends.endless_header, "response_head_too_large"),
    (backends.endless_interim, "response_head_too_large"),
]


@pytest.mark.parametrize(("behaviour", "reason"), FAILURES)
async def test_a_backend_that_fails_is_named_in_bounded_time_and_memory(behaviour, reason):
    clock = Clock()
    pool = HttpPool(circuit_failures=0, max_response_bytes=100_000, clock=clock)
    # Only who waits in vain needs a deadline: all other faults are seen while the clock stands.
    async with bad_backend(behaviour) as backend, asyncio.timeout(20):
        calls = [asyncio.ensure_future(outcome(pool, to(backend.url, b"x"))) for _ in range(5)]
        if reason == "no_answer":
            await until(lambda: len(backend.requests) == 5)
            clock.passes(5, pool)
        # What was said out of turn shows as such only if it comes after the request is written.
        allowed = {reason, "connection_reset"} if reason == "invalid_response" else {reason}
        assert set(await asyncio.gather(*calls)) <= allowed
        assert backend.sent < 5 * 16_000_000  # what kernels buffer on both sides, and no gigabyte
        await quiet(pool)
        assert pool.counts()[:3] == (0, 0, 0)
    await pool.close()


async def test_a_gigabyte_does_not_grow_this_process(pool):
    unit = 1024 if sys.platform == "linux" else 1
    async with bad_backend(backends.gigabyte_of_small_chunks) as backend:
        await outcome(pool, to(backend.url))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(10):
            assert await outcome(pool, to(backend.url)) == "response_too_large"
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (after - before) * unit < 30_000_000


async def test_nobody_listens(pool):
    assert await outcome(pool, to(f"http://127.0.0.1:{closed_port()}/")) == "connection_refused"


async def test_a_name_that_does_not_exist(pool):
    assert await outcome(pool, to("http://nowhere.invalid/", timeout=10)) in ("dns_failure", "connect_timeout")


async def test_a_backend_that_does_not_accept_runs_into_the_connect_timeout():
    pool = HttpPool(connect_timeout=0.1)
    # TLS is what it waits for: the kernel accepts, and nobody shakes hands.
    async with bad_backend(hang) as backend:
        url = f"https://127.0.0.1:{backend.port}/"
        assert await outcome(pool, to(url)) == "connect_timeout"
    await pool.close()


async def test_an_answer_that_comes_before_the_request_is_written_counts(pool):
    async with bad_backend(backends.answers_early) as backend:
        for connections in (1, 2):
            reply = await pool.send(to(backend.url, b"x" * 8_000_000))
            assert (reply.status, reply.body) == (413, b"too much")
            assert backend.connections == connections


async def test_failing_hosts_do_not_keep_others_waiting():
    clock = Clock()
    pool = HttpPool(circuit_failures=0, clock=clock)
    async with bad_backend(hang) as bad, bad_backend(echo) as good:
        stuck = [asyncio.ensure_future(outcome(pool, to(bad.url))) for _ in range(200)]
        for number in range(20):
            assert (await pool.send(to(good.url, b"%d" % number))).body == b"%d" % number
        await until(lambda: len(bad.requests) == 200)
        assert not any(call.done() for call in stuck)
        clock.passes(5, pool)
        assert set(await asyncio.gather(*stuck)) == {"no_answer"}
    await pool.close()


# ---- the keep-alive race


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
async def test_an_idempotent_request_is_sent_again_on_a_new_connection(pool, method):
    async with bad_backend(backends.drops_second) as backend:
        await pool.send(to(backend.url))
        await pool.send(to(backend.url, method=method))
        assert [request.line.split()[0].decode() for request in backend.requests] == ["POST", method, method]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_other_requests_are_not_sent_twice(pool, method):
    async with bad_backend(backends.drops_second) as backend:
        await pool.send(to(backend.url))
        assert await outcome(pool, to(backend.url, method=method)) == "connection_reset"
        assert len(backend.requests) == 2


async def test_a_request_is_sent_again_once_only(pool):
    served = 0

    async def answers_once(exchange: Exchange) -> None:
        nonlocal served
        while await exchange.request() is not None and served == 0:
            served += 1
            await exchange.send(answer())

    async with bad_backend(answers_once) as backend:
        await pool.send(to(backend.url))
        assert await outcome(pool, to(backend.url, method="GET")) == "connection_reset"
        assert len(backend.requests) == 3


async def test_a_fresh_connection_that_says_nothing_is_not_tried_again(pool):
    async with bad_backend(backends.reset_at_once) as backend:
        assert await outcome(pool, to(backend.url, method="GET")) == "connection_reset"
        assert len(backend.requests) == 1


# ---- deadlines


@pytest.mark.parametrize("timeout", [0.05, 0.2, 1.0])
async def test_a_deadline_is_kept_to_within_the_sweep(pool, timeout):
    async with bad_backend(hang) as backend:
        # A busy machine may be late once; a pool that is late is so each time.
        for _ in range(5):
            begun = time.monotonic()
            with pytest.raises(IntegrationTimeout):
                await pool.send(to(backend.url, timeout=timeout))
            late = time.monotonic() - begun - timeout
            assert late >= -0.002
            if late < 0.1:
                break
        assert late < 0.1


async def test_the_shortest_timeout_is_fifty_milliseconds():
    clock = Clock()
    pool = HttpPool(clock=clock)
    async with bad_backend(hang) as backend:
        call = asyncio.ensure_future(outcome(pool, to(backend.url, timeout=0)))
        await until(lambda: backend.requests)
        clock.passes(0.049, pool)
        await asyncio.sleep(0)
        assert not call.done()
        clock.passes(0.001, pool)
        assert await call == "no_answer"
    await pool.close()


async def test_an_early_deadline_is_not_held_up_by_late_ones(pool):
    async with bad_backend(hang) as backend:
        late = [asyncio.ensure_future(outcome(pool, to(backend.url, timeout=29))) for _ in range(5)]
        await asyncio.sleep(0)
        begun = time.monotonic()
        # On a busy machine the connection itself may not be there in time.
        assert await outcome(pool, to(backend.url, timeout=0.1)) in ("no_answer", "no_connection")
        assert time.monotonic() - begun < 2 * SLOWER  # and not 29
        await pool.close()
        assert set(await asyncio.gather(*late)) == {"pool_closed"}


async def test_waiting_for_a_connection_counts():
    pool = HttpPool(limit_per_host=1)
    async with bad_backend(hang) as backend:
        first = asyncio.ensure_future(outcome(pool, to(backend.url, timeout=29)))
        await until(lambda: backend.requests)
        begun = time.monotonic()
        assert await outcome(pool, to(backend.url, timeout=0.1)) == "no_connection"
        assert 0.098 <= time.monotonic() - begun < 2 * SLOWER  # and not 29
        assert pool.counts().waiting == 0
        await pool.close()
        assert await first == "pool_closed"


async def test_a_late_answer_does_not_go_to_the_next_caller():
    clock, too_late = Clock(), asyncio.Event()
    pool = HttpPool(limit_per_host=1, clock=clock)

    async def late(exchange: Exchange) -> None:
        while (request := await exchange.request()) is not None:
            if request.body == b"slow":
                await too_late.wait()
            await exchange.send(answer(request.body))

    async with bad_backend(late) as backend:
        slow = asyncio.ensure_future(outcome(pool, to(backend.url, b"slow", timeout=1)))
        others = [asyncio.ensure_future(pool.send(to(backend.url, b"%d" % n))) for n in range(20)]
        await until(lambda: backend.requests)
        clock.passes(1, pool)
        too_late.set()
        assert [reply.body for reply in await asyncio.gather(*others)] == [b"%d" % n for n in range(20)]
        assert await slow == "no_answer"
    await pool.close()


# ---- callers that go away


async def test_a_caller_that_goes_away_takes_its_connection_along(pool):
    async with bad_backend(hang) as backend:
        caller = asyncio.ensure_future(pool.send(to(backend.url)))
        await until(lambda: backend.requests)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await quiet(pool)
        assert pool.counts().open == 0


async def test_a_caller_that_goes_away_while_it_waits_leaves_no_trace():
    pool = HttpPool(limit_per_host=1)
    async with bad_backend(hang) as backend:
        first = asyncio.ensure_future(outcome(pool, to(backend.url)))
        await until(lambda: backend.requests)
        waiting = [asyncio.ensure_future(pool.send(to(backend.url))) for _ in range(10)]
        await asyncio.sleep(0)
        assert pool.counts().waiting == 10
        for caller in waiting:
            caller.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert pool.counts().waiting == 0
        await pool.close()
        assert await first == "pool_closed"


async def test_a_storm_of_cancellations_gives_no_answer_to_the_wrong_caller():
    pool = HttpPool(limit_per_host=32)
    chance = random.Random(7)

    async def dawdles(exchange: Exchange) -> None:
        while (request := await exchange.request()) is not None:
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            await exchange.send(answer(request.body))

    async with bad_backend(dawdles) as backend:
        wrong: list[bytes] = []
        cancelled = answered = 0

        async def call(nonce: bytes) -> None:
            nonlocal answered
            reply = await pool.send(to(backend.url, nonce))
            answered += 1
            if reply.body != nonce:
                wrong.append(nonce)

        async def caller(number: int) -> None:
            nonlocal cancelled
            round_ = 0
            while cancelled < 2000:
                round_ += 1
                task = asyncio.ensure_future(call(b"%d-%d" % (number, round_)))
                patience = None if chance.random() < 0.2 else chance.random() * 0.01
                await asyncio.wait({task}, timeout=patience)
                cancelled += task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        async with asyncio.timeout(60):
            await asyncio.gather(*(caller(number) for number in range(48)))
        assert wrong == []
        assert cancelled >= 2000
        assert answered >= 200
        await quiet(pool)
        assert pool.counts().open <= 32
        replies = await asyncio.gather(*(pool.send(to(backend.url, b"%d" % n)) for n in range(200)))
        assert [reply.body for reply in replies] == [b"%d" % n for n in range(200)]
    await pool.close()


# ---- the circuit


async def test_the_circuit_opens_and_a_probe_closes_it():
    now = [0.0]
    pool = HttpPool(circuit_failures=5, clock=lambda: now[0])
    port = closed_port()
    url = f"http://127.0.0.1:{port}/"
    assert [await outcome(pool, to(url)) for _ in range(7)] == ["connection_refused"] * 5 + ["circuit_open"] * 2
    now[0] = 1.0
    assert [await outcome(pool, to(url)) for _ in range(2)] == ["connection_refused", "circuit_open"]
    async with bad_backend(echo, port=port) as backend:
        now[0] = 2.9
        assert await outcome(pool, to(url)) == "circuit_open"
        now[0] = 3.0
        for _ in range(5):
            assert (await pool.send(to(url, b"x"))).body == b"x"
        assert backend.connections == 1
    await pool.close()


async def test_timeouts_open_the_circuit_and_callers_that_wait_fail_at_once():
    clock = Clock()
    pool = HttpPool(circuit_failures=4, limit_per_host=4, clock=clock)
    async with bad_backend(hang) as backend, asyncio.timeout(20):
        stuck = [asyncio.ensure_future(outcome(pool, to(backend.url, timeout=1))) for _ in range(4)]
        await until(lambda: len(backend.requests) == 4)
        waiting = [asyncio.ensure_future(outcome(pool, to(backend.url, timeout=2))) for _ in range(50)]
        await asyncio.sleep(0)
        clock.passes(1, pool)
        assert await asyncio.gather(*stuck) == ["no_answer"] * 4
        # A few may get a connection that is free before the last of the four has run out of time.
        assert sorted(await asyncio.gather(*waiting))[:46] == ["circuit_open"] * 46
    await pool.close()


async def test_answers_that_say_5xx_do_not_open_the_circuit():
    pool = HttpPool(circuit_failures=3)
    async with bad_backend(says_always(answer(b"no", "500 Internal Server Error"))) as backend:
        for _ in range(10):
            assert (await pool.send(to(backend.url))).status == 500
    await pool.close()


# ---- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


async def test_https_backends_are_verified_and_their_connections_kept(authority, server_tls):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    pool = HttpPool(ssl=context)
    async with bad_backend(echo, tls=server_tls) as backend:
        for number in range(10):
            assert (await pool.send(to(backend.url, b"%d" % number))).body == b"%d" % number
        assert backend.connections == 1
        assert await outcome(pool, to(f"https://127.0.0.1:{backend.port}/")) == "tls_failure"
    await pool.close()


async def test_an_unknown_certificate_is_refused(server_tls):
    pool = HttpPool()
    async with bad_backend(echo, tls=server_tls) as backend:
        assert await outcome(pool, to(backend.url)) == "tls_failure"
        assert backend.requests == []
    await pool.close()


# ---- the end


async def test_closing_ends_everything_and_nothing_can_be_sent_after():
    pool = HttpPool(limit_per_host=2)
    async with bad_backend(hang) as backend:
        calls = [asyncio.ensure_future(outcome(pool, to(backend.url))) for _ in range(5)]
        await until(lambda: len(backend.requests) == 2)
        await pool.close()
        assert await asyncio.gather(*calls) == ["pool_closed"] * 5
        with pytest.raises(IntegrationFailure, match="pool_closed"):
            await pool.send(to(backend.url))
        assert pool.counts()[:3] == (0, 0, 0)


async def test_hosts_that_nobody_refers_to_are_forgotten(pool):
    async with bad_backend(backends.closes_kept) as backend:
        await pool.send(to(backend.url))
        await until(lambda: not pool.counts().open)
        pool.sweep()
        assert pool.counts().opened == 1
        for number in range(2000):
            pool.target(f"http://host-{number}.test/")
        gc.collect()
        assert pool.counts().opened == 0
