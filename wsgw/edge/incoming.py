"""A message while it comes in: put together, unmasked, inflated and checked bit by bit, as its bytes arrive."""

from __future__ import annotations

from codecs import utf_8_decode

from aiohttp._websocket.helpers import websocket_mask

from wsgw.edge.deflate import InflateError, Inflater
from wsgw.edge.frames import INVALID_PAYLOAD, TOO_BIG


class Broken(Exception):
    """Close code and reason of a failure, on its way to `feed`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Incoming:
    """A message that has not come to its end, and the frame of it that is being read.

    missing: payload bytes of that frame still to come; wire: bytes of the message so far, as sent; valid: how much of
    `data` is known to be UTF-8.
    """

    __slots__ = ("binary", "data", "fin", "fragments", "inflater", "mask", "missing", "valid", "wire")

    def __init__(self, binary: bool, inflater: Inflater | None) -> None:
        self.binary = binary
        self.inflater = inflater
        self.data = bytearray()
        self.valid = 0
        self.wire = 0
        self.fragments = 0
        self.missing = 0
        self.mask = b""
        self.fin = False

    def begin_frame(self, fin: bool, length: int, mask: bytes) -> None:
        self.fin = fin
        self.missing = length
        self.mask = mask
        self.fragments += 1

    def take(self, chunk: bytes, most: int) -> None:
        """Add `chunk`, which is masked and within the frame. `most`: limit of the message's bytes. Raises Broken."""
        size = len(chunk)
        payload = bytearray(chunk)
        websocket_mask(self.mask, payload)
        turn = size & 3
        self.mask = self.mask[turn:] + self.mask[:turn]
        self.missing -= size
        self.wire += size
        if self.inflater is None:
            self.data += payload
        else:
            self._inflate(self.inflater, payload, most)
        if not self.binary:
            self._validate()

    def finish(self) -> bytes:
        """The whole message. Raises Broken if it ends within a character."""
        if not self.binary and self.valid != len(self.data):
            raise Broken(INVALID_PAYLOAD, "Invalid UTF-8")
        return bytes(self.data)

    def _inflate(self, inflater: Inflater, payload: bytearray, most: int) -> None:
        try:
            self._inflated(inflater.inflate(payload, self._room(most)), most)
            if self.fin and not self.missing:
                self._inflated(inflater.finish(self._room(most)), most)
        except InflateError:
            raise Broken(INVALID_PAYLOAD, "Invalid compressed data") from None

    def _room(self, most: int) -> int:
        # One byte more than may be, to see that it is too much; the rest of a bomb is never inflated.
        return most - len(self.data) + 1 if most else 0

    def _inflated(self, part: bytes, most: int) -> None:
        self.data += part
        if most and len(self.data) > most:
            raise Broken(TOO_BIG, "Message too big")

    def _validate(self) -> None:
        # As it comes, so that text is refused where it goes wrong; what is left over is less than a character.
        try:
            self.valid += utf_8_decode(self.data[self.valid :], "strict", False)[1]
        except UnicodeDecodeError:
            raise Broken(INVALID_PAYLOAD, "Invalid UTF-8") from None
