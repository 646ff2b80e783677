"""The processes of a benchmark: systems under test on core 0, backend and load generator on core 1."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
SERVER_CORE, LOAD_CORE = 0, 1
KEY, SECRET = "AKIDBENCH", "not-a-secret-but-long-enough"
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Server(NamedTuple):
    """A running process and where it listens: `base` is http://host:port."""

    process: subprocess.Popen[str]
    base: str

    def resident(self) -> int:
        """Resident memory in bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("the server has ended")

    def cpu(self) -> float:
        """Processor time used so far, in seconds."""
        return cpu_of(self.process.pid)


def cpu_of(pid: int) -> float:
    """Processor time that a process has used so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


@contextmanager
def started(command: list[str], core: int, environment: dict[str, str] | None = None) -> Iterator[Server]:
    """A process that says `ready data=…` once it listens, on `core`; ended with SIGTERM, then SIGKILL.

    Raises RuntimeError if it does not start.
    """
    OUT.mkdir(exist_ok=True)
    # A server that fails may say so once per message: its log is for reading afterwards.
    with (OUT / f"core-{core}.log").open("w") as log:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **(environment or {})},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("ready "):
            raise RuntimeError(f"{' '.join(command)} did not start; see {log.name}")
        yield Server(process, dict(part.split("=", 1) for part in line.split()[1:])["data"])
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def backend(python: str) -> Iterator[Server]:
    """The backend, beside the load generator."""
    with started([python, str(HERE / "backend.py")], LOAD_CORE) as server:
        yield server


@contextmanager
def baseline(python: str, backend_base: str, *, signed: bool, heartbeat: float) -> Iterator[Server]:
    """The naive gateway. It knows no signatures; heartbeats it takes from the URL (see `url`)."""
    with started([python, str(HERE / "baseline.py"), backend_base + "/"], SERVER_CORE) as server:
        yield server


@contextmanager
def wsgw(python: str, backend_base: str, *, signed: bool, heartbeat: float) -> Iterator[Server]:
    """wsgw with its default settings: events, ids, metrics, limits, and an access log, to a file."""
    text = (HERE / "wsgw.yaml").read_text().replace("http://127.0.0.1:9000", backend_base)
    if signed:
        text += f"accessKeys:\n  {KEY}: {{secret: {SECRET}}}\n"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "wsgw.yaml"
        file.write_text(text)
        (Path(folder) / "handlers.py").write_text((HERE / "handlers.py").read_text())
        command = [python, "-m", "wsgw", "serve", str(file), "--port", "0", "--control-port", "0"]
        command += ["--access-log", str(Path(folder) / "access.log"), "--log-level", "warning", "--drain-seconds", "0"]
        if heartbeat:
            command += ["--heartbeat-seconds", str(heartbeat)]
        with started(command, SERVER_CORE, {"PYTHONPATH": str(HERE.parent)}) as server:
            yield server


TARGETS = {"baseline": baseline, "wsgw": wsgw}


def url(target: str, server: Server, *, connect: bool, heartbeat: float) -> str:
    """The WebSocket URL; with `connect`, of an API whose $connect asks the backend."""
    base = server.base.replace("http", "ws", 1)
    if target == "wsgw":
        return f"{base}/{'connecting' if connect else 'bench'}/prod"
    query = [*(["connect=1"] if connect else []), *([f"heartbeat={heartbeat}"] if heartbeat else [])]
    return f"{base}/prod" + (f"?{'&'.join(query)}" if query else "")


class Load(NamedTuple):
    """What the load generator found (`--json`), and what the server used meanwhile.

    `cpu` seconds of the server in the `seconds` from start to end of the generator; `idle` and `held` bytes of resident
    memory before, and at the last progress line with all connections open.
    """

    outcome: dict[str, Any]
    cpu: float
    seconds: float
    idle: int
    held: int


def load(target: str, server: Server, address: str, options: list[str]) -> Load:
    """Run `wsgw loadtest` against `address`. Raises RuntimeError if it ended with neither 0 nor 1."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        push = ["--push-url", address.replace("ws", "http", 1).partition("?")[0]]
        command = [sys.executable, "-m", "wsgw", "loadtest", address, *push, "--json", str(file), *options]
        idle, held, before = server.resident(), 0, server.cpu()
        start = time.perf_counter()
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": ""}
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **keys, "PYTHONPATH": str(HERE.parent)},
            preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CORE}),
        )
        assert process.stderr is not None
        said = ""
        with process.stderr as lines:
            for line in lines:
                said += line
                if " left: " in line:
                    held = server.resident()
        if process.wait() not in (0, 1) or not file.exists():
            raise RuntimeError(f"{target}: the load generator failed:\n{said}")
        seconds = time.perf_counter() - start
        return Load(json.loads(file.read_text()), server.cpu() - before, seconds, idle, held)
