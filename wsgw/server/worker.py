"""A worker's end of its pipes: the order that it gets from the supervisor, and what it reports.

The order comes over standard input, which then stays open and silent: its end says that the supervisor is gone. So
nothing secret stands on a command line, and no worker is left over. Until a worker serves, the supervisor reads what
it writes to standard error, to say once what all would say, or why it did not start; then the log is its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from wsgw.settings import Settings


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is to serve, and on which inherited descriptors: `sockets` by data address.

    control: path of the Unix socket for its control endpoint; report: where it says that it is ready; log: what its
    standard error is from then on.
    """

    slot: int
    settings: Settings
    files: tuple[str, ...]
    watch: bool
    sockets: tuple[tuple[int, ...], ...] = ()
    control: str
    report: int = -1
    log: int = -1


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A worker serves: its node's name, the URL of the data plane, and lines that say where its stages answer."""

    node: str
    data: str
    addresses: list[str] = []


class Leash:
    """The order that this process was started with, and the way to whoever gave it."""

    def __init__(self, order: Order) -> None:
        self.order = order

    @classmethod
    def taken(cls) -> Leash:
        """Read the order. Raises ValueError if this process was not started by a supervisor."""
        # Meant for the supervisor, but sent to every process of this name: it passes on what concerns a worker.
        for passed_on in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(passed_on, signal.SIG_IGN)
        order = msgspec.json.decode(_line(0), type=Order)
        # They were handed to this process, not to those that it starts.
        for number in (order.report, order.log, *(number for group in order.sockets for number in group)):
            os.set_inheritable(number, False)
        return cls(order)

    def sockets(self) -> list[list[socket.socket]]:
        """The data plane's sockets by address; the caller's to close."""
        return [[socket.socket(fileno=number) for number in group] for group in self.order.sockets]

    def report(self, ready: Ready) -> None:
        """Say that this worker serves. From here on its standard error is the log itself."""
        sys.stderr.flush()
        os.dup2(self.order.log, 2)
        os.close(self.order.log)
        os.write(self.order.report, msgspec.json.encode(ready) + b"\n")
        os.close(self.order.report)

    def when_lost(self, call: Callable[[], None]) -> None:
        """Call `call` once the supervisor has gone."""
        loop = asyncio.get_running_loop()

        def look() -> None:
            if not os.read(0, 1024):
                loop.remove_reader(0)
                call()

        loop.add_reader(0, look)

    def clean_up(self) -> None:
        """Remove the control socket, and the directory when this was the last in it."""
        path = Path(self.order.control)
        try:
            path.unlink(missing_ok=True)
            path.parent.rmdir()
        except OSError:
            pass  # The supervisor, or another worker, still uses it.


def _line(descriptor: int) -> bytes:
    """One line, unbuffered: nothing that follows it is taken."""
    parts = []
    while part := os.read(descriptor, 65_536):
        parts.append(part)
        if part.endswith(b"\n"):
            break
    return b"".join(parts)
