"""Requests through HTTP and REST APIs, beside a naive aiohttp reverse proxy, nginx and Caddy, in the same run.

    python loadtest/http_proxy.py [--trials 3] [--duration 5] [--targets baseline,nginx,…] [--python PATH]
    python loadtest/http_proxy.py --latency [--rate 10000]

Needs `wrk` and `nginx`; Caddy takes part where it is installed. The system under test is alone on core 0; wrk and the
backend, an nginx that answers 1 KiB, share core 1. Prints requests a second, as measured and per second of the
system's own processor time, and their ratio to the baseline. With `--latency`, an open loop: `wsgw loadtest` posts to
REST's HTTP_PROXY at half of what wrk reached first, or at `--rate`, and latency counts from the intended time.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import foreign
import servers

CONNECTIONS = 64
ANSWER = '{"pad":"' + "x" * 1_012 + '"}'
BACKEND = f"server {{ listen 127.0.0.1:PORT; location / {{ default_type application/json; return 200 '{ANSWER}'; }} }}"
PROXY = """
  upstream backend { server BACKEND; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:PORT;
    location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
"""
CADDY = """
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  reverse_proxy {backend}
}}
"""
POST = f"""
wrk.method = "POST"
wrk.body = '{{"name":"it","pad":"{"x" * 996}"}}'
wrk.headers["Content-Type"] = "application/json"
"""


class Work(NamedTuple):
    """One line of the table: which target is asked for which path, and how."""

    name: str
    target: str
    path: str
    post: bool = False


WORKS = (
    Work("GET, aiohttp reverse proxy", "baseline", "/items"),
    Work("GET, nginx proxy_pass", "nginx", "/items"),
    Work("GET, Caddy reverse_proxy", "caddy", "/items"),
    Work("GET, wsgw, REST HTTP_PROXY", "wsgw", "/rest/prod/items"),
    Work("GET, wsgw, HTTP API HTTP_PROXY", "wsgw", "/http/items"),
    Work("POST 1 KiB, aiohttp reverse proxy", "baseline", "/items", post=True),
    Work("POST 1 KiB, nginx proxy_pass", "nginx", "/items", post=True),
    Work("POST 1 KiB, Caddy reverse_proxy", "caddy", "/items", post=True),
    Work("POST 1 KiB, wsgw, REST HTTP_PROXY", "wsgw", "/rest/prod/items", post=True),
    Work("POST 1 KiB, wsgw, HTTP API HTTP_PROXY", "wsgw", "/http/items", post=True),
    Work("POST 1 KiB, wsgw, REST HTTP_PROXY, validated", "wsgw", "/rest/prod/checked", post=True),
    Work("POST 1 KiB, wsgw, REST HTTP, templates both ways", "wsgw", "/rest/prod/mapped", post=True),
    Work("GET, wsgw, REST MOCK", "wsgw", "/rest/prod/mock"),
)


class Found(NamedTuple):
    per_second: float
    per_core_second: float


def main() -> int:
    options = _options()
    if options.latency:
        return _latency(options)
    wanted = set(options.targets.split(","))
    works = [work for work in WORKS if work.target in wanted]
    results: dict[str, list[Found]] = {work.name: [] for work in works}
    with ExitStack() as stack:
        backend = stack.enter_context(foreign.nginx(servers.LOAD_CORE, BACKEND))
        for trial in range(options.trials):
            for target in dict.fromkeys(work.target for work in works):
                with _started(target, options.python, backend.base) as server:
                    for work in (work for work in works if work.target == target):
                        found = _load(work, server, options.duration)
                        results[work.name].append(found)
                        print(f"{work.name:<48} trial {trial + 1}: {found.per_second:,.0f}/s", flush=True)
    print("\n" + _table(works, results))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--duration", type=float, default=5)
    parser.add_argument("--targets", default="baseline,nginx,wsgw" + (",caddy" if shutil.which("caddy") else ""))
    parser.add_argument("--python", default=sys.executable, help="interpreter of the baseline and wsgw")
    parser.add_argument("--latency", action="store_true", help="p99 at half load instead of the table")
    parser.add_argument("--rate", type=float, default=0, help="requests a second of --latency (half of the maximum)")
    options = parser.parse_args()
    missing = [name for name in ("wrk", "nginx") if shutil.which(name) is None]
    if missing:
        parser.error(f"{' and '.join(missing)} must be installed")
    return options


def _latency(options: argparse.Namespace) -> int:
    """p50, p99 and p99.9 of an open loop, of wsgw and of the baseline, each at half of its own maximum."""
    with servers.backend(options.python) as backend:
        for target, path in (("baseline", "/rest/prod/echo"), ("wsgw", "/rest/prod/echo")):
            with _started(target, options.python, backend.base) as server:
                most = _load(Work("", target, path, post=True), server, 3).per_second
                rate = options.rate or most / 2
                for trial in range(options.trials):
                    arguments = ["--scenario", "http", "--rate", f"{rate:.0f}", "--connections", str(CONNECTIONS)]
                    arguments += ["--duration", str(options.duration)]
                    outcome = servers.load(target, server, server.base + path, arguments).outcome
                    told = ", ".join(f"{name} {outcome['latency_ms'][name]:.2f}" for name in ("p50", "p99", "p99.9"))
                    busy = outcome["generator"]["busy"]
                    print(
                        f"{target:<9} trial {trial + 1}: {rate:,.0f}/s, ms: {told}; generator {busy:.0%} busy",
                        flush=True,
                    )
    return 0


@contextmanager
def _started(target: str, python: str, backend: str) -> Iterator[servers.Server]:
    address = backend.removeprefix("http://")
    if target == "baseline":
        with servers.started([python, str(servers.HERE / "reverse_proxy.py"), backend], servers.SERVER_CORE) as server:
            yield server
    elif target == "nginx":
        with foreign.nginx(servers.SERVER_CORE, PROXY.replace("BACKEND", address)) as server:
            yield server
    elif target == "caddy":
        with _caddy(address) as server:
            yield server
    else:
        with _wsgw(python, backend) as server:
            yield server


@contextmanager
def _wsgw(python: str, backend: str) -> Iterator[servers.Server]:
    """wsgw as it comes: every default on, and an access log, to a file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "http.yaml"
        file.write_text((servers.HERE / "http.yaml").read_text().replace("http://127.0.0.1:9000", backend))
        command = [python, "-m", "wsgw", "serve", str(file), "--port", "0", "--control-port", "0"]
        command += ["--access-log", str(Path(folder) / "access.log"), "--log-level", "warning", "--drain-seconds", "0"]
        # The account's throttle is a limit that AWS sets, and no work that is measured here.
        environment = {"PYTHONPATH": str(servers.HERE.parent), "WSGW_ACCOUNT_RATE": "0"}
        with servers.started(command, servers.SERVER_CORE, environment) as server:
            yield server


@contextmanager
def _caddy(backend: str) -> Iterator[servers.Server]:
    with tempfile.TemporaryDirectory() as folder:
        port = foreign.free_port()
        file = Path(folder) / "Caddyfile"
        file.write_text(CADDY.format(port=port, backend=backend))
        # One core is what every system here has.
        command = ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"]
        environment = {"GOMAXPROCS": "1", "HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
        with foreign.process(command, servers.SERVER_CORE, port, environment) as server:
            yield server


def _load(work: Work, server: servers.Server, duration: float) -> Found:
    """Run wrk against the work's path, after a short warm-up. Raises RuntimeError for an answer that is no 2xx."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(POST if work.post else "")
        script.flush()
        command = ["taskset", "-c", str(servers.LOAD_CORE), "wrk", "-t1", f"-c{CONNECTIONS}", "-s", script.name]
        url = server.base + work.path
        subprocess.run([*command, "-d1s", url], check=True, capture_output=True)
        before, start = foreign.cpu(server), time.perf_counter()
        told = subprocess.run([*command, f"-d{duration:g}s", url], check=True, capture_output=True, text=True).stdout
        cpu, seconds = foreign.cpu(server) - before, time.perf_counter() - start
    if "Non-2xx" in told or "Socket errors" in told:
        raise RuntimeError(f"{work.name}: {told}")
    line = next(line for line in told.splitlines() if line.startswith("Requests/sec:"))
    per_second = float(line.split()[1])
    return Found(per_second, per_second * seconds / cpu if cpu else 0.0)


def _table(works: list[Work], results: dict[str, list[Found]]) -> str:
    lines = ["| work | requests/s | ratio | per core-second | ratio |", "|---|---|---|---|---|"]
    base = {work.post: _medians(results[work.name]) for work in works if work.target == "baseline"}
    for work in works:
        found = _medians(results[work.name])
        first = base.get(work.post)
        ratios = [f"×{ours / theirs:.2g}" for ours, theirs in zip(found, first, strict=True)] if first else ["", ""]
        lines.append(
            f"| {work.name} | {found.per_second:,.0f} | {ratios[0]} | {found.per_core_second:,.0f} | {ratios[1]} |"
        )
    return "\n".join(lines) + "\n"


def _medians(trials: list[Found]) -> Found:
    return Found(
        statistics.median(trial.per_second for trial in trials),
        statistics.median(trial.per_core_second for trial in trials),
    )


if __name__ == "__main__":
    sys.exit(main())
