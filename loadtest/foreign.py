"""Servers beside the baseline and wsgw that are not ours, nginx and Caddy: started, pinned to a core, measured."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import servers

_NGINX = """
{modules}
worker_processes 1;
worker_cpu_affinity {affinity};
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  {inside}
}}
"""


@contextmanager
def nginx(core: int, inside: str, modules: str = "") -> Iterator[servers.Server]:
    """One worker of nginx. inside: its `http` block, where PORT stands for the port; modules: lines that load some."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        file = Path(folder) / "nginx.conf"
        affinity = "01" if core == 0 else "10"
        inside = inside.replace("PORT", str(port))
        file.write_text(_NGINX.format(modules=modules, affinity=affinity, folder=folder, inside=inside))
        with process(["nginx", "-c", str(file), "-p", folder], core, port) as server:
            yield server


@contextmanager
def process(
    command: list[str], core: int, port: int, environment: dict[str, str] | None = None
) -> Iterator[servers.Server]:
    """`command`, which listens on `port`, on `core`. Raises RuntimeError if it does not."""
    started = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **(environment or {})},
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        _wait_for(started, port)
        yield servers.Server(started, f"http://127.0.0.1:{port}")
    finally:
        started.terminate()
        started.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu(server: servers.Server) -> float:
    """Processor time of the server and its children, in seconds: nginx works in a process of its own."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return server.cpu() + sum(servers.cpu_of(int(child)) for child in children)


def _wait_for(started: subprocess.Popen[str], port: int) -> None:
    for _ in range(200):
        if started.poll() is not None:
            raise RuntimeError(f"{started.args!r} did not start")
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{started.args!r} does not listen")
