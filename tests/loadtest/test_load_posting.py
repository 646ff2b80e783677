from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from wsgw.cli.load.plan import Plan
from wsgw.cli.load.posting import Poster, http_request


class Server:
    """Answers each request head with what `answers` gives next; counts its connections."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.connections = 0
        self.base = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                answer = self.answers.pop(0)
                writer.write(answer)
                if b"Connection: close" in answer or not answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    served = Server()
    listening = await asyncio.start_server(served.handle, "127.0.0.1", 0)
    served.base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield served
    listening.close()
    await listening.wait_closed()


async def post(server: Server, count: int, size: int = 1) -> list[tuple[int, bytes]]:
    """What `count` requests are answered with."""
    poster = Poster(server.base, size)
    await poster.open()
    answers: list[tuple[int, bytes]] = []
    done = asyncio.Event()

    def answered(status: int, body: bytes, at: float) -> None:
        answers.append((status, body))
        if len(answers) == count:
            done.set()

    for _ in range(count):
        poster.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", answered)
    try:
        await asyncio.wait_for(done.wait(), 5)
    finally:
        await poster.close()
    return answers


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_requests_wait_for_an_idle_connection(server: Server) -> None:
    server.answers = [OK] * 5
    assert await post(server, 5) == [(200, b"ok")] * 5
    assert server.connections == 1


async def test_a_chunked_answer_is_read_whole(server: Server) -> None:
    server.answers = [b"HTTP/1.1 410 Gone\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", OK]
    assert await post(server, 2) == [(410, b"abc"), (200, b"ok")]


async def test_a_connection_that_the_server_closes_is_replaced(server: Server) -> None:
    server.answers = [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", OK]
    assert await post(server, 2) == [(200, b""), (200, b"ok")]
    assert server.connections == 2


async def test_a_connection_that_breaks_is_reported_and_replaced(server: Server) -> None:
    server.answers = [b"", OK]
    statuses = [status for status, _ in await post(server, 2)]
    assert statuses == [0, 200]


async def test_an_answer_that_is_no_http_is_a_broken_connection(server: Server) -> None:
    server.answers = [b"hello there\r\n\r\n"]
    assert [status for status, _ in await post(server, 1)] == [0]


def test_an_http_request_keeps_query_and_headers() -> None:
    plan = Plan(url="http://h:1/a?b=c", scenario="http", headers=(("Content-Type", "text/plain"),))
    head, body = http_request(plan, b"{}").decode().split("\r\n\r\n")
    assert head.split("\r\n") == [
        "POST /a?b=c HTTP/1.1",
        "Host: h:1",
        "Content-Type: text/plain",
        "Content-Length: 2",
    ]
    assert body == "{}"
