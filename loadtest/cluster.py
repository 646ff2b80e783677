"""Benchmarks of a cluster, each beside its baseline in the same run.

    python loadtest/cluster.py [--only NAME]… [--trials 3] [--duration 5] [--python PATH]

| name | measures |
|---|---|
| push | POSTs to one node for clients of the other, beside one PUBLISH per push (cluster_baseline.py) |
| latency | the same in an open loop, at half of what `push` reached |
| connects | handshakes a second with the registry in Redis, beside without |
| throttle | messages a second of a MOCK route without a throttle, with one in memory, in Redis, and in slices |
| scaling | messages a second of one worker and of two on the same two cores |
| hold | 36,000 idle connections over two workers for ten minutes (by name only) |

Needs redis-server, and wrk for `push`. What shares which core is said with each table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import nchan
import servers
import uvloop
from servers import HERE, LOAD_CORE, SERVER_CORE, Server

CLIENTS = 64
PORT = 17_379
REDIS = f"redis://127.0.0.1:{PORT}"
CASES = ("push", "latency", "connects", "throttle", "scaling", "hold")


@contextmanager
def redis_server(core: int) -> Iterator[Server]:
    command = ["redis-server", "--port", str(PORT), "--save", "", "--appendonly", "no", "--daemonize", "no"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {core})
    )
    try:
        while subprocess.run(["redis-cli", "-p", str(PORT), "ping"], capture_output=True, check=False).returncode:
            time.sleep(0.02)
        yield Server(process, REDIS)
    finally:
        process.terminate()
        process.wait()


class Node(NamedTuple):
    """A node under test: its data and control addresses, and its process."""

    server: Server
    control: str


@contextmanager
def node(python: str, core: set[int], *options: str, throttle: str = "", backend: str = "") -> Iterator[Node]:
    """`wsgw serve` of loadtest/wsgw.yaml on these cores. throttle: what stands in the stage's definition."""
    text = (HERE / "wsgw.yaml").read_text().replace("http://127.0.0.1:9000", backend or "http://127.0.0.1:9")
    if throttle:
        text = text.replace("prod: {limits:", f"prod: {{throttle: {throttle}, limits:")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "wsgw.yaml"
        file.write_text(text)
        (Path(folder) / "handlers.py").write_text((HERE / "handlers.py").read_text())
        command = [python, "-m", "wsgw", "serve", str(file), "--port", "0", "--control-port", "0"]
        command += ["--access-log", str(Path(folder) / "access.log"), "--log-level", "warning", "--drain-seconds", "0"]
        with (Path(folder) / "log").open("w") as log:
            process = subprocess.Popen(
                [*command, *options],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": str(HERE.parent)},
                preexec_fn=lambda: os.sched_setaffinity(0, core),
            )
        try:
            assert process.stdout is not None
            words = dict(part.split("=", 1) for part in process.stdout.readline().split()[1:])
            if "data" not in words:
                raise RuntimeError(f"the node did not start:\n{(Path(folder) / 'log').read_text()}")
            yield Node(Server(process, words["data"]), words["control"])
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()


def median(values: list[float]) -> float:
    return statistics.median(values)


# ---- push


def pushes(options: argparse.Namespace) -> None:
    """wrk posts to node A (core 0), the clients are at node B (core 1); Redis, wrk and the clients share both."""
    results: dict[str, list[list[float]]] = {"one PUBLISH per push": [], "wsgw": []}
    for _ in range(options.trials):
        for target, trials in results.items():
            with ExitStack() as stack:
                redis = stack.enter_context(redis_server(LOAD_CORE))
                os.sched_setaffinity(redis.process.pid, {0, 1})
                pair = _pair(stack, target, options.python)
                trials.append(uvloop.run(_push(target, *pair, redis, options.duration)))
                print(target, [f"{value:,.1f}" for value in trials[-1]], file=sys.stderr)
    base = median([trial[0] for trial in results["one PUBLISH per push"]])
    print("\n| push to a client of the other node | a second | × baseline | µs at A | µs at B | µs of Redis |")
    print("|---|---|---|---|---|---|")
    for target, trials in results.items():
        rate, *costs = [median([trial[column] for trial in trials]) for column in range(4)]
        print(f"| {target} | {rate:,.0f} | ×{rate / base:.2g} | {' | '.join(f'{cost:.1f}' for cost in costs)} |")


def _pair(stack: ExitStack, target: str, python: str) -> tuple[Server, Server]:
    if target == "wsgw":
        first, second = [stack.enter_context(node(python, {core}, "--redis", REDIS)).server for core in (0, 1)]
        return first, second
    command = [python, str(HERE / "cluster_baseline.py"), REDIS]
    return (
        stack.enter_context(servers.started(command, SERVER_CORE)),
        stack.enter_context(servers.started(command, LOAD_CORE)),
    )


class Sink(asyncio.Protocol):
    """A client that asks for its id and then drops what it gets: the least that a receiver can cost."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._got = b""
        self.id: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if self.id.done():
            return
        before, self._got = self._got, self._got + data
        if b"\r\n\r\n" in self._got and b"\r\n\r\n" not in before:
            # A masked text frame; the mask of zeros changes nothing.
            self.transport.write(b"\x81\x93\0\0\0\0" + b'{"action":"whoami"}')
        found = re.search(rb'"connectionId": ?"([^"]+)"', self._got)
        if found:
            self.id.set_result(found[1].decode())


async def _push(target: str, here: Server, there: Server, redis: Server, duration: float) -> list[float]:
    """[pushes a second, µs at A, µs at B, µs of Redis]."""
    loop = asyncio.get_running_loop()
    stage = "/bench/prod" if target == "wsgw" else "/prod"
    host, port = there.base.partition("://")[2].split(":")
    sinks = [(await loop.create_connection(lambda: Sink(stage), host, int(port)))[1] for _ in range(CLIENTS)]
    paths = [f"{stage}/@connections/{(await sink.id).replace('=', '%3D')}" for sink in sinks]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(nchan.SCRIPT.format(paths=", ".join(json.dumps(path) for path in paths), start=0))
        script.flush()
        before = [server.cpu() for server in (here, there, redis)]
        wrk = await asyncio.create_subprocess_exec(
            "wrk", "-t1", "-c512", f"-d{duration:g}s", "-s", script.name, here.base,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        output = (await wrk.communicate())[0].decode()
        spent = [server.cpu() - start for server, start in zip((here, there, redis), before, strict=True)]
    for sink in sinks:
        sink.transport.abort()
    done = next(int(line.split()[0]) for line in output.splitlines() if "requests in" in line)
    if "Non-2xx" in output:
        raise RuntimeError(f"{target} refused pushes:\n{output}")
    return [done / duration, *(cost / done * 1e6 for cost in spent)]


def latency(options: argparse.Namespace) -> None:
    """Open loop at a stated rate; latency counts from when a push was due to its arrival at the client."""
    rate = options.rate
    print(f"\n| push to the other node at {rate:,}/s | p50, ms | p99, ms | lost or refused |\n|---|---|---|---|")
    for target in ("one PUBLISH per push", "wsgw"):
        found = []
        for _ in range(options.trials):
            with ExitStack() as stack:
                redis = stack.enter_context(redis_server(LOAD_CORE))
                os.sched_setaffinity(redis.process.pid, {0, 1})
                here, there = _pair(stack, target, options.python)
                stage = "/bench/prod" if target == "wsgw" else "/prod"
                found.append(
                    _loadtest(
                        there.base.replace("http", "ws", 1) + stage, {0, 1},
                        "--scenario", "push", "--push-url", here.base + stage, "--rate", str(rate),
                        "--connections", str(CLIENTS), "--in-flight", "512", "--duration", str(options.duration),
                    )
                )  # fmt: skip
        p50, p99 = [median([one["latency_ms"][which] for one in found]) for which in ("p50", "p99")]
        faults = sum(not one["passed"] for one in found)
        print(f"| {target} | {p50:.2f} | {p99:.2f} | {faults} of {len(found)} trials |")


def _loadtest(url: str, cores: set[int], *options: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        command = [sys.executable, "-m", "wsgw", "loadtest", url, "--json", str(file), *options]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(HERE.parent)},
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        if not file.exists():
            raise RuntimeError(f"the load generator failed:\n{done.stderr}")
        outcome: dict[str, Any] = json.loads(file.read_text())
        return outcome


# ---- connects


def connects(options: argparse.Namespace) -> None:
    """The node alone on core 0; Redis and the generator on core 1."""
    storm = ("--scenario", "connect", "--connections", "10000", "--duration", "30", "--source-addresses", "127.0.0.2")
    results: dict[str, list[tuple[float, float]]] = {"without a registry": [], "registry in Redis": []}
    for _ in range(options.trials):
        for target, trials in results.items():
            with ExitStack() as stack:
                stack.enter_context(redis_server(LOAD_CORE))
                extra = ("--redis", REDIS) if target != "without a registry" else ()
                one = stack.enter_context(node(options.python, {SERVER_CORE}, *extra)).server
                before = one.cpu()
                outcome = _loadtest(one.base.replace("http", "ws", 1) + "/bench/prod", {LOAD_CORE}, *storm)
                trials.append((outcome["per_second"], (one.cpu() - before) / outcome["done"] * 1e6))
                print(target, trials[-1], "" if outcome["passed"] else outcome["faults"], file=sys.stderr)
    _table("10,000 handshakes", "connects/s", results)


def _table(work: str, unit: str, results: dict[str, list[tuple[float, float]]]) -> None:
    base = median([rate for rate, _ in next(iter(results.values()))])
    print(f"\n| {work} | {unit} | × the first | µs of processor time each |\n|---|---|---|---|")
    for target, trials in results.items():
        rate, cost = median([rate for rate, _ in trials]), median([cost for _, cost in trials])
        print(f"| {target} | {rate:,.0f} | ×{rate / base:.2g} | {cost:.1f} |")


# ---- throttles


def throttles(options: argparse.Namespace) -> None:
    """The node alone on core 0; Redis and the generator on core 1. The limit is far away: its check is what costs."""
    limit = "{rateLimit: 1000000, burstLimit: 1000000}"
    setups: dict[str, tuple[str, tuple[str, ...]]] = {
        "no throttle": ("", ()),
        "in memory": (limit, ()),
        "in Redis, exact": (limit, ("--redis", REDIS)),
        "in Redis, sliced": (limit, ("--redis", REDIS, "--throttle-mode", "sliced")),
    }
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in setups}
    for _ in range(options.trials):
        for name, (throttle, extra) in setups.items():
            with ExitStack() as stack:
                stack.enter_context(redis_server(LOAD_CORE))
                one = stack.enter_context(node(options.python, {SERVER_CORE}, *extra, throttle=throttle)).server
                before = one.cpu()
                outcome = _loadtest(
                    one.base.replace("http", "ws", 1) + "/bench/prod", {LOAD_CORE},
                    "--connections", str(CLIENTS), "--action", "mock", "--verify", "order",
                    "--duration", str(options.duration),
                )  # fmt: skip
                results[name].append((outcome["per_second"], (one.cpu() - before) / outcome["done"] * 1e6))
                print(name, results[name][-1], file=sys.stderr)
    _table("message → MOCK → reply, throttled", "messages/s", results)


# ---- scaling


def scaling(options: argparse.Namespace) -> None:
    """One worker, then two, on both cores; Redis and the generator (two processes) share them and are counted too."""
    results: dict[str, list[tuple[float, float]]] = {"1 worker": [], "2 workers": []}
    for _ in range(options.trials):
        for name, trials in results.items():
            with ExitStack() as stack:
                redis = stack.enter_context(redis_server(LOAD_CORE))
                os.sched_setaffinity(redis.process.pid, {0, 1})
                backend = stack.enter_context(servers.backend(sys.executable))
                os.sched_setaffinity(backend.process.pid, {0, 1})
                workers = name.split()[0]
                extra = ("--redis", REDIS, "--workers", workers)
                one = stack.enter_context(node(options.python, {0, 1}, *extra, backend=backend.base)).server
                before = nchan.cpu_of(one)
                outcome = _loadtest(
                    one.base.replace("http", "ws", 1) + "/bench/prod", {0, 1},
                    "--connections", "128", "--processes", "2", "--duration", str(options.duration),
                )  # fmt: skip
                busy = (nchan.cpu_of(one) - before) / options.duration
                print(name, f"{busy:.2f} cores used by the workers", file=sys.stderr)
                trials.append((outcome["per_second"], (nchan.cpu_of(one) - before) / outcome["done"] * 1e6))
    _table("message → HTTP backend → reply, generator and backend on the same two cores", "messages/s", results)


# ---- many connections


def hold(options: argparse.Namespace) -> None:
    """36,000 idle connections over two workers. The generator shares both cores."""
    seconds = options.hold_seconds
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(LOAD_CORE))
        os.sched_setaffinity(redis.process.pid, {0, 1})
        one = stack.enter_context(
            node(options.python, {0, 1}, "--redis", REDIS, "--workers", "2", "--heartbeat-seconds", "60")
        )
        workers = subprocess.run(
            ["pgrep", "-P", str(one.server.process.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        memory = [_resident(int(pid)) for pid in workers]
        redis_before = _redis_memory()
        url = one.server.base.replace("http", "ws", 1) + "/bench/prod"
        result = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "result.json"
        command = [sys.executable, "-m", "wsgw", "loadtest", url, "--scenario", "idle", "--connections", "36000",
                   "--duration", str(seconds), "--processes", "2",
                   "--source-addresses", "127.0.0.2,127.0.0.3,127.0.0.4", "--json", str(result)]  # fmt: skip
        load = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        )
        most, grown, in_redis, lag = 0.0, 0.0, 0.0, 0.0
        while load.poll() is None:
            time.sleep(5)
            metrics = _metrics(one.control)
            open_ = sum(metrics.get("wsgw_connections", []))
            if open_ >= most and open_:
                most = open_
                grown = sum(_resident(int(pid)) for pid in workers) - sum(memory)
                in_redis = _redis_memory() - redis_before
            lag = max([lag, *metrics.get("wsgw_event_loop_lag_p99_seconds", [])])
            print(f"{open_:,.0f} open, loop lag p99 {lag * 1000:.1f} ms", file=sys.stderr)
        outcome = json.loads(result.read_text())
    print(f"\n| 36,000 idle connections over two workers, {seconds:g} s | |\n|---|---|")
    print(f"| most open at once | {most:,.0f} |\n| faults | {outcome['faults'] or 'none'} |")
    print(f"| workers' memory per connection, KiB | {grown / max(most, 1) / 1024:.2f} |")
    print(f"| Redis's memory per connection, bytes | {in_redis / max(most, 1):.0f} |")
    print(f"| loop lag, p99, worst of all scrapes, ms | {lag * 1000:.1f} |")


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def _redis_memory() -> float:
    done = subprocess.run(["redis-cli", "-p", str(PORT), "info", "memory"], capture_output=True, text=True, check=True)
    return float(next(line.split(":")[1] for line in done.stdout.splitlines() if line.startswith("used_memory:")))


def _metrics(control: str) -> dict[str, list[float]]:
    """Values by metric name, labels left aside."""
    values: dict[str, list[float]] = {}
    with urllib.request.urlopen(f"{control}/metrics", timeout=10) as page:
        for line in page.read().decode().splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                values.setdefault(name.partition("{")[0], []).append(float(value))
    return values


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", default=[], choices=CASES)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--duration", type=float, default=5)
    parser.add_argument("--hold-seconds", type=float, default=600)
    parser.add_argument("--rate", type=int, default=7_500, help="of `latency`, pushes a second (7500)")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the servers under test")
    options = parser.parse_args()
    for tool in ("redis-server", "redis-cli", "wrk"):
        if shutil.which(tool) is None:
            parser.error(f"needs {tool} (Debian: apt-get install redis-server wrk)")
    runs = {
        "push": pushes,
        "latency": latency,
        "connects": connects,
        "throttle": throttles,
        "scaling": scaling,
        "hold": hold,
    }
    for name in options.only or CASES[:-1]:
        runs[name](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
