"""The connections to one backend: who is idle, who is being opened, which calls wait for one."""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections import OrderedDict
from typing import NamedTuple

from wsgw.errors import IntegrationFailure, IntegrationTimeout
from wsgw.integrations.circuit import Circuit
from wsgw.integrations.egress import Egress, EgressDenied
from wsgw.integrations.http_call import Bounds, Call
from wsgw.integrations.http_connection import Connection
from wsgw.integrations.http_heads import KnownHeads
from wsgw.integrations.http_names import Addresses
from wsgw.integrations.http_tls import Handshake, check_validity
from wsgw.integrations.sweep import Sweep


class PoolLimits(NamedTuple):
    """What bounds a pool: connections per host, seconds an idle one is kept (0: none is), seconds to connect, answers.

    `egress`: which addresses it may connect to.
    """

    limit_per_host: int
    keepalive: float
    connect_timeout: float
    answers: Bounds
    egress: Egress


class Host:
    """One name and port, with one kind of TLS or none (`tls`).

    Idle connections are used last in, first out; calls that wait, first in, first out.
    Either nobody waits or nobody is idle. A call that finds no idle connection is queued and has one opened for it,
    within the limit; it then takes whichever is free first.
    """

    __slots__ = (
        "__weakref__",
        "_addresses",
        "_emptied",
        "_heads",
        "_limits",
        "_name",
        "_sweep",
        "_tls",
        "circuit",
        "connections",
        "idle",
        "opened",
        "opening",
        "queue",
    )

    def __init__(
        self,
        name: str,
        addresses: Addresses,
        tls: Handshake | None,
        limits: PoolLimits,
        sweep: Sweep,
        circuit: Circuit,
    ) -> None:
        self._name = name
        self._addresses = addresses
        self._tls = tls
        self._limits = limits
        self._sweep = sweep
        self._emptied = asyncio.Event()
        self._heads = KnownHeads()
        self.circuit = circuit
        self.connections: set[Connection] = set()
        self.idle: list[Connection] = []
        self.opening: set[asyncio.Task[None]] = set()
        self.queue: OrderedDict[Call, None] = OrderedDict()
        self.opened = 0  # connections ever

    # ---- calls

    def submit(self, call: Call) -> None:
        """Write `call` to an idle connection, or queue it. Raises IntegrationFailure while the circuit is open."""
        if self.circuit.opened and not self.circuit.admits():
            raise IntegrationFailure(detail="circuit_open")
        while self.idle:
            if self.idle.pop().start(call):
                return
        self.queue[call] = None
        self._open_more()

    def abandon(self, call: Call) -> None:
        """The caller has gone away. A connection with its request under way can't be used by anybody else."""
        connection = call.connection
        if connection is None:
            self.queue.pop(call, None)
        elif connection.call is call:
            connection.abandon()

    # ---- what connections say

    def answered(self) -> None:
        if self.circuit.failures:
            self.circuit.succeeded()

    def failed(self) -> None:
        self.circuit.failed()
        if self.circuit.opened:
            while self.queue:
                self.queue.popitem(last=False)[0].fail(IntegrationFailure(detail="circuit_open"))

    def release(self, connection: Connection) -> None:
        """`connection` is free: give it to the call that has waited longest."""
        if self.queue:
            call, _ = self.queue.popitem(last=False)
            if connection.start(call):
                return
            if connection.used:
                # Closed as soon as it had answered; another is opened when its loss is known.
                self._put_first(call)
            else:
                self._fail(call, "connection_reset", None)
        elif self._limits.keepalive > 0:
            connection.deadline = self._sweep.now() + self._limits.keepalive
            if connection.deadline < self._sweep.next:
                self._sweep.watch(connection.deadline)
            self.idle.append(connection)
        else:
            connection.abandon()

    def retry(self, call: Call) -> None:
        """Send `call` again on a new connection: what closed one idle connection has likely closed them all."""
        for connection in self.idle:
            connection.abandon()
        self.idle.clear()
        self._put_first(call)
        self._open_more()

    def lost(self, connection: Connection) -> None:
        self.connections.discard(connection)
        if not self.connections:
            self._emptied.set()
        if connection in self.idle:
            self.idle.remove(connection)
        self._open_more()

    def deadline(self, seconds: float) -> float:
        """The time `seconds` from now, which is watched."""
        deadline = self._sweep.now() + seconds
        if deadline < self._sweep.next:
            self._sweep.watch(deadline)
        return deadline

    def _put_first(self, call: Call) -> None:
        call.connection = None
        self.queue[call] = None
        self.queue.move_to_end(call, last=False)

    def _fail(self, call: Call, reason: str, cause: BaseException | None) -> None:
        error = IntegrationFailure(detail=reason)
        error.__cause__ = cause
        call.fail(error)
        if not isinstance(cause, EgressDenied):  # that says nothing about the backend
            self.failed()

    # ---- opening

    def _open_more(self) -> None:
        """Open a connection for every call that waits and has none opened for it, as far as the limit goes."""
        while len(self.opening) < len(self.queue):
            if len(self.connections) + len(self.opening) >= self._limits.limit_per_host:
                return
            self._sweep.add(self)
            task = asyncio.get_running_loop().create_task(self._open())
            self.opening.add(task)

    async def _open(self) -> None:
        """One attempt; if it fails, so does the call that has waited longest, and the next call gets an attempt."""
        task = asyncio.current_task()
        assert task is not None
        try:
            async with asyncio.timeout(self._limits.connect_timeout):
                connection = await self._connect()
        except OSError as error:
            self.opening.discard(task)
            if self.queue:
                self._fail(self.queue.popitem(last=False)[0], _reason(error), error)
            elif not isinstance(error, EgressDenied):
                self.failed()
            self._open_more()
        else:
            self.opening.discard(task)
            self.opened += 1
            self.connections.add(connection)
            self.release(connection)

    async def _connect(self) -> Connection:
        """Try the backend's addresses in turn, each with an even share of the time."""
        addresses = self._limits.egress.permitted(self._name, await self._addresses.all())
        share = self._limits.connect_timeout / len(addresses)
        failure: OSError | None = None
        for address in addresses:
            try:
                async with asyncio.timeout(share):
                    connection = await self._connect_to(address)
            except OSError as error:
                failure = error
            else:
                self._addresses.prefer(address)
                return connection
        self._addresses.forget()
        raise failure or OSError("no address")

    async def _connect_to(self, address: str) -> Connection:
        tls = self._tls
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self, self._limits.answers, self._heads),
            address,
            self._addresses.port,
            ssl=tls.context if tls else None,
            server_hostname=tls.server_name if tls else None,
        )
        if connection.lost:
            raise ConnectionResetError("closed at once")
        if tls is not None and not tls.verify:
            try:
                check_validity(connection.certificate())
            except ssl.SSLError:
                connection.abandon()
                raise
        return connection

    # ---- deadlines and the end

    def sweep(self, now: float) -> float | None:
        """Fail the calls and close the idle connections whose time is up; gives the next deadline."""
        earliest = math.inf
        for connection in tuple(self.connections):
            if connection.deadline <= now:
                if connection.call is None:
                    self.idle.remove(connection)
                connection.expire()
            elif connection.deadline < earliest:
                earliest = connection.deadline
        for call in tuple(self.queue):
            if call.deadline <= now:
                # Says nothing about the backend that the calls it keeps waiting don't say already.
                self.queue.pop(call, None)
                call.fail(IntegrationTimeout(detail="no_connection"))
            elif call.deadline < earliest:
                earliest = call.deadline
        if not (self.connections or self.queue or self.opening):
            return None
        return earliest

    async def close(self) -> None:
        """Fail what is under way, close all connections, end all attempts."""
        while self.queue:
            self.queue.popitem(last=False)[0].fail(IntegrationFailure(detail="pool_closed"))
        attempts = tuple(self.opening)
        self.opening.clear()
        for attempt in attempts:
            attempt.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)
        self.idle.clear()
        for connection in tuple(self.connections):
            connection.fail("pool_closed")
        # A transport closes its socket in a later turn of the loop.
        if self.connections:
            self._emptied.clear()
            await self._emptied.wait()


def _reason(error: OSError) -> str:
    if isinstance(error, EgressDenied):
        return "egress_denied"
    if isinstance(error, socket.gaierror):
        return "dns_failure"
    if isinstance(error, ssl.SSLError):
        return "tls_failure"
    if isinstance(error, ConnectionRefusedError):
        return "connection_refused"
    if isinstance(error, ConnectionResetError):
        return "connection_reset"
    return "connect_timeout" if isinstance(error, TimeoutError) else "connection_failed"
