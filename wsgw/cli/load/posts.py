"""The scenarios that post over HTTP: push, fan-out and http."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from wsgw.cli.load.client import Client, in_turn, tls_context
from wsgw.cli.load.ledger import Ledger
from wsgw.cli.load.plan import IDS_PER_CONNECTION, Messages
from wsgw.cli.load.posting import Poster, PushRequests, http_request
from wsgw.cli.load.run import Run


class _Pushes:
    """Posts pushes to the clients of a run and books their answers."""

    def __init__(self, run: Run) -> None:
        self._run = run
        base = run.plan.management_base()
        self.poster = Poster(base, run.plan.in_flight, tls_context(run.plan) if base.startswith("https:") else None)
        self._requests = PushRequests(run.plan)
        self._bodies = Messages("", run.plan.size)

    def post(self, client: Client, due: float, then: Callable[[], None] | None = None) -> None:
        """Push to `client`; `then` is called when the post is answered."""
        id = client.ledger.expect(due)

        def answered(status: int, body: bytes, at: float) -> None:
            if status == 200:
                self._run.tally.answers.add(at - due)
            else:
                client.refuse(id, f"push answered {status}: {body[:100].decode('utf-8', 'replace')}")
            if then is not None:
                then()

        self.poster.send(self._requests.build(client.connection_id, self._bodies.build(id)), answered)


async def push(run: Run) -> None:
    """Posts to @connections, to all clients in turn: at the rate, or `in_flight` at once. Done is what clients got."""
    await run.open(ordered=False, learn_ids=True)
    pushes = _Pushes(run)
    turn = in_turn(run.clients)

    async def drive() -> None:
        stop = False

        def at_due(due: float) -> None:
            client = next(turn)
            if client is not None:
                pushes.post(client, due)

        def again() -> None:
            client = None if stop else next(turn)
            if client is not None:
                pushes.post(client, time.perf_counter(), again)

        if run.plan.rate is not None:
            await run.at_rate(run.plan.rate, at_due)
            return
        for _ in range(run.plan.in_flight):
            again()
        await asyncio.sleep(run.total)
        stop = True

    await _with(pushes.poster, run, drive)


async def fan_out(run: Run) -> None:
    """Rounds of one push to every client: `rate` rounds a second, or each as soon as the one before has arrived."""
    await run.open(ordered=False, learn_ids=True)
    pushes = _Pushes(run)
    left: dict[int, int] = {}
    starts: dict[int, float] = {}
    stop = False

    def start(due: float) -> None:
        clients = [client for client in run.clients if client.connected]
        number = len(starts)
        starts[number], left[number] = due, len(clients)
        for client in clients:
            pushes.post(client, due)

    def settled(_: Client, id: int) -> None:
        number = id % IDS_PER_CONNECTION
        left[number] -= 1
        if left[number] == 0:
            now = time.perf_counter()
            run.tally.rounds.add(now - starts[number])
            if run.plan.rate is None and not stop:
                start(now)

    async def drive() -> None:
        nonlocal stop
        for client in run.clients:
            client.settled = settled
        if run.plan.rate is not None:
            await run.at_rate(run.plan.rate, start)
            return
        start(time.perf_counter())
        await asyncio.sleep(run.total)
        stop = True

    await _with(pushes.poster, run, drive)


async def http(run: Run) -> None:
    """Plain HTTP: POST the message, at the rate or one in flight on each connection."""
    plan = run.plan
    poster = Poster(plan.url, plan.connections, tls_context(plan) if plan.url.startswith("https:") else None)
    ledger = Ledger(plan.first_index, run.tally, ordered=False)
    messages = Messages(plan.action, plan.size)
    stop = False

    def post(due: float) -> None:
        id = ledger.expect(due)

        def answered(status: int, body: bytes, at: float) -> None:
            if not 200 <= status < 300:
                ledger.withdraw(id, f"answered {status}")
            elif plan.verify == "id" and b"%d" % id not in body:
                ledger.withdraw(id, "the answer does not repeat the request's id")
            else:
                ledger.take(b'"id":%d' % id, at)
            if plan.rate is None and not stop:
                post(time.perf_counter())

        poster.send(http_request(plan, messages.build(id)), answered)

    async def drive() -> None:
        nonlocal stop
        if plan.rate is not None:
            await run.at_rate(plan.rate, post)
            return
        for _ in range(plan.connections):
            post(time.perf_counter())
        await asyncio.sleep(run.total)
        stop = True

    await _with(poster, run, drive)
    ledger.abandon()


async def _with(poster: Poster, run: Run, drive: Callable[[], Awaitable[None]]) -> None:
    try:
        await poster.open()
    except OSError as error:
        run.tally.refused += 1
        run.tally.fault(f"no connection to {poster.host}: {error.strerror or error}")
        return
    try:
        await run.measure(drive)
        await run.settle()
    finally:
        await poster.close()
