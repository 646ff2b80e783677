"""Ports for servers that are stopped and started again on the same port."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

# Below what systems give to outgoing connections: one of those could take the port while its server is down, and a
# client that tries again and again could even connect to itself.
# Each test process has its own, so that none is handed out twice; what lies above is for `make cluster`.
_MINE, _PROCESSES = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
_RANGE = range(10_000 + int(_MINE.removeprefix("gw")), 28_000, int(_PROCESSES))


@contextmanager
def nobody_listens() -> Iterator[int]:
    """A port of 127.0.0.1 that refuses connections: it is taken, so that nobody comes to listen there meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def free_port() -> int:
    """A port of 127.0.0.1 that is free now. Another process may take it first: whoever starts a server tries again."""
    while True:
        port = random.choice(_RANGE)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
