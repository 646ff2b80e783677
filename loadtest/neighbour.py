"""A noisy neighbour: what one tenant's flood costs another, in the same gateway.

    python loadtest/neighbour.py [--trials 5] [--duration 6] [--only WORD]… [--redis] [--python PATH]

A asks for ten times what its throttle lets through, B for what it may, in an open loop: each request has its time, and
latency counts from then. In turn, in one run: B alone; B while A floods an nginx that answers 429, which is what the
generators take from each other; B while A floods the gateway. A and B are told apart by their API, by their source
address, or by their API key. The gateway is alone on core 0, each generator is a process of its own on core 1.

P-09 asks for B's p99 to be 1.5 times what it is alone, at most. B must not be refused once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import foreign
import servers
import uvloop
from cluster import REDIS, redis_server

LIMIT, FLOOD, CALM = 200, 2_000, 150
CONNECTIONS = 16
NGINX = "server { listen 127.0.0.1:PORT; location / { return 429 '{}'; } }"
MOCK = {
    "type": "MOCK",
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responseTemplates": {"application/json": '{"message": "hello"}'},
}
THROTTLE = {"rateLimit": LIMIT, "burstLimit": LIMIT}
WIDE = {"rateLimit": 100_000, "burstLimit": 100_000}
KEYS = {"a": "the-key-of-the-noisy-one", "b": "the-key-of-the-quiet-one"}


def _rest(stage: dict[str, Any], **method: Any) -> dict[str, Any]:
    route = {"integration": MOCK, **method}
    return {"protocol": "REST", "routes": {"GET /mock": route}, "stages": {"prod": stage}}


#: For each way to tell tenants apart: what is served, then path and headers of A and of B.
CASES: dict[str, tuple[dict[str, Any], tuple[str, str], tuple[str, str]]] = {
    "by API": (
        {"apis": {"a": _rest({"throttle": THROTTLE}), "b": _rest({"throttle": WIDE})}},
        ("/a/prod/mock", ""),
        ("/b/prod/mock", ""),
    ),
    "by source address": (
        {"apis": {"one": _rest({"callerThrottles": {"sourceIp": THROTTLE}})}},
        ("/one/prod/mock", "X-Forwarded-For: 192.0.2.1\r\n"),
        ("/one/prod/mock", "X-Forwarded-For: 192.0.2.2\r\n"),
    ),
    "by API key": (
        {
            "apis": {"one": _rest({}, apiKeyRequired=True)},
            "apiKeys": {name: {"value": value} for name, value in KEYS.items()},
            "usagePlans": {
                name: {"apiStages": [{"apiId": "one", "stage": "prod"}], "throttle": limit, "keys": [name]}
                for name, limit in (("a", THROTTLE), ("b", WIDE))
            },
        },
        ("/one/prod/mock", f"x-api-key: {KEYS['a']}\r\n"),
        ("/one/prod/mock", f"x-api-key: {KEYS['b']}\r\n"),
    ),
}


# ---- the generator


class Asker(asyncio.Protocol):
    """One kept connection: requests one after the other, each counted from when it was due."""

    def __init__(self, request: bytes, latencies: list[float], statuses: Counter[int]) -> None:
        self._request, self._latencies, self._statuses = request, latencies, statuses
        self._due: list[float] = []
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, due: float) -> None:
        self._due.append(due)
        if len(self._due) == 1:
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end or len(rest) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0] or b"0"):
            return
        self._received = b""
        self._latencies.append(time.perf_counter() - self._due.pop(0))
        self._statuses[int(head.split(b" ", 2)[1])] += 1
        if self._due:
            self._transport.write(self._request)


async def generate(url: str, lines: str, rate: float, seconds: float) -> dict[str, Any]:
    """Ask for `url`, `rate` times a second; latencies in milliseconds, and how many answers of each status."""
    parts, loop = urlsplit(url), asyncio.get_running_loop()
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{lines}\r\n".encode()
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    askers = []
    for _ in range(CONNECTIONS):
        made = await loop.create_connection(lambda: Asker(request, latencies, statuses), parts.hostname, parts.port)
        askers.append(made[1])
    began, sent = time.perf_counter(), 0
    while sent < rate * seconds:
        due = began + sent / rate
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        askers[sent % CONNECTIONS].ask(due)
        sent += 1
    while len(latencies) < sent and time.perf_counter() < began + seconds + 10:
        await asyncio.sleep(0.01)
    latencies.sort()
    return {
        "lost": sent - len(latencies),
        "statuses": dict(statuses),
        **{name: latencies[int(len(latencies) * part)] * 1000 for name, part in (("p50", 0.5), ("p99", 0.99))},
    }


@contextmanager
def generating(url: str, lines: str, rate: float, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A process that generates, on the load core."""
    command = [sys.executable, __file__, "--generate", url, lines, str(rate), str(seconds)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(servers.HERE.parent)},
        preexec_fn=lambda: os.sched_setaffinity(0, {servers.LOAD_CORE}),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


# ---- the comparison


def measure(base: str, case: str, flooded: str, duration: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """What B sees, and what A is told, while A floods `flooded`; "" for nobody."""
    _, (path, lines), (quiet_path, quiet_lines) = CASES[case]
    with ExitStack() as stack:
        noisy = None
        if flooded:
            noisy = stack.enter_context(generating(flooded + path, lines, FLOOD, duration + 2))
            time.sleep(1)  # its burst is spent by then
        quiet = stack.enter_context(generating(base + quiet_path, quiet_lines, CALM, duration))
        seen = json.loads(quiet.communicate()[0])
        told = json.loads(noisy.communicate()[0]) if noisy is not None else {}
    return seen, told


def main() -> int:
    options = _options()
    if options.generate:
        url, lines, rate, seconds = options.generate
        print(json.dumps(uvloop.run(generate(url, lines, float(rate), float(seconds)))))
        return 0
    results: dict[str, dict[str, list[dict[str, Any]]]] = {}
    with ExitStack() as stack:
        beside = stack.enter_context(foreign.nginx(servers.LOAD_CORE, NGINX))
        if options.redis:
            stack.enter_context(redis_server(servers.LOAD_CORE))
        for case in [case for case in CASES if not options.only or any(word in case for word in options.only)]:
            found = results[case] = {"alone": [], "beside": [], "flooded": [], "refused": []}
            with _served(CASES[case][0], options) as server:
                measure(server.base, case, "", 1)
                for _ in range(options.trials):
                    for kind, flooded in (("alone", ""), ("beside", beside.base), ("flooded", server.base)):
                        seen, told = measure(server.base, case, flooded, options.duration)
                        found[kind].append(seen)
                        if kind == "flooded":
                            found["refused"].append(told)
    return _write(results, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--duration", type=float, default=6)
    parser.add_argument("--only", action="append", default=[], help="cases with this in their names")
    parser.add_argument("--redis", action="store_true", help="buckets in Redis, exact")
    parser.add_argument("--python", default=sys.executable, help="interpreter of wsgw")
    parser.add_argument("--generate", nargs=4, metavar=("URL", "LINES", "RATE", "SECONDS"), help=argparse.SUPPRESS)
    return parser.parse_args()


@contextmanager
def _served(definition: dict[str, Any], options: argparse.Namespace) -> Iterator[servers.Server]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "api.json"
        file.write_text(json.dumps(definition))
        command = [options.python, "-m", "wsgw", "serve", str(file), "--port", "0", "--control-port", "0"]
        command += ["--access-log", str(Path(folder) / "access.log"), "--drain-seconds", "0"]
        command += ["--trust-forwarded", "127.0.0.0/8", *(["--redis", REDIS] if options.redis else [])]
        with servers.started(command, servers.SERVER_CORE, {"PYTHONPATH": str(servers.HERE.parent)}) as server:
            yield server


def _write(results: dict[str, dict[str, list[dict[str, Any]]]], options: argparse.Namespace) -> int:
    lines = [
        "| tenants told apart | B's p50, p99 alone (ms) | A floods an nginx beside | A floods the gateway |"
        " ratio of p99 | A was refused |",
        "|---|---|---|---|---|---|",
    ]
    wrong = 0
    for case, found in results.items():
        p50, p99 = (
            {kind: _median(trials, name) for kind, trials in found.items() if kind != "refused"}
            for name in ("p50", "p99")
        )
        ratio = p99["flooded"] / p99["alone"]
        refused = sum(one["statuses"].get("429", 0) for one in found["refused"])
        asked = sum(sum(one["statuses"].values()) for one in found["refused"])
        times = " | ".join(f"{p50[kind]:.2f}, {p99[kind]:.2f}" for kind in ("alone", "beside", "flooded"))
        lines.append(f"| {case} | {times} | ×{ratio:.2f} | {refused / asked:.0%} of {asked:,} |")
        others = {
            status for kind in ("alone", "beside", "flooded") for one in found[kind] for status in one["statuses"]
        }
        lost = sum(one["lost"] for kind in found for one in found[kind])
        wrong += others != {"200"} or lost > 0 or ratio > 1.5
    machine = (
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    table = "\n".join(lines)
    servers.OUT.mkdir(exist_ok=True)
    file = servers.OUT / f"neighbour-{time.strftime('%Y%m%d-%H%M%S')}"
    file.with_suffix(".json").write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")
    said = f"{machine}; medians of {options.trials}; buckets in {'Redis' if options.redis else 'memory'}"
    file.with_suffix(".md").write_text(f"{table}\n\n{said}\n")
    print(f"{table}\n\n{file}.md")
    return 1 if wrong else 0


def _median(trials: Sequence[dict[str, Any]], name: str) -> float:
    return statistics.median(trial[name] for trial in trials)


if __name__ == "__main__":
    sys.exit(main())
