"""An answer whose body is still coming: piece by piece to the client, at the pace at which it reads.

An answer that breaks off never looks whole: its connection is reset instead of closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

from wsgw.errors import GatewayError
from wsgw.invocation import Reply

_LINGER_NONE = struct.pack("ii", 1, 0)


class Outlet:
    """The way of one answer to its client. A door makes it, and tells it when the client stops reading, or goes.

    `gone` is called if the client goes before the answer has ended; `ended` and `lost` are the door's, one of which is
    called in the end.
    """

    __slots__ = ("_ended", "_lost", "_transport", "_waiter", "gone", "is_open")

    def __init__(
        self, transport: asyncio.Transport, ended: Callable[[], None], lost: Callable[[], None] | None = None
    ) -> None:
        self._transport = transport
        self._ended = ended
        self._lost = lost
        self._waiter: asyncio.Future[None] | None = None
        self.gone: Callable[[], object] | None = None
        self.is_open = True

    def write(self, data: bytes) -> None:
        """Send `data`."""
        self._transport.write(data)

    async def ready(self) -> None:
        """Return once the client has taken what was written, but for what fits into the socket's buffers."""
        if self._waiter is not None:
            await self._waiter

    def end(self) -> None:
        """The answer is whole."""
        if self.is_open:
            self.is_open = False
            self._ended()

    def break_off(self) -> None:
        """The answer will never be whole: reset the connection, for a close could pass for the end of the body."""
        if self.is_open:
            self.is_open = False
            one = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError, AttributeError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
            self._transport.abort()

    # ---- called by the door

    def pause(self) -> None:
        """The client does not read: its buffers are full."""
        if self._waiter is None:
            self._waiter = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """The client reads again."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def lose(self) -> None:
        """The client has gone."""
        was_open, self.is_open = self.is_open, False
        if self._lost is not None:
            self._lost()
        if was_open and self.gone is not None:
            self.gone()


async def pour(reply: Reply, outlet: Outlet, *, chunked: bool, most: int) -> None:
    """Send the body of `reply`, its head having been sent, and end it.

    chunked: in chunked transfer coding (RFC 9112 §7.1); else as it is. `most`: bytes, 0 for any number.
    Raises what the stream raises, and breaks the answer off then.
    """
    stream = reply.stream
    assert stream is not None
    size = len(reply.body)
    announced = stream.length
    whole = False
    try:
        if reply.body:
            outlet.write(_chunk(reply.body) if chunked else reply.body)
        async for piece in stream:
            if not piece:
                continue
            size += len(piece)
            if (most and size > most) or (announced is not None and size > announced):
                raise GatewayError(detail="response_too_large")
            outlet.write(_chunk(piece) if chunked else piece)
            await outlet.ready()
        if announced is not None and size < announced:
            raise GatewayError(detail="response_broke_off")
        whole = True
    finally:
        if not whole:
            stream.cancel()
            outlet.break_off()
    if chunked:
        outlet.write(b"0\r\n\r\n")
    outlet.end()


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)
