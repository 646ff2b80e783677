"""The body of a request that is still coming, written to a backend as it comes."""

from __future__ import annotations

import asyncio
from typing import Protocol

from wsgw.errors import GatewayError, IntegrationFailure
from wsgw.invocation import Stream


class Sink(Protocol):
    """Where the bytes go: the connection. None of this has an effect once it has another call, or none."""

    def write(self, data: bytes) -> None: ...
    def await_client(self) -> None:
        """The backend can't answer before its client has spoken: no time runs."""
        ...

    def await_backend(self, timeout: float) -> None:
        """The backend has `timeout` seconds from now."""
        ...

    def give_up(self, upload: Upload, error: GatewayError) -> None:
        """The request can't be completed."""
        ...


class Upload:
    """Writes what `stream` gives behind the `sent` bytes of body that went out with the head, in a task of its own.

    At the backend's pace: what it has not taken is not read from the client. `timeout` runs while the backend has bytes
    to take, and from the last piece on; while the client keeps us waiting, its own limit (`body_seconds`) does.
    `done`: all of it is written. Its length is the head's promise: a body that is shorter or longer ends the request.
    """

    __slots__ = ("_chunked", "_left", "_sink", "_stream", "_task", "_timeout", "done", "writable")

    def __init__(self, stream: Stream, sent: int, timeout: float) -> None:
        self._stream = stream
        self._timeout = timeout
        self._chunked = stream.length is None
        self._left = 0 if stream.length is None else stream.length - sent
        self._sink: Sink | None = None
        self._task: asyncio.Task[None] | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self.done = False

    def start(self, sink: Sink) -> None:
        """The head is written to `sink`; go on behind it."""
        self._sink = sink
        self._task = asyncio.get_running_loop().create_task(self._run(sink))

    def stop(self) -> None:
        """Write no more, and tell the client's side. May be called any number of times."""
        if not self.done:
            self.done = True
            self._sink = None
            if self._task is not None and self._task is not asyncio.current_task():
                self._task.cancel()
            self._stream.cancel()

    async def _run(self, sink: Sink) -> None:
        try:
            sink.await_client()
            async for piece in self._stream:
                if not piece:
                    continue
                self._write(sink, piece)
                sink.await_backend(self._timeout)
                await self.writable.wait()
                sink.await_client()
            self._end(sink)
        except GatewayError as error:
            sink.give_up(self, error)
        except asyncio.CancelledError:
            # By `stop`, which has said so; or the loop ends.
            return
        except Exception as raised:
            failure = IntegrationFailure(detail=f"unexpected {type(raised).__name__}")
            failure.__cause__ = raised
            sink.give_up(self, failure)
        self.done = True

    def _write(self, sink: Sink, piece: bytes) -> None:
        if self._chunked:
            sink.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            return
        self._left -= len(piece)
        if self._left < 0:
            # What is beyond would be read as the next request.
            raise IntegrationFailure(detail="request_longer_than_announced")
        sink.write(piece)

    def _end(self, sink: Sink) -> None:
        if self._chunked:
            sink.write(b"0\r\n\r\n")
        elif self._left:
            raise IntegrationFailure(detail="request_broken_off")
        sink.await_backend(self._timeout)
