"""RFC 6455 frames: their parts, what a client's frames mean, and the frames that a server writes. No I/O.

The reading half is in `frame_reader.py`.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

FIN: Final = 0x80
RSV1: Final = 0x40

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED: Final = 1003
NO_CODE: Final = 1005
ABNORMAL: Final = 1006
INVALID_PAYLOAD: Final = 1007
TOO_BIG: Final = 1009
SERVICE_RESTART: Final = 1012
TRY_AGAIN_LATER: Final = 1013
TLS_FAILED: Final = 1015

# A control frame's payload is at most 125 bytes; a close frame's begins with the code.
_REASON_BYTES: Final = 123
_BINARY_TYPE: Final = "application/octet-stream"


class FrameRules:
    """What a reader accepts; one object for all connections alike. 0 turns a limit off.

    frame_bytes: largest payload of a frame, as on the wire; message_bytes: largest message, inflated; fragments: most
    frames of one message; reject_binary: refuse a binary message at its first frame; compression: permessage-deflate
    was agreed on, without context takeover.
    `text_bytes` is the largest text that may come in one frame, for `whole_text`.
    """

    __slots__ = ("compression", "fragments", "frame_bytes", "message_bytes", "reject_binary", "text_bytes")

    def __init__(
        self,
        frame_bytes: int = 32_768,
        message_bytes: int = 131_072,
        fragments: int = 16_384,
        reject_binary: bool = False,
        compression: bool = False,
    ) -> None:
        self.frame_bytes = frame_bytes
        self.message_bytes = message_bytes
        self.fragments = fragments
        self.reject_binary = reject_binary
        self.compression = compression
        self.text_bytes = min(limit or 65_535 for limit in (frame_bytes, message_bytes))


class Message(Struct, frozen=True, gc=False):
    """A complete message. Text is valid UTF-8."""

    data: bytes
    binary: bool = False


class Ping(Struct, frozen=True, gc=False):
    payload: bytes


class Pong(Struct, frozen=True, gc=False):
    payload: bytes


class Close(Struct, frozen=True, gc=False):
    """The client's close frame; code 1005 if it had none. Nothing is read after it."""

    code: int
    reason: str


class ProtocolFailure(Struct, frozen=True, gc=False):
    """The connection must be failed with this close code and reason. Nothing is read after it."""

    code: int
    reason: str


Event = Message | Ping | Pong | Close | ProtocolFailure


def is_close_code(code: int) -> bool:
    """Whether a close frame may carry `code`. Source: RFC 6455 section 7.4, IANA's registry of close codes."""
    return 3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in (1004, NO_CODE, ABNORMAL))


def frames_for(payload: bytes, opcode: int = TEXT, fragment_bytes: int = 32_768, *, compressed: bool = False) -> bytes:
    """`payload` as a message, in frames of at most `fragment_bytes` (0 = one frame) each.

    compressed: `payload` was deflated, which its first frame says with RSV1.
    """
    first = opcode | RSV1 if compressed else opcode
    size = len(payload)
    if not fragment_bytes or size <= fragment_bytes:
        return _head(FIN | first, size) + payload
    parts = [_head(first, fragment_bytes), payload[:fragment_bytes]]
    for start in range(fragment_bytes, size, fragment_bytes):
        part = payload[start : start + fragment_bytes]
        parts.append(_head(FIN if start + fragment_bytes >= size else CONTINUATION, len(part)))
        parts.append(part)
    return b"".join(parts)


def close_frame(code: int = NORMAL, reason: str = "") -> bytes:
    """A close frame; `reason` is cut to what fits, between characters.

    1005, 1006 and 1015 stand for the want of a code and never go on the wire: their frame is empty.
    """
    if code in (NO_CODE, ABNORMAL, TLS_FAILED):
        return _head(FIN | CLOSE, 0)
    text = reason.encode("utf-8", "replace")
    if len(text) > _REASON_BYTES:
        text = text[:_REASON_BYTES].decode("utf-8", "ignore").encode()
    return _head(FIN | CLOSE, 2 + len(text)) + code.to_bytes(2, "big") + text


def is_binary_type(content_type: str | None) -> bool:
    """Whether a Content-Type asks for a binary frame; names of media types have no case (RFC 9110 §8.3.1)."""
    return content_type is not None and content_type.partition(";")[0].strip().lower() == _BINARY_TYPE


def as_text(payload: bytes) -> bytes:
    """`payload` as a text frame may carry it: what is not UTF-8 becomes U+FFFD, as the service does."""
    if payload.isascii():
        return payload
    return payload.decode("utf-8", "replace").encode()


def ping_frame(payload: bytes = b"") -> bytes:
    """payload: at most 125 bytes."""
    return _head(FIN | PING, len(payload)) + payload


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping with this payload."""
    return _head(FIN | PONG, len(payload)) + payload


def _head(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    if length < 65_536:
        return bytes((first, 126, length >> 8, length & 0xFF))
    return bytes((first, 127)) + length.to_bytes(8, "big")
