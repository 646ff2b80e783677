"""What the edge costs per request to a REST or HTTP API, and what finding its route does among few or many.

    python loadtest/micro/requests.py

The transport is a stand-in whose `write` does nothing and the route answers at once, so this is the way from bytes to
bytes without system calls, the event loop's own work, mappings and backends.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtest.micro.paths import ROUNDS, StandIn, report
from wsgw.app import App
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Integration, Route
from wsgw.invocation import Invocation, Reply
from wsgw.live.path_table import PathTable
from wsgw.live.route_table import LiveRoute
from wsgw.observe.metrics import RouteMetrics
from wsgw.settings import Settings

HEADERS = (
    "Host: 127.0.0.1:8080\r\nUser-Agent: load/1\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n"
    "Authorization: Bearer 0123456789012345678901234567890123456789\r\n"
)


async def answer(invocation: Invocation) -> None:
    """Stands for all steps of a route."""
    invocation.reply = Reply(200, b"x" * 1024, [("Content-Type", "application/json")])


def edge(app: App, name: str, data: bytes) -> None:
    lane = app._lanes()
    lane.connection_made(StandIn())  # type: ignore[arg-type]
    started = time.perf_counter()
    for _ in range(ROUNDS):
        lane.data_received(data)
    report(name, time.perf_counter() - started)


def changing(app: App, name: str) -> None:
    lane = app._lanes()
    lane.connection_made(StandIn())  # type: ignore[arg-type]
    requests = [f"GET /pets/prod/pets/1 HTTP/1.1\r\n{HEADERS}X-N: {n}\r\n\r\n".encode() for n in range(ROUNDS)]
    started = time.perf_counter()
    for data in requests:
        lane.data_received(data)
    report(name, time.perf_counter() - started)


def look_up(count: int) -> None:
    """One of `count` routes, found by a literal path, by one with two variables, and by a greedy one."""
    keys = [f"GET /things{n}/literal" for n in range(count // 3)]
    keys += [f"GET /things{n}/{{id}}/parts/{{part}}" for n in range(count // 3)]
    keys += [f"ANY /files{n}/{{path+}}" for n in range(count // 3)]
    for rest in (True, False):
        table = PathTable([LiveRoute(key, (), RouteMetrics("pets", "prod", key)) for key in keys], rest=rest)
        last = count // 3 - 1
        for path in (f"/things{last}/literal", f"/things{last}/17/parts/4", f"/files{last}/a/b/c.txt"):
            started = time.perf_counter()
            for _ in range(ROUNDS):
                found = table._find("GET", path)
            seconds = time.perf_counter() - started
            assert found is not None
            report(f"{count} routes, {'REST' if rest else 'HTTP'}, {path}", seconds)
    started = time.perf_counter()
    for _ in range(ROUNDS):
        table.find("GET", path)
    report(f"{count} routes, a path asked for before", time.perf_counter() - started)


async def main() -> None:
    app = App(Settings(port=0, control_port=0, access_log=""))
    await app.start()
    proxy = Integration(type="HTTP_PROXY", uri="http://127.0.0.1:9/")
    routes = {key: Route(key=key, integration=proxy) for key in ("GET /pets/{id}", "POST /pets")}
    stages = {"prod": Stage(name="prod", access_log_format=None)}
    app.deploy([Api(id="pets", name="pets", protocol="REST", routes=routes, stages=stages)])
    place = app.stages.find("", "/pets/prod/")
    assert place is not None
    for key in ("GET /pets/1", "POST /pets"):
        match = place.live.paths.find(*key.split(" "))
        match.route.steps, match.route.needs_task = (answer,), False
    edge(app, "GET, 1 KiB back", f"GET /pets/prod/pets/1 HTTP/1.1\r\n{HEADERS}\r\n".encode())
    post = f"POST /pets/prod/pets HTTP/1.1\r\n{HEADERS}Content-Length: 1024\r\n\r\n"
    edge(app, "POST of 1 KiB", post.encode() + b"x" * 1024)
    edge(app, "GET, of the one stage", f"GET /prod/pets/1 HTTP/1.1\r\n{HEADERS}\r\n".encode())
    changing(app, "GET, header lines never seen before")
    await app.stop(drain=0)
    for count in (9, 999):
        look_up(count)
    await asyncio.sleep(0)


if __name__ == "__main__":
    uvloop.run(main())
