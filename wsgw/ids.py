"""Ids in API Gateway's shapes, all of them opaque to clients.

A connection id is 26 bytes in URL-safe base64, 36 characters that end in `=`: 17 random bytes, the node that holds the
connection, a tag of its API, and a checksum. Node and tag are masked with the random part, so that no two ids share a
prefix. The checksum tells an altered id (400) from one that is gone (410); it is no secret: 128 random bits are.
"""

from __future__ import annotations

import os
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from hashlib import blake2b
from typing import NamedTuple
from zlib import crc32

_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_CONNECTION_ID_LENGTH = 36
#: Of a UUID's ninth byte, the first digit: the variant, and two bits at random.
_VARIANT = tuple("89ab"[byte >> 4 & 3] for byte in range(256))


class Entropy:
    """Random bytes of the operating system, fetched 4 KiB at a time: a system call costs more than an id."""

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        """`count` random bytes, each given out once; count ≤ 4096."""
        end = self._at + count
        if end > len(self._pool):
            self._pool = os.urandom(4096)
            self._at, end = 0, count
        taken = self._pool[self._at : end]
        self._at = end
        return taken

    def forget(self) -> None:
        """Fetch anew for the next id."""
        self._pool = b""
        self._at = 0


_entropy = Entropy()
# A forked child would otherwise give out its parent's ids again.
os.register_at_fork(after_in_child=_entropy.forget)


def _url_safe(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).translate(_TO_URL_SAFE).decode("ascii")


def request_id() -> str:
    """16 characters that end in `=`, as `$context.requestId` and `x-amz-apigw-id` have them."""
    return _url_safe(_entropy.take(11))


def message_id(connection_id: str) -> str:
    """20 characters, the last four those of the connection's id, as recorded on the service."""
    return _url_safe(_entropy.take(12)) + connection_id[-4:]


def uuid() -> str:
    """A random UUID (version 4), as `x-amzn-RequestId` has it; a quarter of the cost of `uuid.uuid4`."""
    raw = _entropy.take(16)
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[raw[8]]}{text[17:20]}-{text[20:]}"


def trace_id(epoch_seconds: int) -> str:
    """The value of `X-Amzn-Trace-Id`: `Root=1-{8 hex digits of the second}-{24 random}`."""
    return f"Root=1-{epoch_seconds:08x}-{_entropy.take(12).hex()}"


def parent_id() -> str:
    """The Parent of an `X-Amzn-Trace-Id`: 16 hex digits."""
    return _entropy.take(8).hex()


def node_name() -> str:
    """A new node's name: 4 hex digits."""
    return _entropy.take(2).hex()


class ConnectionId(NamedTuple):
    """What a well-formed connection id says: its node's name, and the tag of its API (see `api_tag`)."""

    node: str
    tag: bytes


def api_tag(api_id: str) -> bytes:
    """3 bytes that stand for an API inside its connections' ids."""
    return blake2b(api_id.encode(), digest_size=3).digest()


def connection_id(node: str, tag: bytes) -> str:
    """A new id of a connection of the API with `tag`, held by `node` (4 hex digits).

    None begins with `-`, which command lines would take for an option.
    """
    random = _entropy.take(17)
    while random[0] >> 2 == 62:  # the six bits that are `-`
        random = _entropy.take(17)
    named = bytes.fromhex(node) + tag
    masked = (int.from_bytes(named, "big") ^ int.from_bytes(random[1:6], "big")).to_bytes(5, "big")
    body = random + masked
    return _url_safe(body + crc32(body).to_bytes(4, "big"))


def read_connection_id(text: str) -> ConnectionId | None:
    """What `text` says, or None if it is no connection id of this service, or an altered one."""
    if len(text) != _CONNECTION_ID_LENGTH or not text.isascii():
        return None
    try:
        raw = a2b_base64(text.encode().translate(_FROM_URL_SAFE), strict_mode=True)
    except Base64Error:
        return None
    if len(raw) != 26 or crc32(raw[:22]).to_bytes(4, "big") != raw[22:] or _url_safe(raw) != text:
        return None
    named = (int.from_bytes(raw[17:22], "big") ^ int.from_bytes(raw[1:6], "big")).to_bytes(5, "big")
    return ConnectionId(named[:2].hex(), named[2:])
