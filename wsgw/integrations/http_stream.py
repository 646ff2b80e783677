"""The body of an answer that is still coming, passed on at the pace of whoever takes it."""

from __future__ import annotations

import asyncio
from typing import Protocol

from wsgw.errors import GatewayError, IntegrationFailure
from wsgw.integrations.drive import Parked, current

#: Above this many bytes that nobody has taken yet the backend is not read any more; once they are taken, it is again.
_MOST_HELD = 262_144


class Source(Protocol):
    """Where the bytes come from: the connection."""

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def leave(self, stream: AnswerStream) -> None:
        """Nobody takes the rest of `stream`."""
        ...


class AnswerStream:
    """What a Reply has for its `stream`. Pieces that came while nobody was waiting are given as one.

    `length` is that of the whole body, what `Reply.body` has included; None where the backend did not say. The iterator
    raises IntegrationFailure where the backend breaks off, IntegrationTimeout where it falls silent, both after what
    came before. It may be iterated by a task, or by a coroutine that is driven.
    """

    __slots__ = ("_error", "_held", "_over", "_paused", "_source", "_waiter", "length")

    def __init__(self, source: Source, length: int | None) -> None:
        self._source = source
        self.length = length
        self._held: bytes | bytearray = b""
        self._paused = False
        self._over = False
        self._error: GatewayError | None = None
        self._waiter: asyncio.Future[bytes] | Parked[bytes] | None = None

    # ---- who takes it

    def __aiter__(self) -> AnswerStream:
        return self

    async def __anext__(self) -> bytes:
        piece = self._take()
        if not piece and not self._over:
            drive = current()
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future() if drive is None else Parked(drive, loop)
            try:
                piece = await self._waiter
            finally:
                self._waiter = None
            # Woken by the end: what came with it is still to be given.
            piece = piece or self._take()
        if piece:
            return piece
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    def cancel(self) -> None:
        """Take no more; a backend that has not said everything is left. May be called any number of times."""
        self._held = b""
        if not self._over:
            self._over = True
            self._error = IntegrationFailure(detail="cancelled")
            self._source.leave(self)
            self._wake()

    def _take(self) -> bytes:
        held, self._held = self._held, b""
        if self._paused and not self._over:
            self._paused = False
            self._source.resume_reading()
        return held if type(held) is bytes else bytes(held)

    # ---- the connection

    @property
    def paused(self) -> bool:
        """Whether the backend is not read, because nobody takes what it says."""
        return self._paused

    def put(self, piece: bytes) -> None:
        """A piece has come, and is not empty. A driven coroutine that waits for it goes on here and now."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(piece)
            return
        held = self._held
        if not held:
            self._held = held = piece
        else:
            # Not a list of the pieces: a piece may be one byte, and an entry is eight.
            if type(held) is bytes:
                self._held = held = bytearray(held)
            held += piece
        if len(held) > _MOST_HELD and not self._paused and not self._over:
            self._paused = True
            self._source.pause_reading()

    def finish(self, rest: bytes) -> None:
        """The body is complete with `rest`."""
        self._over = True
        if rest:
            self.put(rest)
        self._wake()

    def fail(self, error: GatewayError) -> None:
        """The body breaks off here."""
        if not self._over:
            self._over = True
            self._error = error
            # Who fails calls often fails several in a loop, which a coroutine that goes on would disturb.
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(b"")
