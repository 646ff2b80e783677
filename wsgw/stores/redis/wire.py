"""What nodes send each other: a version byte, a byte that says whether it is signed, msgpack.

With the setting cluster_secret each message ends in 16 bytes of BLAKE2b, keyed with it, over the channel and all that
comes before: whoever can write to Redis but lacks the secret can neither make a message nor send one to another node.
Sending one again is refused by its sequence number (see Senders), at a node that has heard that sender since it
started; one that has just started holds no connection that an old message could name. What is signed can still be read,
held back, or kept from arriving by whoever controls Redis.
"""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest

import msgspec

from wsgw.stores.base import Answer, Question

VERSION = 1
#: Longer messages are refused unread. A batch ends at 256 KiB, but a single question may be as large as a push is.
MOST_BYTES = 16 << 20

_UNSIGNED = bytes((VERSION, 0))
_SIGNED = bytes((VERSION, 1))
_SIGNATURE = 16


class Batch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Questions and answers from one node to another, in order; with neither it is a heartbeat, to oneself.

    nonce: names the process that sends, whatever it calls itself; sequence: grows with each batch of that process
    sent: when, on the sender's own monotonic clock; seconds: how long it waits for answers
    Each question and answer comes with the number that the asker knows the question by.
    """

    sender: str
    nonce: int
    sequence: int
    sent: float
    seconds: float
    questions: list[tuple[int, Question]] = []
    answers: list[tuple[int, Answer]] = []


class Announcement(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A topic that has changed; None only shows that the channel carries."""

    topic: str | None


class Unreadable(Exception):
    """No message of this version: cut off, of other types, too large."""


class Forged(Exception):
    """The signature is missing or wrong."""


class Wire:
    """Messages to bytes and back. `secret` is the setting cluster_secret; empty: nothing is signed or checked."""

    def __init__(self, secret: str) -> None:
        # BLAKE2b takes keys of up to 64 bytes; a secret may be longer.
        self._key = blake2b(secret.encode(), digest_size=32).digest() if secret else b""
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode_batch = msgspec.msgpack.Decoder(Batch).decode
        self._decode_announcement = msgspec.msgpack.Decoder(Announcement).decode

    def write(self, channel: str, message: Batch | Announcement) -> bytes:
        body = self._encode(message)
        if not self._key:
            return _UNSIGNED + body
        signed = _SIGNED + body
        return signed + self._signature(channel, signed)

    def read_batch(self, channel: str, data: bytes) -> Batch:
        """Raises Unreadable and Forged, nothing else."""
        body = self._body(channel, data)
        try:
            return self._decode_batch(body)
        except Exception as error:
            raise Unreadable(str(error)) from error

    def read_announcement(self, channel: str, data: bytes) -> Announcement:
        """Raises Unreadable and Forged, nothing else."""
        body = self._body(channel, data)
        try:
            return self._decode_announcement(body)
        except Exception as error:
            raise Unreadable(str(error)) from error

    def _body(self, channel: str, data: bytes) -> memoryview:
        if len(data) > MOST_BYTES:
            raise Unreadable(f"{len(data)} bytes, more than {MOST_BYTES}")
        prefix = data[:2]
        if prefix not in (_SIGNED, _UNSIGNED):
            raise Unreadable(f"begins with {prefix.hex() or 'nothing'}; this is version {VERSION}")
        end = len(data)
        if prefix == _SIGNED:
            end -= _SIGNATURE
        if self._key and (prefix != _SIGNED or not compare_digest(data[end:], self._signature(channel, data[:end]))):
            raise Forged
        # Signed, and no secret here to check it with: as good as what is unsigned.
        return memoryview(data)[2 : max(end, 2)]

    def _signature(self, channel: str, signed: bytes) -> bytes:
        digest = blake2b(channel.encode(), key=self._key, digest_size=_SIGNATURE)
        # No channel contains it, so that channel and message cannot be divided elsewhere.
        digest.update(b"\0")
        digest.update(signed)
        return digest.digest()


class Senders:
    """The last sequence number heard of each sender. It remembers `most` of them, those heard last."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._last: dict[int, int] = {}

    def is_new(self, nonce: int, sequence: int) -> bool:
        """False for a batch that comes again, or after a later one: carrying it out would be twice, or out of order."""
        last = self._last.pop(nonce, 0)
        self._last[nonce] = max(last, sequence)
        if len(self._last) > self._most:
            del self._last[next(iter(self._last))]
        return sequence > last
