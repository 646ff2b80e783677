"""The listening sockets of the worker slots: one for each data address and slot, made once, outliving every worker.

With SO_REUSEPORT the kernel spreads new connections over the slots. A connection that waits in the queue of a slot
whose worker has ended is taken by the next worker of that slot: nobody is refused when workers are replaced.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

from wsgw.edge.listeners import addresses, bind, cannot_listen
from wsgw.settings import Settings

#: The sockets of one slot, for each address of the data plane; a name that means several addresses has several.
SlotSockets = list[list[socket.socket]]


class DataAddresses:
    """The addresses of the data plane, with the ports that were chosen where the settings say 0.

    Raises OSError for one that cannot be listened on.
    """

    def __init__(self, settings: Settings) -> None:
        # Without SO_REUSEPORT at first: a port would be shared with another gateway in silence.
        probes = bind(addresses(settings))
        self._names = [[(one.family, one.getsockname()) for one in group] for group in probes]
        close(probes)

    def sockets(self) -> SlotSockets:
        """The sockets of another slot; its first worker begins to listen on them. Raises OSError."""
        made: SlotSockets = []
        try:
            for names in self._names:
                made.append([])
                made[-1].extend(_shared(family, name) for family, name in names)
        except OSError:
            close(made)
            raise
        return made


def close(sockets: Iterable[Iterable[socket.socket]]) -> None:
    """Let go of them; whoever waits in their queues is refused."""
    for group in sockets:
        for one in group:
            one.close()


def _shared(family: int, name: tuple[str, int]) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.setblocking(False)
        one.bind(name)
    except OSError as error:
        one.close()
        raise cannot_listen(error, "--port", *name[:2]) from error
    return one
