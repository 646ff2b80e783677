"""The canonical forms of a request that SigV4 signs: its path, query and headers.

Signers differ in how they encode: one encodes an already encoded path again, another normalises it first; one
re-encodes the query, another signs it as it stands. A verifier tries these forms in turn, the most frequent first.
Source: IAM User Guide, "Create a signed AWS API request"; the differences were read off what botocore signs and sends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

Pair = tuple[str, str]

_SPECIAL: Final = re.compile(r"[^A-Za-z0-9\-._~]")
_SPECIAL_IN_PATH: Final = re.compile(r"[^A-Za-z0-9\-._~/]")
_SLASHES: Final = re.compile(r"//+")
_DOT_SEGMENT: Final = re.compile(r"(?:^|/)(?:\.|%2[eE]){1,2}(?:/|$)")
_ESCAPES: Final = {chr(byte): f"%{byte:02X}" for byte in range(256)}


def has_dot_segment(path: str) -> bool:
    """Whether `path` has a `.` or `..` segment, encoded or not.

    Signers leave such segments out of what they sign: a signature for `/b` would also hold for `/a/../b`.
    """
    if "/." not in path and "%2e" not in path and "%2E" not in path:
        return False
    return _DOT_SEGMENT.search(path) is not None


def path_forms(path: str) -> Iterator[str]:
    """What a signer may have signed for the raw `path`: encoded twice, the same normalised, encoded once."""
    twice = _escape(path or "/", _SPECIAL_IN_PATH)
    yield twice
    if "//" in path:
        yield _escape(_SLASHES.sub("/", path), _SPECIAL_IN_PATH)
    # Encoded once, `/a%2540` reads as `/a%40` does encoded twice: one signature would open both.
    if "%25" not in path:
        once = encoded_once(path)
        if once != twice:
            yield once


def encoded_once(path: str) -> str:
    """The raw `path` with what needs it encoded, whatever it was encoded like."""
    return "/".join(_reescape(segment) for segment in path.split("/")) or "/"


def query_pairs(query: str) -> list[Pair]:
    """The names and values of a raw query, in order and encoded as they came."""
    if not query:
        return []
    pairs = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        pairs.append((name, value))
    return pairs


def query_forms(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """What a signer may have signed for the raw `pairs`: re-encoded, and as sent."""
    if not pairs:
        return ("",)
    as_sent = _joined(pairs)
    # Encoders of forms write a space as `+`, and sign it as %20.
    again = _joined([(_reescape(name.replace("+", " ")), _reescape(value.replace("+", " "))) for name, value in pairs])
    return (again,) if again == as_sent else (again, as_sent)


def decoded(text: str) -> str:
    """A raw name or value of a query as text; what is no UTF-8 becomes surrogates."""
    return unquote_to_bytes(_bytes(text)).decode("utf-8", "surrogateescape") if "%" in text else text


def folded(headers: Sequence[Pair]) -> dict[str, str]:
    """Headers by lower-case name, the values of a repeated one joined by commas, in order."""
    values: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        values[name] = f"{values[name].strip()},{value.strip()}" if name in values else value
    return values


def header_lines(names: Sequence[str], headers: Mapping[str, str]) -> str:
    """The canonical headers. Raises KeyError for a name that is not sent."""
    return "".join([f"{name}:{' '.join(headers[name].split())}\n" for name in names])


def _joined(pairs: Sequence[Pair]) -> str:
    return "&".join([f"{name}={value}" for name, value in sorted(pairs)])


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _escape(text: str, special: re.Pattern[str]) -> str:
    return _escape_bytes(text if text.isascii() else _bytes(text).decode("latin-1"), special)


def _escape_bytes(text: str, special: re.Pattern[str]) -> str:
    """Escape a text that has one character per byte, as the table has."""
    return special.sub(lambda found: _ESCAPES[found[0]], text)


def _reescape(text: str) -> str:
    """`text` decoded and encoded again, whatever it was encoded like."""
    if "%" not in text:
        return _escape(text, _SPECIAL)
    return _escape_bytes(unquote_to_bytes(_bytes(text)).decode("latin-1"), _SPECIAL)
