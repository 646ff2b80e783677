"""A request's body that is still coming, as aiohttp reads it: bounded in size, and told apart from a whole one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from aiohttp import StreamReader
from aiohttp.http_exceptions import HttpProcessingError

from wsgw.errors import BadRequest, RequestTooLarge


class Watch(Protocol):
    """Who sees to it that a client does not take too long; see aiohttp_handler.Handler."""

    def await_body(self) -> None: ...
    def hold_body(self) -> None: ...
    def end_body(self) -> None: ...


class RequestBody:
    """The body that `content` reads, of up to `limit` bytes (0: any number)."""

    __slots__ = ("_content", "_is_cancelled", "_limit", "_watch", "length")

    def __init__(self, content: StreamReader, length: int | None, limit: int, watch: Watch) -> None:
        self._content = content
        self._limit = limit
        self._watch = watch
        self._is_cancelled = False
        self.length = length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            while not self._is_cancelled:
                self._watch.await_body()
                try:
                    piece = await self._content.readany()
                finally:
                    self._watch.hold_body()
                if not piece:
                    self._watch.end_body()
                    return
                size += len(piece)
                if self._limit and size > self._limit:
                    raise RequestTooLarge
                yield piece
        except HttpProcessingError as error:
            raise BadRequest(detail="body_malformed") from error
        except OSError as error:
            raise BadRequest(detail="client_gone") from error

    def cancel(self) -> None:
        """Nobody wants the rest; the door sees to it that it is not taken for a request."""
        self._is_cancelled = True
