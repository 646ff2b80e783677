"""A TCP proxy that breaks connections the way networks do, on command and at once.

    with FaultProxy("127.0.0.1", server.port) as proxy:
        … connect to proxy.address …
        proxy.blackhole()

It runs on a loop in a thread of its own: a loop under test that is busy, or blocked, does not slow it. Every switch
acts on the connections that are open and on those to come, and has acted when its method returns.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from tests.harness.ports import free_port

T = TypeVar("T")

TO_SERVER, TO_CLIENT = "to server", "to client"
BOTH = (TO_SERVER, TO_CLIENT)
_STEP = 0.02  # How often a trickle lets something through.


class FaultProxy:
    """Between clients and the server at `host`:`port`. `accepted` counts the connections so far, `open` those now."""

    def __init__(self, host: str, port: int) -> None:
        self.upstream = (host, port)
        self.port = 0
        self.accepted = 0
        self.refused = 0
        self.open = 0
        self._passing = dict.fromkeys(BOTH, True)
        self._delay = dict.fromkeys(BOTH, 0.0)
        self._rate: float | None = None
        self._refusing = False
        self._pairs: set[_Pair] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def host(self) -> str:
        return "127.0.0.1"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    # ---- switches

    def blackhole(self, *directions: str) -> None:
        """Swallow what comes, in both directions or the one given; connections stay open, also new ones."""
        self._do(lambda: self._passing.update(dict.fromkeys(directions or BOTH, False)))

    def delay(self, seconds: float, *directions: str) -> None:
        """Pass on everything this much later, in order."""
        self._do(lambda: self._delay.update(dict.fromkeys(directions or BOTH, seconds)))

    def trickle(self, bytes_per_second: float) -> None:
        """Let no more than this through, per connection and direction."""

        def act() -> None:
            self._rate = bytes_per_second

        self._do(act)

    def refuse(self) -> None:
        """Reset every new connection; the open ones stay."""

        def act() -> None:
            self._refusing = True

        self._do(act)

    def reset(self) -> int:
        """Reset (RST) every open connection, on both sides; gives how many there were. New ones are let in."""

        def act() -> int:
            pairs = list(self._pairs)
            for pair in pairs:
                pair.reset()
            return len(pairs)

        return self._do(act)

    def half_close(self) -> None:
        """Send clients the end of the stream (FIN), as if the server had; what they send is passed on."""

        def act() -> None:
            for pair in self._pairs:
                pair.half_close()

        self._do(act)

    def heal(self) -> None:
        """Pass everything on again, at once. What was swallowed stays lost."""

        def act() -> None:
            self._passing.update(dict.fromkeys(BOTH, True))
            self._delay.update(dict.fromkeys(BOTH, 0.0))
            self._rate = None
            self._refusing = False

        self._do(act)

    # ---- how

    def _do(self, act: Callable[[], T]) -> T:
        async def turn() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(turn(), self._loop).result(10)

    async def _listen(self) -> None:
        for _ in range(20):
            try:
                self._server = await asyncio.start_server(self._accepted, self.host, free_port(), backlog=1024)
            except OSError:
                continue
            self.port = self._server.sockets[0].getsockname()[1]
            return
        raise AssertionError("no port for the proxy")

    async def _close(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            self.refused += 1
            _rst(writer)
            return
        self.accepted += 1
        try:
            server = await asyncio.open_connection(*self.upstream)
        except OSError:
            _rst(writer)
            return
        except asyncio.CancelledError:
            writer.transport.abort()
            return
        pair = _Pair(writer, server[1])
        self._pairs.add(pair)
        self.open += 1
        try:
            await asyncio.gather(self._pass(TO_SERVER, reader, server[1]), self._pass(TO_CLIENT, server[0], writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._pairs.discard(pair)
            self.open -= 1
            pair.end()

    async def _pass(self, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sending = asyncio.create_task(self._send(direction, queue, writer))
        try:
            while data := await reader.read(65_536):
                if self._passing[direction]:
                    queue.put_nowait((self._loop.time() + self._delay[direction], data))
            queue.put_nowait((self._loop.time() + self._delay[direction], b""))
            await sending
        except BaseException:
            # A side that was reset: so is the other, at once.
            sending.cancel()
            raise

    async def _send(
        self, direction: str, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        while True:
            due, data = await queue.get()
            while (wait := due - self._loop.time()) > 0 and self._delay[direction]:
                await asyncio.sleep(min(wait, _STEP))
            if not data:
                # An end of a stream gets no further than its bytes would.
                while not self._passing[direction]:
                    await asyncio.sleep(_STEP)
                if writer.can_write_eof() and not writer.is_closing():
                    writer.write_eof()
                return
            while self._rate is not None and data:
                share = max(1, int(self._rate * _STEP))
                writer.write(data[:share])
                data = data[share:]
                await asyncio.sleep(max(_STEP, share / self._rate))
            if self._passing[direction]:
                writer.write(data)
                await writer.drain()


class _Pair:
    """A connection of a client, and the one that belongs to it at the server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._client = client
        self._server = server

    def reset(self) -> None:
        _rst(self._client)
        _rst(self._server)

    def half_close(self) -> None:
        if not self._client.is_closing():
            self._client.write_eof()

    def end(self) -> None:
        for one in (self._client, self._server):
            if not one.is_closing():
                one.close()


def _rst(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
