"""permessage-deflate (RFC 7692) without context takeover: a connection keeps no compression state between messages.

A context costs up to 300 KiB for each connection and direction: that is why takeover is refused both ways, always.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

# What a deflated message ends with, and what RFC 7692 section 7.2.1 leaves off on the wire.
_TAIL: Final = b"\x00\x00\xff\xff"
_NO_TAKEOVER: Final = ("server_no_context_takeover", "client_no_context_takeover")
_WINDOWS: Final = ("server_max_window_bits", "client_max_window_bits")


class InflateError(ValueError):
    """A compressed message is no deflate data."""


class Agreement(NamedTuple):
    """What was agreed on: `response` for Sec-WebSocket-Extensions, `window_bits` (9–15) for `deflated`."""

    response: str
    window_bits: int


def negotiate(offers: str) -> Agreement | None:
    """The first offer of permessage-deflate in a Sec-WebSocket-Extensions header that can be met; None without one.

    Source: RFC 7692 sections 5 and 7.1.
    """
    for offer in offers.split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name.lower() == "permessage-deflate" and (agreement := _accept(parameters)) is not None:
            return agreement
    return None


def _accept(parameters: list[str]) -> Agreement | None:
    response = "; ".join(("permessage-deflate", *_NO_TAKEOVER))
    bits = zlib.MAX_WBITS
    seen = set()
    for name, value in _parsed(parameters):
        if name in seen:
            return None
        seen.add(name)
        if name in _NO_TAKEOVER and value is None:
            continue
        if name == "client_max_window_bits" and value is None:
            continue
        if name not in _WINDOWS or value is None or not value.isascii() or not value.isdigit() or len(value) > 2:
            return None
        window = int(value)
        # zlib cannot deflate with a window of 256 bytes; an offer that insists on it is declined.
        if value[0] == "0" or not 8 <= window <= 15 or (name == "server_max_window_bits" and window == 8):
            return None
        if name == "server_max_window_bits":
            bits = window
            response += f"; server_max_window_bits={window}"
    return Agreement(response, bits)


def _parsed(parameters: list[str]) -> Iterator[tuple[str, str | None]]:
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        yield name.strip().lower(), value.strip().strip('"') if equals else None


def deflated(payload: bytes, window_bits: int = zlib.MAX_WBITS) -> bytes:
    """`payload` as the payload of a compressed message."""
    stream = zlib.compressobj(wbits=-window_bits)
    return (stream.compress(payload) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)


class Inflater:
    """Inflates one message, chunk by chunk. `room` is the most bytes that a call gives, 0 for any number."""

    __slots__ = ("_stream",)

    def __init__(self) -> None:
        # The largest window reads what was written with any smaller one.
        self._stream = zlib.decompressobj(wbits=-zlib.MAX_WBITS)

    def inflate(self, chunk: bytes | bytearray, room: int) -> bytes:
        """What `chunk` adds. What exceeds `room` is lost: the message is to be refused. Raises InflateError."""
        try:
            inflated = self._stream.decompress(chunk, room)
        except zlib.error as error:
            raise InflateError(str(error)) from error
        # After a final block one empty block may follow, whose tail is left off too (RFC 7692 section 7.2.3.4).
        if self._stream.unused_data not in (b"", b"\x00"):
            raise InflateError("data after the final block")
        return inflated

    def finish(self, room: int) -> bytes:
        """What is still to come at the message's end. Raises InflateError."""
        return b"" if self._stream.eof else self.inflate(_TAIL, room)
