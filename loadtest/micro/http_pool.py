"""What one request through the HTTP pool costs, beside aiohttp's client in the same run.

    python loadtest/micro/http_pool.py [--requests 20000] [--in-flight 64] [--trials 3] [--profile]

The backend is a process of its own that answers every request with the same bytes. CPU is that of the client process
alone, user and system time; trials of the clients are interleaved and the median is given. `driven` is as the gateway
does it: in coroutines without a task (integrations/drive.py). `bare` is the floor: a protocol that writes constant
bytes and counts what comes back.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import multiprocessing
import platform
import pstats
import resource
import statistics
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from multiprocessing.connection import Connection
from typing import cast

import aiohttp
import uvloop

from wsgw.integrations.drive import Drive
from wsgw.integrations.http import HttpIntegration
from wsgw.integrations.http_pool import HttpPool, Target, header_block
from wsgw.invocation import IntegrationRequest

BODY = (b'{"action":"send","text":"' + b"x" * 111)[:109] + b'"}'
HEADERS = (
    ("Content-Type", "application/json"),
    ("User-Agent", "AmazonAPIGateway_abcdefghij"),
    ("X-Amzn-Trace-Id", "Root=1-65f0c0de-0123456789abcdef01234567"),
    ("x-amzn-apigateway-api-id", "abcdefghij"),
    ("connectionId", "AbCdEfGhIjKlMnOpQrStUvWxYz0123456w=="),
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 111\r\n\r\n" + BODY
#: What a proxied request and its answer look like: 1 KiB bodies.
LARGER = b"y" * 1022 + b'"}'
LARGER_ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: backend\r\nDate: Sat, 21 Nov 2026 16:00:00 GMT\r\n"
    b"Content-Type: application/json\r\nContent-Length: 1024\r\n\r\n" + LARGER
)

Once = Callable[[], Awaitable[object]]


class Backend(asyncio.Protocol):
    """Answers once per request. Requests come one at a time and each is a single segment that ends with BODY's end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET ") or len(data) > 1024:
            self._transport.write(LARGER_ANSWER)
        elif data.endswith(BODY[-2:]):
            self._transport.write(ANSWER)


def serve(ready: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


async def drive(once: Once, requests: int, in_flight: int) -> tuple[float, float]:
    """CPU microseconds per request, and requests per second."""
    left = requests

    async def one_after_another() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await once()

    await asyncio.gather(*(once() for _ in range(in_flight)))
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(in_flight)))
    elapsed, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu / requests * 1e6, requests / elapsed


async def drive_without_tasks(
    pool: HttpPool, target: Target, verb: str, block: bytes, body: bytes, args: argparse.Namespace
) -> tuple[float, float]:
    """As `drive`, without tasks."""
    left = args.requests
    ended = asyncio.get_running_loop().create_future()
    running = args.in_flight

    async def one_after_another() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await pool.send_to(target, verb, block, body, 29.0, None, True)

    def end(_: Drive) -> None:
        nonlocal running
        running -= 1
        if not running:
            ended.set_result(None)

    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    for _ in range(args.in_flight):
        Drive(one_after_another(), end).step()
    await ended
    elapsed, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu / args.requests * 1e6, args.requests / elapsed


async def bare(url: str, args: argparse.Namespace) -> tuple[float, float]:
    """The floor: constant bytes out, a count of bytes in."""
    left = args.requests
    ended = asyncio.get_running_loop().create_future()
    request = b"GET /messages HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n" + header_block(HEADERS) + b"\r\n"

    class Bare(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport = cast(asyncio.Transport, transport)
            self._transport.write(request)

        def data_received(self, data: bytes) -> None:
            nonlocal left
            left -= 1
            if left > 0:
                self._transport.write(request)
            elif not ended.done():
                ended.set_result(None)

    loop = asyncio.get_running_loop()
    port = int(url.split(":")[2].split("/")[0])
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    transports = [(await loop.create_connection(Bare, "127.0.0.1", port))[0] for _ in range(args.in_flight)]
    await ended
    elapsed, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
    for transport in transports:
        transport.abort()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu / args.requests * 1e6, args.requests / elapsed


async def compare(url: str, args: argparse.Namespace) -> None:
    pool = HttpPool()
    integration = HttpIntegration(pool)
    target, block = pool.target(url), header_block(HEADERS)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def with_aiohttp() -> None:
            async with session.post(url, data=BODY, headers=HEADERS) as response:
                await response.read()

        clients: dict[str, Once] = {
            "pool.send_to": lambda: pool.send_to(target, "POST", block, BODY, 29.0),
            "GET 1 KiB": lambda: pool.send_to(target, "GET", block, b"", 29.0, None, True),
            "POST 1 KiB": lambda: pool.send_to(target, "POST", block, LARGER, 29.0, None, True),
            "HttpIntegration.invoke": lambda: integration.invoke(IntegrationRequest("POST", url, HEADERS, BODY, 29.0)),
            "aiohttp ClientSession": with_aiohttp,
        }
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in clients}
        for _ in range(args.trials):
            for name, once in clients.items():
                results[name].append(await drive(once, args.requests, args.in_flight))
            results.setdefault("GET 1 KiB, driven", []).append(
                await drive_without_tasks(pool, target, "GET", block, b"", args)
            )
            results.setdefault("POST 1 KiB, driven", []).append(
                await drive_without_tasks(pool, target, "POST", block, LARGER, args)
            )
            results.setdefault("GET 1 KiB, bare", []).append(await bare(url, args))
        print(f"{platform.python_version()}, uvloop {version('uvloop')}, {args.in_flight} in flight, {pool.counts()}")
        for name, rows in results.items():
            cpu, rate = (statistics.median(column) for column in zip(*rows, strict=True))
            print(f"{name:24} {cpu:7.1f} µs CPU a request {rate:9.0f} requests/s")
        if args.profile:
            profile = cProfile.Profile()
            profile.enable()
            await drive_without_tasks(pool, target, "GET", block, b"", args)
            profile.disable()
            pstats.Stats(profile).sort_stats("tottime").print_stats(18)
    await pool.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    backend = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    backend.start()
    try:
        uvloop.run(compare(f"http://127.0.0.1:{ours.recv()}/messages", args))
    finally:
        backend.terminate()
        backend.join()


if __name__ == "__main__":
    main()
