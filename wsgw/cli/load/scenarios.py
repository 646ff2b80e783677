"""The scenarios that need clients only, and the table of all.

Each opens what it needs, drives load through the measured window, and waits for what is still due.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable

from wsgw.cli.load.client import Client, in_turn
from wsgw.cli.load.posts import fan_out, http, push
from wsgw.cli.load.run import Run


async def connect(run: Run) -> None:
    """Storm: open all connections, at the rate or as fast as `in_flight` at a time go, and hold them to the end."""
    await _handshakes(run, run.plan.connections, replace=None)


async def reconnect(run: Run) -> None:
    """Churn: with all connections open, the oldest closes and a new one opens, over and over."""
    await run.open()
    await _handshakes(run, math.inf, replace=deque(run.clients))


async def _handshakes(run: Run, count: float, replace: deque[Client] | None) -> None:
    """`count` handshakes, or as many as fit the window; latency is until the connection is open."""
    tally, stop = run.tally, False
    tasks: set[asyncio.Task[None]] = set()

    async def one(due: float) -> None:
        if replace:
            oldest = replace.popleft()
            run.clients.remove(oldest)
            oldest.close()
        tally.sent += 1
        tally.now.sent += 1
        client = await run.connect()
        if client is not None:
            tally.finish(due, time.perf_counter())
            if replace is not None:
                replace.append(client)

    def start(due: float) -> None:
        task = asyncio.create_task(one(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def worker() -> None:
        nonlocal count
        while not stop and count > 0:
            count -= 1
            await one(time.perf_counter())

    async def drive() -> None:
        nonlocal stop
        if run.plan.rate is not None:
            await run.at_rate(run.plan.rate, start, count)
        else:
            tasks.update(asyncio.create_task(worker()) for _ in range(run.plan.in_flight))
            await asyncio.wait(tasks, timeout=run.total)
            stop = True

    await run.measure(drive)
    if tasks:
        _, unfinished = await asyncio.wait(tasks, timeout=run.plan.grace)
        for task in unfinished:
            task.cancel()
            tally.refused += 1
            tally.fault("handshake not done at the end of the run")
    await run.settle()


async def idle(run: Run) -> None:
    """Hold all connections; with `heartbeat`, each pings so often and wants its pong."""
    await run.open()
    turn = in_turn(run.clients)

    def ping(due: float) -> None:
        client = next(turn)
        if client is not None:
            client.ping(due)

    async def drive() -> None:
        if run.plan.heartbeat:
            await run.at_rate(run.plan.connections / run.plan.heartbeat, ping)
        else:
            await asyncio.sleep(run.total)

    await run.measure(drive)
    await run.settle()


async def request_reply(run: Run) -> None:
    """Messages that are answered: at the rate over all connections in turn, or one in flight on each."""
    await run.open()
    turn = in_turn(run.clients)

    def send(due: float) -> None:
        client = next(turn)
        if client is not None:
            client.send(due)

    async def drive() -> None:
        if run.plan.rate is not None:
            await run.at_rate(run.plan.rate, send)
            return
        stop = False

        def again(client: Client, _: int) -> None:
            if client.connected and not stop:
                client.send(time.perf_counter())

        for client in run.clients:
            client.settled = again
            again(client, 0)
        await asyncio.sleep(run.total)
        stop = True

    await run.measure(drive)
    await run.settle()


SCENARIOS: dict[str, Callable[[Run], Awaitable[None]]] = {
    "connect": connect,
    "reconnect": reconnect,
    "idle": idle,
    "request-reply": request_reply,
    "push": push,
    "fan-out": fan_out,
    "http": http,
}
