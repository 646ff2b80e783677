"""An HTTP backend that keeps every byte and takes nothing for granted: what came must be whole requests and no more.

    async with strict_backend() as backend:
        …
        (request,) = backend.requests

It is the other reader of a smuggling attack, the one who must not find a second request.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (/[\x21-\x7e]*) HTTP/1\.1")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\t\x20-\x7e\x80-\xff]*)")
_SIZE = re.compile(rb"[0-9a-f]+")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nfine"


class Malformed(Exception):
    """These bytes are no request that two readers would read alike."""


class Sent(NamedTuple):
    """A request. Header names are in lower case; `size` is what it took on the wire."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    size: int

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.headers}


def read_request(data: bytes) -> Sent | None:
    """The request at the start of `data`, None if it is not whole. Raises Malformed."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None
    line, *fields = head.split(b"\r\n")
    start = _LINE.fullmatch(line)
    if start is None:
        raise Malformed(line)
    headers = []
    for field in fields:
        found = _FIELD.fullmatch(field)
        if found is None:
            raise Malformed(field)
        headers.append((found[1].decode().lower(), found[2].decode("latin-1")))
    if sum(name == "host" for name, _ in headers) != 1:
        raise Malformed(b"Host")
    framing = [(name, value) for name, value in headers if name in ("content-length", "transfer-encoding")]
    if len(framing) > 1:
        raise Malformed(repr(framing).encode())
    if not framing:
        body, left = b"", rest
    elif framing[0][0] == "content-length":
        if not re.fullmatch("[0-9]+", framing[0][1]):
            raise Malformed(b"Content-Length")
        length = int(framing[0][1])
        if len(rest) < length:
            return None
        body, left = rest[:length], rest[length:]
    else:
        if framing[0][1] != "chunked":
            raise Malformed(b"Transfer-Encoding")
        read = _chunks(rest)
        if read is None:
            return None
        body, left = read
    return Sent(start[1].decode(), start[2].decode(), headers, body, len(data) - len(left))


def _chunks(rest: bytes) -> tuple[bytes, bytes] | None:
    body = b""
    while True:
        line, end, rest = rest.partition(b"\r\n")
        if not end:
            return None
        if not _SIZE.fullmatch(line):
            raise Malformed(line)
        size = int(line, 16)
        if len(rest) < size + 2:
            return None
        if rest[size : size + 2] != b"\r\n":
            raise Malformed(rest[size : size + 2])
        if size == 0:
            return body, rest[2:]
        body += rest[:size]
        rest = rest[size + 2 :]


class StrictBackend:
    """`requests` in the order in which they came, `raw` their bytes, `faults` what was no request.

    `open`: how many connections there are.
    """

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Sent] = []
        self.raw: list[bytes] = []
        self.faults: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.pending = b""

    def clear(self) -> None:
        self.requests.clear()
        self.raw.clear()
        self.faults.clear()
        self.pending = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        data = b""
        try:
            while piece := await reader.read(65_536):
                data += piece
                while data and (request := read_request(data)) is not None:
                    self.raw.append(data[: request.size])
                    data = data[request.size :]
                    self.requests.append(request)
                    writer.write(ANSWER.partition(b"fine")[0] if request.method == "HEAD" else ANSWER)
                self.pending = data
        except Malformed as error:
            self.faults.append(error.args[0])
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def strict_backend() -> AsyncIterator[StrictBackend]:
    backend = StrictBackend()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await backend.serve(reader, writer)
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20)
    backend.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield backend
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
