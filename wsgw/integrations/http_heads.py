"""Heads of answers that a backend has sent before: what they say is known, and need not be parsed again.

Backends repeat themselves: but for the Date of each second, the heads of many answers are the same bytes. What the
parser has made of one holds whenever it comes again, and the bytes behind it are the body. Measured with 1 KiB answers
of four headers: 1.5 µs of the 5 that our own code costs such a request.
"""

from __future__ import annotations

from wsgw.header_fields import SharedHeaders
from wsgw.invocation import Reply

_MOST_HEADS = 128
_LONGEST_HEAD = 1024
#: After a table that was of no use, the next is begun so many answers later.
_REST = 10_000


class KnownHeads:
    """The heads of one backend. Only answers that the parser has read whole, out of one piece of bytes, are learnt."""

    __slots__ = ("_hits", "_known", "_rest")

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, SharedHeaders, int]] = {}
        self._hits = 0
        self._rest = 0

    def reply(self, data: bytes) -> Reply | None:
        """The answer that `data` is, if it is exactly one and its head is known."""
        if not self._known:
            return None
        end = data.find(b"\r\n\r\n") + 4
        known = self._known.get(data[:end])
        if known is None:
            return None
        status, headers, length = known
        if len(data) != end + length:
            return None
        self._hits += 1
        return Reply(status, data[end:], headers)

    def learn(self, data: bytes, reply: Reply) -> None:
        """`reply` is what the parser made of `data`, all of it, without a transfer coding or an interim answer."""
        if self._rest:
            self._rest -= 1
            return
        end = data.find(b"\r\n\r\n") + 4
        # Else what is behind the head is not just the body: line ends that the parser passed over.
        if end > _LONGEST_HEAD or end + len(reply.body) != len(data):
            return
        if len(self._known) >= _MOST_HEADS:
            self._known.clear()
            if self._hits < _MOST_HEADS:
                self._rest = _REST
            self._hits = 0
            return
        headers = SharedHeaders(reply.headers)
        self._known[data[:end]] = (reply.status, headers, len(reply.body))
