"""A JSON Web Token read strictly, before anything in it is believed: three segments of base64url JSON.

What could be read in two ways is refused: members that stand there twice, other encodings than UTF-8, padding, numbers
that JSON doesn't have. Keys that a token brings along or points to (`jwk`, `jku`, `x5u`, `x5c`) are never looked at.
Source: RFC 7515 (JWS), RFC 7519 (JWT), RFC 8725 (best current practices).
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, NamedTuple

from wsgw.invocation import HttpInvocation, Invocation

#: Longer ones are refused unread. A head of a request that is allowed by default has no room for as much.
MOST_BYTES: Final = 65_536
WRONG_SEGMENTS: Final = "token contains an invalid number of segments"
MALFORMED: Final = "token is malformed"
WRONG_ALGORITHM: Final = "the token does not have a valid algorithm"
#: Kinds of token that say who is calling; others (logout tokens, security events) have a signature of the issuer, too.
_TYPES: Final = frozenset(("jwt", "at+jwt", "application/jwt", "application/at+jwt"))
_PREFIX: Final = "bearer "
_SOURCES: Final = {
    "$request": re.compile(r"\$request\.(header|querystring)\.(.+)"),
    "route.request": re.compile(r"route\.request\.(header|querystring)\.(.+)"),
    "method.request": re.compile(r"method\.request\.(header)\.(.+)"),
}
_NAME: Final = re.compile(r"[^\s\x00-\x1f\x7f]+")


class InvalidToken(Exception):
    """A token is refused. The text says why, of nothing but rules: it goes to the client. `expired`: for its time."""

    def __init__(self, description: str, *, expired: bool = False) -> None:
        self.description = description
        self.expired = expired
        super().__init__(description)


class Shown(NamedTuple):
    """What a caller shows as a token, without `Bearer`. `digest`: what it is known again by, b"" if it is too long."""

    text: str
    digest: bytes


def shown(text: str) -> Shown | None:
    """What a caller shows who has sent `text`; None for nothing."""
    if not text:
        return None
    text = without_bearer(text)
    # Texts that are no token may become alike; none of them was ever found good.
    return Shown(text, b"" if len(text) > MOST_BYTES else sha256(text.encode("ascii", "replace")).digest())


class Token:
    """A token as it was read. Nothing in it is known to be true."""

    __slots__ = ("algorithm", "claims", "kid", "signature", "signed")

    def __init__(self, algorithm: str, kid: str, claims: dict[str, Any], signed: bytes, signature: bytes) -> None:
        self.algorithm = algorithm
        self.kid = kid
        self.claims = claims
        self.signed = signed
        self.signature = signature


def read_token(text: str, algorithms: frozenset[str]) -> Token:
    """The token in `text`, which is without `Bearer`. Raises InvalidToken, in the order in which the service checks."""
    if len(text) > MOST_BYTES:
        raise InvalidToken(MALFORMED)
    segments = text.split(".", 3)
    if len(segments) != 3:
        raise InvalidToken(WRONG_SEGMENTS)
    header, claims = _object(segments[0]), _object(segments[1])
    signature = _decoded(segments[2])
    _check_header(header)
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise InvalidToken(WRONG_ALGORITHM)
    if not isinstance(kid, str) or not kid:
        raise InvalidToken("the token does not name a key")
    return Token(algorithm, kid, claims, f"{segments[0]}.{segments[1]}".encode(), signature)


def without_bearer(text: str) -> str:
    """`text` without the scheme before a token, whatever its case."""
    return text[len(_PREFIX) :].strip() if text[: len(_PREFIX)].lower() == _PREFIX else text.strip()


def token_reader(source: str, form: str) -> Callable[[Invocation], Shown | None]:
    """Reads the identity source of a token. Raises ValueError for a source that is none.

    form: how this kind of API writes it: `$request`, `route.request` or `method.request`.
    """
    match = _SOURCES[form].fullmatch(source)
    if match is None or not _NAME.fullmatch(match[2]):
        known = f"{form}.header.NAME" + ("" if form == "method.request" else f" or {form}.querystring.NAME")
        raise ValueError(f"identity source {source!r}: a token stands in {known}")
    name = match[2]
    if match[1] == "querystring":
        return lambda invocation: shown(_one([value for key, value in invocation.query if key == name]))
    lower = name.lower()
    if form == "route.request":
        return lambda invocation: shown(_one([value for key, value in invocation.headers if key.lower() == lower]))
    made = f"token in {lower}"

    def read(invocation: Invocation) -> Shown | None:
        assert isinstance(invocation, HttpInvocation)
        fields = invocation.fields
        # Made of header lines alone, so once for a caller that repeats itself; see HeaderFields.
        if made not in fields.made:
            fields.made[made] = shown(_one(fields.all(lower)))
        found: Shown | None = fields.made[made]
        return found

    return read


def _one(values: list[str]) -> str:
    # Of two tokens nobody knows which one others take: together they are none.
    return values[0] if len(values) == 1 else ",".join(values)


def _check_header(header: dict[str, Any]) -> None:
    if "crit" in header or "b64" in header:
        # Whoever signed it says that it must not be taken by those who don't know some extension. We know none.
        raise InvalidToken(MALFORMED)
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise InvalidToken("the token does not have a valid type")


def _decoded(segment: str) -> bytes:
    try:
        decoded = urlsafe_b64decode(segment + "==")
    except ValueError:
        raise InvalidToken(MALFORMED) from None
    # What is no base64url was passed over; bits behind the last byte would let one token be written in several ways.
    if urlsafe_b64encode(decoded).rstrip(b"=").decode() != segment:
        raise InvalidToken(MALFORMED)
    return decoded


def _object(segment: str) -> dict[str, Any]:
    try:
        text = _decoded(segment).decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # half of a surrogate pair is no text
    except (ValueError, RecursionError):
        raise InvalidToken(MALFORMED) from None
    if not isinstance(value, dict):
        raise InvalidToken(MALFORMED)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands there twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")
