"""Lanes in front of aiohttp: the hot request shapes answered without a task and without its request objects.

A lane takes a WebSocket upgrade that is a connection's first request, and any request of plain framing: HTTP/1.1, with
a Content-Length within bounds or no body. Everything else (chunked, Expect, HTTP/1.0, malformed, large, …) is handed to
aiohttp with its bytes untouched, and that connection is aiohttp's from then on. The lanes hold no rule of their own:
`DataPlane.dispatch` answers here as it does there.
"""

from __future__ import annotations

from collections.abc import Callable

from wsgw.edge.aiohttp_door import Server
from wsgw.edge.data_plane import DataPlane, longest_target
from wsgw.edge.lane import Lane
from wsgw.header_fields import HeaderFields
from wsgw.settings import Settings

#: The largest body that a lane holds; those that are larger may be passed on as they come, which aiohttp's door does.
_BUFFERED = 131_072
#: Header lines that are known again: how many sets, and how long each may be.
_MOST_KNOWN = 512
_LONGEST_KNOWN = 2_048


class Lanes:
    """Makes a Lane per client socket, and sweeps them. `server` is where everything else goes."""

    def __init__(
        self,
        plane: DataPlane,
        server: Server,
        settings: Settings,
        now: Callable[[], float],
    ) -> None:
        self.plane = plane
        self.server = server
        self.settings = settings
        self.now = now
        self.head_bytes = settings.header_bytes + longest_target(settings)
        self.open: set[Lane] = set()
        #: Each answer ends its connection.
        self.keeps_none = False
        #: Header lines as bytes, with what they say, the Content-Length among them, and whether to keep the connection.
        #: They may hold what is secret: never logged, and forgotten when there are too many.
        self.known: dict[bytes, tuple[HeaderFields, int, bool]] = {}

    def __call__(self) -> Lane:
        return Lane(self)

    def body_limit(self) -> int:
        """The largest body that a lane takes: what no address refuses, so that no rule about it stands here."""
        least = self.plane.bodies.least
        return min(_BUFFERED, least) if least else _BUFFERED

    def remember(self, lines: bytes, fields: HeaderFields, length: int, keep: bool) -> None:
        """Know `lines` again, for clients and backends repeat themselves; but what is signed is new every time."""
        if len(self.known) >= _MOST_KNOWN:
            self.known.clear()
        if len(lines) <= _LONGEST_KNOWN and b"AWS4-HMAC-SHA256" not in lines:
            self.known[lines] = (fields, length, keep)

    def expects(self) -> bool:
        """Some client has connected and not sent its first request yet."""
        return any(not lane.served for lane in self.open)

    def sweep(self) -> None:
        """End what takes too long: a head or body on its way, or a kept connection that says nothing."""
        now = self.now()
        for lane in list(self.open):
            lane.due(now)

    def keep_none(self) -> None:
        """Nobody listens any more: whoever keeps a connection hears with its next answer that it ends.

        So too behind the lanes. A backend would otherwise send a push just when this process ends.
        """
        self.keeps_none = self.server.keeps_none = True

    def close(self) -> None:
        """Close the lanes that wait for a request; those that answer one close behind it."""
        self.keep_none()
        for lane in list(self.open):
            lane.retire()

    def abort(self) -> None:
        """End the lanes that are left: their clients take no part in closing TLS."""
        for lane in list(self.open):
            lane.abort()
