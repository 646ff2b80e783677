"""The backend that benchmarked gateways call: as fast as Python allows, so that it is never the limit.

    python loadtest/backend.py     prints `ready data=http://127.0.0.1:<port>`

Every request is answered with 200: with `{"pong":<body>}` if it has a body of JSON, else with an empty one. A $connect
thus succeeds. Requests must have a Content-Length and no chunks, as those of the gateways measured here do.
"""

from __future__ import annotations

import asyncio
import re

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "


class Backend(asyncio.Protocol):
    """One connection; requests may come in pieces or pipelined."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = transport.write  # type: ignore[attr-defined]
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        answers = []
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(buffer, 0, end + 2)
            body_end = end + 4 + (int(found[1]) if found else 0)
            if len(buffer) < body_end:
                break
            body = buffer[end + 4 : body_end]
            answer = b'{"pong":%b}' % body if body[:1] == b"{" else b""
            answers.append(b"%b%d\r\n\r\n%b" % (_HEAD, len(answer), answer))
            buffer = buffer[body_end:]
        self._buffer = buffer
        if answers:
            self._write(b"".join(answers))


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0, backlog=4096)
    print(f"ready data=http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
