"""The fault proxy breaks what it says, and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.harness.fault_proxy import TO_CLIENT, TO_SERVER, FaultProxy
from tests.harness.pace import SLOWER
from tests.harness.until import until

SHORT = 0.15


class Upstream:
    """Echoes lines, and says what it received."""

    def __init__(self) -> None:
        self.received = b""
        self.ends = 0
        self.resets = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                self.received += data
                writer.write(data)
            self.ends += 1
        except ConnectionResetError:
            self.resets += 1
        writer.close()


class Client:
    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.reader, self.writer = streams

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self, count: int, timeout: float = 5 * SLOWER) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(count), timeout)


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def proxy(upstream: Upstream) -> AsyncIterator[FaultProxy]:
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    with FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as one:
        yield one
    server.close()


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[Client]:
    one = Client(await asyncio.open_connection(proxy.host, proxy.port))
    yield one
    one.writer.transport.abort()


async def test_it_passes_bytes_both_ways_and_counts_connections(proxy: FaultProxy, client: Client):
    await client.send(b"x" * 1_000_000)
    assert await client.receive(1_000_000) == b"x" * 1_000_000
    assert (proxy.accepted, proxy.open) == (1, 1)
    client.writer.close()
    await until(lambda: proxy.open == 0)


async def test_a_blackhole_swallows_and_keeps_the_connection(proxy: FaultProxy, client: Client, upstream: Upstream):
    proxy.blackhole()
    await client.send(b"lost")
    with pytest.raises(TimeoutError):
        await client.receive(1, SHORT)
    assert not upstream.received
    proxy.heal()
    await client.send(b"kept")
    assert await client.receive(4) == b"kept"


async def test_a_blackhole_of_one_direction_leaves_the_other(proxy: FaultProxy, client: Client, upstream: Upstream):
    proxy.blackhole(TO_CLIENT)
    await client.send(b"heard")
    await until(lambda: upstream.received == b"heard")
    with pytest.raises(TimeoutError):
        await client.receive(1, SHORT)
    proxy.heal()
    proxy.blackhole(TO_SERVER)
    await client.send(b"lost")
    with pytest.raises(TimeoutError):
        await client.receive(1, SHORT)
    assert upstream.received == b"heard"


async def test_a_blackhole_swallows_the_end_too(proxy: FaultProxy, client: Client, upstream: Upstream):
    await client.send(b"x")
    await client.receive(1)
    proxy.blackhole()
    client.writer.write_eof()
    with pytest.raises(TimeoutError):
        await client.receive(1, SHORT)
    assert not upstream.ends
    proxy.heal()
    await until(lambda: upstream.ends)


async def test_new_connections_into_a_blackhole_are_accepted(proxy: FaultProxy):
    proxy.blackhole()
    one = Client(await asyncio.open_connection(proxy.host, proxy.port))
    await one.send(b"lost")
    with pytest.raises(TimeoutError):
        await one.receive(1, SHORT)
    one.writer.transport.abort()


async def test_a_delay_keeps_the_order(proxy: FaultProxy, client: Client):
    proxy.delay(0.1)
    began = time.monotonic()
    for piece in (b"a", b"b", b"c"):
        await client.send(piece)
    assert await client.receive(3) == b"abc"
    assert 0.2 <= time.monotonic() - began < 2 * SLOWER


async def test_healing_ends_a_delay_at_once(proxy: FaultProxy, client: Client):
    proxy.delay(60)
    await client.send(b"a")
    with pytest.raises(TimeoutError):
        await client.receive(1, SHORT)
    proxy.heal()
    assert await client.receive(1) == b"a"


async def test_a_reset_reaches_both_sides(proxy: FaultProxy, client: Client, upstream: Upstream):
    await client.send(b"x")
    await client.receive(1)
    assert proxy.reset() == 1
    with pytest.raises(ConnectionResetError):
        await client.receive(1)
    await until(lambda: upstream.resets)
    again = Client(await asyncio.open_connection(proxy.host, proxy.port))
    await again.send(b"y")
    assert await again.receive(1) == b"y"
    again.writer.close()


async def test_refusing_leaves_open_connections_alone(proxy: FaultProxy, client: Client):
    await client.send(b"x")
    await client.receive(1)
    proxy.refuse()

    async def refused() -> None:
        # Reset at once or a moment later, as it happens.
        late = Client(await asyncio.open_connection(proxy.host, proxy.port))
        try:
            await late.receive(1)
        finally:
            late.writer.close()

    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await refused()
    await client.send(b"y")
    assert await client.receive(1) == b"y"
    assert proxy.refused == 1


async def test_a_half_close_ends_what_the_client_reads_only(proxy: FaultProxy, client: Client, upstream: Upstream):
    await client.send(b"x")
    await client.receive(1)
    proxy.half_close()
    assert await asyncio.wait_for(client.reader.read(), 5) == b""
    await client.send(b"still")
    await until(lambda: upstream.received == b"xstill")


async def test_a_trickle_lets_so_much_through(proxy: FaultProxy, client: Client):
    proxy.trickle(1000)
    began = time.monotonic()
    await client.send(b"x" * 300)
    assert await client.receive(300) == b"x" * 300
    assert time.monotonic() - began >= 0.25
    proxy.heal()
    await client.send(b"y" * 100_000)
    assert await client.receive(100_000)


async def test_a_busy_loop_does_not_slow_it(proxy: FaultProxy, client: Client, upstream: Upstream):
    await client.send(b"x")
    await client.receive(1)
    proxy.reset()
    time.sleep(0.05)
    proxy.refuse()
    assert proxy.open == 0
    assert not upstream.resets  # This loop has not turned since; the proxy's has.
