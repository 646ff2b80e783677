"""Everything that can happen to a gateway, once through each door: what test_hygiene.py runs in a process of its own.

    python -X dev -W error::ResourceWarning -m tests.harness.session

The last line of standard output is JSON: what was left over, and what the loop's exception handler was told.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
from collections import Counter
from typing import Any

import uvloop
from aiohttp import web

from tests.harness import bad_backend as bad
from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.raw_http import authority, request, talk
from tests.harness.raw_websocket import TEXT, HandshakeRefused, RawWebSocket, client_frame, handshake, open_socket
from wsgw.definitions.route import Integration
from wsgw.edge.aiohttp_handler import Handler
from wsgw.edge.connection import Connection
from wsgw.edge.lane import Lane
from wsgw.invocation import Invocation

KEPT = (Connection, Handler, Invocation, Lane, asyncio.Task)


async def fail(event: Any, context: Any) -> Any:
    raise ValueError("on purpose")


async def hang(event: Any, context: Any) -> Any:
    await asyncio.Event().wait()


def block(event: Any, context: Any) -> Any:
    return {"statusCode": 200, "body": "from a thread"}


async def session(lanes: bool) -> None:
    backend = Backend()
    await backend.start()
    backend.echo("/echo")
    opened = asyncio.Event()

    async def gate(received: Received) -> web.Response:
        if received.query:
            await opened.wait()
        return web.Response(status=403 if received.query == "no" else 200)

    backend.answer("/connect", gate)
    backend.on("/sorry", 500, "sorry")
    gateway = await TestGateway(lanes, handshakes=20, stall_seconds=10, outbox_bytes=65_536).start()
    async with bad.bad_backend(bad.hang) as hanging, bad.bad_backend(bad.reset_mid_answer) as resetting:
        gateway.serve(
            route("$connect", http(f"{backend.url}/connect")),
            route("$disconnect", http(f"{backend.url}/bye")),
            route("echo", http(f"{backend.url}/echo"), two_way=True),
            route("sorry", http(f"{backend.url}/sorry"), two_way=True),
            route("hang", http(hanging.url, timeout_ms=100), two_way=True),
            route("reset", http(resetting.url), two_way=True),
            route("refused", http(f"http://127.0.0.1:{bad.closed_port()}/"), two_way=True),
            route("ping", mock("pong"), two_way=True),
            *(
                route(name, Integration(type="PYTHON", uri=name, timeout_ms=100), two_way=True)
                for name in ("fail", "block", "never")
            ),
            handlers={"fail": fail, "block": block, "never": hang},
        )
        await messages(gateway)
        await pushes(gateway)
        await ends(gateway, backend)
        await bad_requests(gateway)
        await pending(gateway, backend, opened)
        last = await gateway.connect()
        await last.send_json({"action": "hang"})
        await gateway.stop()
    await backend.stop()


async def messages(gateway: TestGateway) -> None:
    client = await gateway.connect()
    for action in ("echo", "sorry", "hang", "reset", "refused", "ping", "fail", "block", "never", "nobody"):
        await client.send_json({"action": action})
        await client.receive()
    await client.send_frame(TEXT, b'{"action":', fin=False)
    await client.send_frame(0, b'"ping"}')
    await client.receive()
    await client.close()


async def pushes(gateway: TestGateway) -> None:
    client = await gateway.connect()
    (connection,) = gateway.connections
    target = f"/prod/@connections/{connection.id.replace('=', '%3D')}"
    host = authority(gateway.url)
    close = [("Connection", "close")]
    for body in (b"hello", b"x" * 200_000):
        await talk(gateway.url, request(target, host, close, body, method="POST"))
    await client.receive()
    for method in ("GET", "PUT", "DELETE", "GET"):
        await talk(gateway.url, request(target, host, close, method=method))
    await client.receive_close()
    await client.drop()
    # One that does not read: its outbox fills up, a push waits, and then it is dropped.
    slow = await gateway.connect()
    target = f"/prod/@connections/{gateway.connections[0].id.replace('=', '%3D')}"
    slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
    async with await open_socket(gateway.url) as socket:
        statuses = []
        while 429 not in statuses:
            await socket.send(request(target, host, body=b"x" * 60_000, method="POST"))
            try:
                statuses.append((await asyncio.wait_for(socket.receive_response(), 0.1)).status)
            except TimeoutError:
                break
        gateway.advance(11)
    await slow.drop()


async def ends(gateway: TestGateway, backend: Backend) -> None:
    for how in ("close", "drop", "reset", "bad-frame", "binary", "too-big", "idle"):
        client = await gateway.connect()
        if how == "close":
            await client.close(4000, "bye")
        elif how == "reset":
            client.reset()
        elif how == "bad-frame":
            await client.send(b"\xff\xff\xff")
        elif how == "binary":
            await client.send_frame(2, b"\0")
        elif how == "too-big":
            await client.send(client_frame(TEXT, b"", length=2**40))
        elif how == "idle":
            gateway.advance(601)
        if how in ("bad-frame", "binary", "too-big", "idle"):
            await client.receive_close()
        await client.drop()
    await backend.wait_for("/bye", 9)


async def bad_requests(gateway: TestGateway) -> None:
    host = authority(gateway.url).encode()
    for data in (
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: " + host + b"\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"x" * 50_000 + b" HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: " + host + b"\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /prod HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n",
    ):
        await talk(gateway.url, data)
    halves = (b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: " + host + b"\r\nContent-Length: 9\r\n\r\nhalf")
    for half in halves:
        async with await open_socket(gateway.url) as socket:
            await socket.send(half)
        async with await open_socket(gateway.url) as socket:
            await socket.send(half)
            await bad.turns(50)
            gateway.advance(100)
            await socket.receive_to_eof()


async def pending(gateway: TestGateway, backend: Backend, opened: asyncio.Event) -> None:
    """Handshakes that wait: some leave, some are refused for want of room, the others are let in or not."""
    before = len(backend.got("/connect"))
    sockets = [await open_socket(gateway.url) for _ in range(25)]
    for number, socket in enumerate(sockets):
        await socket.send(handshake("/prod?no" if number % 3 == 0 else "/prod?yes", authority(gateway.url)))
    await backend.wait_for("/connect", before + 20)
    for socket in sockets[:10]:
        await socket.drop()
    await bad.turns(50)
    opened.set()
    for socket in sockets[10:]:
        response = await socket.receive_response()
        if response.status == 101:
            await RawWebSocket(socket, response).close()
        await socket.drop()
    try:
        await gateway.connect("/prod?no")
    except HandshakeRefused:
        pass


def left_over() -> Counter[str]:
    """How many things there are that a stopped gateway should have let go of."""
    gc.collect()
    found = Counter(
        type(one).__name__
        for one in gc.get_objects()
        if isinstance(one, KEPT) or type(one).__name__ == "TCPTransport"  # uvloop does not export it
    )
    found["files"] = len(os.listdir("/proc/self/fd"))
    found["threads of handlers"] = sum(name.startswith("handler-") for name in _threads())
    return found


def _threads() -> list[str]:
    import threading

    return [thread.name for thread in threading.enumerate()]


async def main() -> None:
    told: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: told.append(repr(context)))
    counts = []
    # The first round opens what stays open: the resolver's threads, imported modules, caches.
    for _ in range(2):
        for lanes in (True, False):
            await session(lanes)
            await bad.turns(100)
        await bad.turns(100)
        counts.append(left_over())
    tasks = [repr(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    print(json.dumps({"told": told, "tasks": tasks, "first": counts[0], "second": counts[1]}))


if __name__ == "__main__":
    uvloop.run(main(), debug=True)
