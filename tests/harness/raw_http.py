"""HTTP as bytes: send any, and read what comes back with a parser that takes nothing for granted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

from tests.harness.raw_websocket import Response, open_socket


def authority(url: str) -> str:
    """Host and port of `url`, as a Host header says them."""
    return urlsplit(url).netloc


async def talk(url: str, *pieces: bytes) -> bytes:
    """Send `pieces` on one connection, each by itself, and give everything that comes until the gateway closes.

    Fails if it does not close within the harness's time limit.
    """
    async with await open_socket(url) as socket:
        try:
            for piece in pieces:
                await socket.send(piece)
                await asyncio.sleep(0)
        except ConnectionError:
            pass  # It has closed already; what it said is still to be read.
        return await socket.receive_to_eof()


def split_responses(received: bytes) -> list[Response]:
    """The HTTP responses that `received` consists of, every byte of it.

    Fails on anything else: a head without an end, a line without a colon, a body shorter than announced, bare line
    feeds, bytes left over.
    """
    found = []
    while received:
        head, end, rest = received.partition(b"\r\n\r\n")
        assert end, f"no whole response: {received[:200]!r}"
        assert head.count(b"\n") == head.count(b"\r\n") == head.count(b"\r"), head
        status_line, *lines = head.decode("latin-1").split("\r\n")
        version, status, _ = status_line.split(" ", 2)
        assert version == "HTTP/1.1", status_line
        headers = []
        for line in lines:
            name, colon, value = line.partition(":")
            assert colon, f"a line that is no header: {line!r}"
            headers.append((name.lower(), value.strip()))
        lengths = [value for name, value in headers if name == "content-length"]
        assert len(lengths) <= 1, headers
        length = int(lengths[0]) if lengths else 0
        assert len(rest) >= length, "the body is shorter than announced"
        found.append(Response(int(status), headers, rest[:length]))
        received = rest[length:]
    return found


def request(
    target: str, host: str, headers: Sequence[tuple[str, str]] = (), body: bytes | None = None, *, method: str = "GET"
) -> bytes:
    """A request's bytes; with a body comes its Content-Length."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")
