"""What is measured: per case, how to load a target and which figure to take from the result."""

from __future__ import annotations

from typing import NamedTuple

from servers import Load


class Case(NamedTuple):
    """One line of the table.

    `options` go to `wsgw loadtest`; `unit` says what `figure` gives; `better` is "more" or "less". `connect`: $connect
    asks the backend; `signed`: posts carry SigV4; `half`: at half the rate that the case `message` reached; `timed`:
    for as long as bench.py is told. `baseline` is the case that the baseline runs instead, where it has no such route.
    Cases that are not `usual` run when asked for by name.
    """

    name: str
    work: str
    unit: str
    better: str
    options: tuple[str, ...]
    connect: bool = False
    signed: bool = False
    half: bool = False
    timed: bool = True
    heartbeat: float = 0.0
    baseline: str = ""
    usual: bool = True


def _idle(connections: int, seconds: int) -> tuple[str, ...]:
    options = ("--scenario", "idle", "--connections", str(connections), "--duration", str(seconds))
    return (*options, "--source-addresses", "127.0.0.2,127.0.0.3", "--processes", "2")


_STORM = ("--scenario", "connect", "--connections", "10000", "--duration", "30", "--source-addresses", "127.0.0.2")
_CLOSED = ("--connections", "64")
_PUSH = ("--scenario", "push", "--connections", "64")

CASES = (
    Case("message", "message → HTTP backend → reply", "messages/s", "more", _CLOSED),
    Case("latency", "the same at half that load", "p99, ms", "less", (), half=True),
    Case("push", "push: POST → one client", "pushes/s", "more", _PUSH),
    Case("push-signed", "push, signed with SigV4", "pushes/s", "more", (*_PUSH, "--sign"), signed=True),
    Case("fan-out", "a POST to each of 500 clients, over and over", "pushes/s", "more",
         ("--scenario", "fan-out", "--connections", "500")),
    Case("memory-5000", "idle memory per connection, 5,000 open", "KiB", "less", _idle(5_000, 3), timed=False),
    Case("memory-15000", "idle memory per connection, 15,000 open", "KiB", "less", _idle(15_000, 3), timed=False),
    Case("connects", "connects, no $connect", "connects/s", "more", _STORM, timed=False),
    Case("connects-http", "connects, HTTP $connect", "connects/s", "more", _STORM, connect=True, timed=False),
    Case("mock", "message → MOCK → reply", "messages/s", "more",
         (*_CLOSED, "--action", "mock", "--verify", "order"), baseline="message"),
    Case("python", "message → Python handler → reply", "messages/s", "more",
         (*_CLOSED, "--action", "python"), baseline="message"),
    Case("hold", "18,000 connections held for five minutes, with heartbeats", "connections", "more",
         _idle(18_000, 300), timed=False, heartbeat=30.0, usual=False),
)  # fmt: skip


def figure(case: Case, load: Load) -> float:
    """The number that the table shows."""
    if case.name.startswith("memory"):
        return float((load.held - load.idle) / load.outcome["opened"] / 1024)
    if case.name == "hold":
        return float(load.outcome["timeline"][-1]["open"])
    if case.unit.startswith("p99"):
        return float(load.outcome["latency_ms"]["p99"])
    return float(load.outcome["per_second"])


def per_core_second(case: Case, load: Load) -> float | None:
    """What the server did per second of its own processor time, where work is counted; steadier on a busy machine."""
    return float(load.outcome["done"]) / load.cpu if case.unit.endswith("/s") and load.cpu else None
