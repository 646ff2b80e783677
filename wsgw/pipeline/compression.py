"""Content codings of REST APIs: bodies of requests decoded before they are read, answers compressed for clients.

Both are on where the API has a minimumCompressionSize. A stream is compressed if its length was announced; one of
unknown length may be events, which are for nobody to hold back.
Source: developer guide, "Payload compression for REST APIs"; RFC 9110 sections 8.4, 12.5.3 and 12.5.5.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from typing import Final

from wsgw.errors import BadRequest, RequestTooLarge, UnsupportedMediaType
from wsgw.invocation import HttpInvocation, Invocation, Reply, Stream
from wsgw.pipeline.run import Step

#: zlib's window bits: with gzip's header, and with zlib's own, which is what HTTP calls deflate.
_GZIP: Final = 16 + zlib.MAX_WBITS
_ZLIB: Final = zlib.MAX_WBITS
#: Most codings one on the other; more than one is a curiosity, many are an attack.
_MOST_CODINGS: Final = 2
#: A gzip body may have several members (RFC 1952 section 2.2), but what follows each is copied.
_MOST_MEMBERS: Final = 64
#: Up to this size bodies are compressed well, beyond it fast: nothing else runs meanwhile.
_SMALL: Final = 65_536
#: Statuses whose answers have no body, or a part of one that was counted in the bytes of the whole (Content-Range).
_LEFT: Final = frozenset((204, 206, 304))


def decode_body(most: int) -> Step:
    """Decode a body that Content-Encoding says is compressed; `most` bytes may come out of it.

    Raises UnsupportedMediaType for another coding, RequestTooLarge, and BadRequest where the body is not what it says.
    """

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        values = invocation.fields.all("content-encoding")
        if not values:
            return
        codings = [coding.strip().lower() for value in values for coding in value.split(",")]
        codings = [coding for coding in codings if coding and coding != "identity"]
        if len(codings) > _MOST_CODINGS or not all(coding in ("gzip", "x-gzip", "deflate") for coding in codings):
            raise UnsupportedMediaType(detail="a Content-Encoding other than gzip, deflate and identity")
        for coding in reversed(codings):
            invocation.body = decoded(invocation.body, coding, most)

    return step


def decoded(body: bytes, coding: str, most: int) -> bytes:
    """`body` without its `gzip` or `deflate` coding. Raises RequestTooLarge where it has more than `most` bytes."""
    if not body:
        return body
    if coding == "deflate":
        # Some clients leave out zlib's two bytes before the data (RFC 9110 section 8.4.1.2 warns of them).
        bare = body[0] & 0x0F != 8 or int.from_bytes(body[:2]) % 31 != 0
        return _inflated(body, -zlib.MAX_WBITS if bare else _ZLIB, most)[0]
    made = b""
    for _ in range(_MOST_MEMBERS):
        part, body = _inflated(body, _GZIP, most - len(made))
        made += part
        if not body:
            return made
    raise BadRequest(detail=f"a gzip body of more than {_MOST_MEMBERS} members")


def _inflated(body: bytes, window_bits: int, most: int) -> tuple[bytes, bytes]:
    inflater = zlib.decompressobj(window_bits)
    try:
        made = inflater.decompress(body, most + 1)
    except zlib.error as error:
        raise BadRequest(detail="the body is not in its Content-Encoding") from error
    if len(made) > most:
        raise RequestTooLarge(detail="the body is too large once it is decoded")
    if not inflater.eof:
        raise BadRequest(detail="the body ends before its Content-Encoding does")
    return made, inflater.unused_data


def compressor(minimum: int) -> Callable[[Reply, HttpInvocation], Reply]:
    """Compresses replies of at least `minimum` bytes for clients that take gzip or deflate."""

    def settle(reply: Reply, invocation: HttpInvocation) -> Reply:
        stream = reply.stream
        size = len(reply.body) if stream is None else stream.length
        if not size or size < minimum or reply.status in _LEFT or reply.header("content-encoding") is not None:
            return reply
        if "no-transform" in (reply.header("cache-control") or "").lower():
            return reply  # RFC 9110 §7.7
        accepted = invocation.fields.all("accept-encoding")
        coding = preferred_coding(", ".join(accepted)) if accepted else None
        headers = list(reply.headers)
        if "accept-encoding" not in (reply.header("vary") or "").lower():
            # A cache on the way must not give this answer to a client that takes another coding.
            headers.append(("Vary", "Accept-Encoding"))
        if coding is None:
            return Reply(reply.status, reply.body, headers, stream)
        # A strong ETag is of these very bytes, which are others now.
        headers = [
            (name, f"W/{value}" if name.lower() == "etag" and value[:1] == '"' else value) for name, value in headers
        ]
        headers.append(("Content-Encoding", coding))
        if stream is None:
            return Reply(reply.status, encoded(reply.body, coding), headers)
        return Reply(reply.status, b"", headers, EncodedStream(reply.body, stream, coding))

    return settle


def encoded(body: bytes, coding: str) -> bytes:
    """`body` in the `coding` gzip or deflate."""
    deflater = _deflater(coding, 6 if len(body) <= _SMALL else 1)
    return deflater.compress(body) + deflater.flush()


class EncodedStream:
    """`stream` behind `start` in the `coding` gzip or deflate, as it comes. How long it will be nobody knows."""

    __slots__ = ("_coding", "_start", "_stream", "length")

    def __init__(self, start: bytes, stream: Stream, coding: str) -> None:
        self._start = start
        self._stream = stream
        self._coding = coding
        self.length: int | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        deflater = _deflater(self._coding, 1)
        yield deflater.compress(self._start)
        async for piece in self._stream:
            yield deflater.compress(piece)
        yield deflater.flush()

    def cancel(self) -> None:
        self._stream.cancel()


def _deflater(coding: str, level: int) -> zlib._Compress:
    return zlib.compressobj(level, zlib.DEFLATED, _GZIP if coding == "gzip" else _ZLIB)


@lru_cache(maxsize=256)
def preferred_coding(accepted: str) -> str | None:
    """The one of gzip and deflate that an Accept-Encoding likes best, gzip where it does not say; None: neither.

    `*` alone asks for nothing in particular, and is not enough.
    """
    weights = {}
    for part in accepted.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if name in ("gzip", "deflate"):
            weights[name] = _weight(parameters)
    best = max(weights, key=lambda name: (weights[name], name == "gzip"), default=None)
    return best if best is not None and weights[best] > 0 else None


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                weight = float(parameter[2:])
            except ValueError:
                return 0.0
            return weight if 0 <= weight <= 1 else 0.0
    return 1.0
