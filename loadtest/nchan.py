"""Pushes with a generator that is no limit: wrk posts to 64 clients of the baseline, of wsgw, and of nginx with Nchan.

    python loadtest/nchan.py [--trials 3] [--duration 5] [--python PATH]

Needs `wrk`, and for Nchan `nginx` with its module (Debian: wrk, nginx, libnginx-mod-nchan). The system under test is
alone on core 0, wrk and the clients share core 1. Prints pushes a second and the processor time of one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import foreign
import servers

CLIENTS = 64
MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
INSIDE = """
  server {
    listen 127.0.0.1:PORT;
    location ~ ^/listen/(.+)$ { nchan_subscriber websocket; nchan_channel_id $1; nchan_message_buffer_length 0; }
    location ~ ^/push/(.+)$ { nchan_publisher; nchan_channel_id $1; nchan_message_buffer_length 0; }
  }
"""
SCRIPT = """
local paths = {{ {paths} }}
local at = {start}
wrk.method = "POST"
wrk.body = string.rep("x", 111)
wrk.headers["Content-Type"] = "text/plain"
request = function()
  at = at % #paths + 1
  return wrk.format(nil, paths[at])
end
"""


def nchan() -> AbstractContextManager[servers.Server]:
    return foreign.nginx(servers.SERVER_CORE, INSIDE, f"load_module {MODULE};")


@asynccontextmanager
async def clients(base: str, target: str) -> AsyncIterator[list[str]]:
    """Connected clients that read what comes; gives the paths at which each is posted to."""
    async with aiohttp.ClientSession() as session:
        sockets, paths = [], []
        for number in range(CLIENTS):
            if target == "nchan":
                socket = await session.ws_connect(f"{base}/listen/{number}")
                paths.append(f"/push/{number}")
            else:
                stage = "/bench/prod" if target == "wsgw" else "/prod"
                socket = await session.ws_connect(base + stage)
                await socket.send_str('{"action":"whoami"}')
                id = (await socket.receive_json())["connectionId"]
                paths.append(f"{stage}/@connections/{id.replace('=', '%3D')}")
            sockets.append(socket)

        async def read(socket: aiohttp.ClientWebSocketResponse) -> None:
            async for _ in socket:
                pass

        readers = [asyncio.create_task(read(socket)) for socket in sockets]
        yield paths
        for reader in readers:
            reader.cancel()


async def measure(target: str, server: servers.Server, duration: float) -> tuple[float, float]:
    """(pushes a second, µs of processor time of one)."""
    async with clients(server.base, target) as paths:
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(SCRIPT.format(paths=", ".join(json.dumps(path) for path in paths), start=0))
            script.flush()
            before = foreign.cpu(server)
            wrk = await asyncio.create_subprocess_exec(
                "taskset", "-c", "1", "wrk", "-t1", f"-c{CLIENTS}", f"-d{duration}s", "-s", script.name, server.base,
                stdout=subprocess.PIPE,
            )  # fmt: skip
            output = (await wrk.communicate())[0].decode()
            spent = foreign.cpu(server) - before
    done = next(int(line.split()[0]) for line in output.splitlines() if "requests in" in line)
    if "Non-2xx" in output:
        raise RuntimeError(f"{target} refused pushes:\n{output}")
    return done / duration, spent / done * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--duration", type=int, default=5)
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is not installed (Debian: apt-get install wrk)", file=sys.stderr)
        return 1
    os.sched_setaffinity(0, {1})
    targets = ["baseline", "wsgw"] + (["nchan"] if shutil.which("nginx") and MODULE.exists() else [])
    results: dict[str, list[tuple[float, float]]] = {target: [] for target in targets}
    for _ in range(options.trials):
        for target in targets:
            if target == "nchan":
                with nchan() as server:
                    results[target].append(asyncio.run(measure(target, server, options.duration)))
                continue
            start = servers.TARGETS[target]
            with start(options.python, "http://127.0.0.1:9", signed=False, heartbeat=0) as server:
                results[target].append(asyncio.run(measure(target, server, options.duration)))
    base = statistics.median(rate for rate, _ in results["baseline"])
    print("| pushes by wrk, 64 clients | a second | × baseline | µs of processor each |\n|---|---|---|---|")
    for target, trials in results.items():
        rate = statistics.median(rate for rate, _ in trials)
        print(f"| {target} | {rate:,.0f} | ×{rate / base:.2g} | {statistics.median(cpu for _, cpu in trials):.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
