"""What a request says of its own signature, in its Authorization header or in its query. Nothing here is verified.

Source: IAM User Guide, "Create a signed AWS API request" and "Troubleshoot Signature Version 4" for the texts.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from time import gmtime, strftime
from typing import Final, NamedTuple

from wsgw.authorizers.canonical import Pair, decoded
from wsgw.errors import IncompleteSignature, MissingAuthenticationToken

ALGORITHM: Final = "AWS4-HMAC-SHA256"
LONGEST_EXPIRES: Final = 604_800

_HEADER_PARTS: Final = ("Credential", "Signature", "SignedHeaders")
#: Any of these says that a query means to be signed.
_TELLING: Final = frozenset({"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"})
_QUERY_PARTS: Final = (*sorted(_TELLING), "X-Amz-Date", "X-Amz-SignedHeaders")
_OPTIONAL: Final = frozenset({"X-Amz-Expires", "X-Amz-Security-Token"})
_EXPIRES: Final = re.compile(r"[0-9]{1,6}")
_BASIC_DATE: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")


class Claim(NamedTuple):
    """A signature and what it says of itself.

    `date` is in ISO 8601's basic format, `signed_at` the same in epoch seconds. `expires` is in seconds after that,
    None where the request states none. `headers` are the names it covers, as text (`host;x-amz-date`).
    """

    credential: str
    headers: str
    signature: str
    date: str
    signed_at: int
    expires: int | None
    token: str | None


def header_claim(authorization: str, headers: Mapping[str, str]) -> Claim:
    """The claim of an Authorization header. `headers`: by lower-case name. Raises IncompleteSignature."""
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise unreadable(authorization)
    parts: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals or name in parts:
            raise unreadable(authorization)
        parts[name] = value
    date = headers.get("x-amz-date")
    if date is None and "date" in headers:
        date = _from_http_date(headers["date"])
    if date is None or not all(map(parts.get, _HEADER_PARTS)):
        missing = [f"requires '{name}' parameter." for name in _HEADER_PARTS if not parts.get(name)]
        if date is None:
            missing.append("requires existence of either a 'X-Amz-Date' or a 'Date' header.")
        texts = " ".join([f"Authorization header {text}" for text in missing])
        raise IncompleteSignature(
            f"{texts} (Hashed with SHA-256 and encoded with Base64) Authorization={_fingerprint(authorization)}"
        )
    return Claim(
        parts["Credential"],
        parts["SignedHeaders"],
        parts["Signature"],
        date,
        _signed_at(date),
        None,
        headers.get("x-amz-security-token"),
    )


def query_claim(pairs: Sequence[Pair]) -> tuple[Claim, list[Pair]]:
    """The claim of a presigned query, and the pairs that it covers: all but the signature.

    pairs: encoded as they came. Raises MissingAuthenticationToken, IncompleteSignature.
    """
    parts: dict[str, str] = {}
    covered = []
    for name, value in pairs:
        name_as_text = decoded(name)
        if name_as_text in _OPTIONAL or name_as_text in _QUERY_PARTS:
            if name_as_text in parts:
                raise IncompleteSignature(f"AWS query-string parameter '{name_as_text}' must not be repeated.")
            parts[name_as_text] = decoded(value)
        if name_as_text != "X-Amz-Signature":
            covered.append((name, value))
    if _TELLING.isdisjoint(parts):
        raise MissingAuthenticationToken
    missing = [f"'{name}'" for name in _QUERY_PARTS if not parts.get(name)]
    if missing:
        raise IncompleteSignature(
            f"AWS query-string parameters must include {' and '.join(missing)}. Re-examine the query-string parameters."
        )
    if parts["X-Amz-Algorithm"] != ALGORITHM:
        raise IncompleteSignature(f"Unsupported AWS 'algorithm': only '{ALGORITHM}' is accepted.")
    date = parts["X-Amz-Date"]
    claim = Claim(
        parts["X-Amz-Credential"],
        parts["X-Amz-SignedHeaders"],
        parts["X-Amz-Signature"],
        date,
        _signed_at(date),
        _expires(parts.get("X-Amz-Expires")),
        parts.get("X-Amz-Security-Token"),
    )
    return claim, covered


def basic_date(epoch: float) -> str:
    """Epoch seconds in ISO 8601's basic format, as AWS writes dates in signatures and in texts about them."""
    return strftime("%Y%m%dT%H%M%SZ", gmtime(epoch))


@lru_cache(maxsize=256)
def _epoch(date: str) -> int | None:
    """Epoch seconds of `date`, None if it is no date. Remembered: requests of one second share theirs."""
    found = _BASIC_DATE.fullmatch(date)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _signed_at(date: str) -> int:
    epoch = _epoch(date)
    if epoch is None:
        raise IncompleteSignature("Date must be in ISO-8601 'basic format'.")
    return epoch


def _from_http_date(text: str) -> str:
    """The basic form of a Date header, which may be in that form already."""
    if _epoch(text) is not None:
        return text
    try:
        moment = parsedate_to_datetime(text)
        # Without a zone it is in UTC: RFC 5322 section 3.3 on `-0000`.
        return (moment if moment.tzinfo is None else moment.astimezone(UTC)).strftime("%Y%m%dT%H%M%SZ")
    except (ValueError, TypeError, IndexError, OverflowError):
        raise IncompleteSignature("Date must be in ISO-8601 'basic format' or an HTTP date.") from None


def _expires(text: str | None) -> int | None:
    if text is None:
        return None
    if _EXPIRES.fullmatch(text) is None or not 1 <= int(text) <= LONGEST_EXPIRES:
        raise IncompleteSignature(f"X-Amz-Expires must be between 1 and {LONGEST_EXPIRES} seconds.")
    return int(text)


def unreadable(authorization: str) -> IncompleteSignature:
    """What an Authorization header that is no signature ends in."""
    return IncompleteSignature(
        "Invalid key=value pair (missing equal-sign) in Authorization header "
        f"(hashed with SHA-256 and encoded with Base64): '{_fingerprint(authorization)}'."
    )


def _fingerprint(text: str) -> str:
    """What AWS shows of an Authorization header in place of the header."""
    return b64encode(sha256(text.encode("utf-8", "surrogatepass")).digest()).decode()
