"""Header names of REST APIs: which a mapping may set towards a backend, and under which names answers give them.

Source: developer guide, "Amazon API Gateway important notes" for REST APIs; each name recorded on the service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from wsgw.errors import ApiConfigurationError
from wsgw.invocation import Headers
from wsgw.mapping.parameters import as_latin

_TARGET: Final = "integration.request.header."
_ANSWER: Final = "method.response.header."
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FIELD_VALUE_BYTES: Final = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))

_FRAMING: Final = frozenset(("content-length", "transfer-encoding", "x-amzn-trace-id", "x-amzn-apigateway-api-id"))
_ONE_HOP: Final = frozenset(("http2-settings", "keep-alive", "proxy-authorization", "proxy-connection"))


class Reserved(NamedTuple):
    """Of mapped headers (lower case), those that fail the request, and those that are left out in silence."""

    refused: frozenset[str]
    dropped: frozenset[str]


#: Towards HTTP backends (HTTP, HTTP_PROXY), and towards services and functions (AWS, AWS_PROXY).
TO_HTTP: Final = Reserved(_FRAMING, _ONE_HOP | {"connection", "expect", "proxy-authenticate", "te", "via"})
TO_AWS: Final = Reserved(
    _FRAMING | {"authorization", "connection", "expect", "proxy-authenticate", "te"},
    _ONE_HOP | {"referer", "via"},
)


def reserved_for(integration_type: str) -> Reserved:
    """Those of an integration of this type; none for MOCK, which maps no headers."""
    if integration_type == "MOCK":
        return Reserved(frozenset(), frozenset())
    return TO_HTTP if integration_type in ("HTTP", "HTTP_PROXY") else TO_AWS


#: Of the headers that a mapping or template sets in an answer, those that get another name.
_REMAPPED: Final = frozenset(
    ("authorization", "connection", "content-length", "content-md5", "date", "expect", "host", "max-forwards")
) | {"proxy-authenticate", "server", "trailer", "upgrade", "user-agent", "www-authenticate"}
_NOT_ANSWERED: Final = frozenset(("transfer-encoding",)) | _ONE_HOP


def allowed_mapping(mapping: Mapping[str, str], reserved: Reserved) -> tuple[dict[str, str], str | None]:
    """`mapping` (target → source) without the headers that are dropped; the first one that fails every request."""
    kept = {}
    for key, source in mapping.items():
        name = key.removeprefix(_TARGET).lower() if key.startswith(_TARGET) else ""
        if name in reserved.refused:
            return {}, key
        if name not in reserved.dropped:
            kept[key] = source
    return kept, None


def answer_mapping(mapping: Mapping[str, str]) -> dict[str, str]:
    """`mapping` (`method.response.header.X` → source) with the names that answers have."""
    renamed = {}
    for key, source in mapping.items():
        name = answered_name(key.removeprefix(_ANSWER)) if key.startswith(_ANSWER) else None
        if name is not None:
            renamed[_ANSWER + name] = source
        elif not key.startswith(_ANSWER):
            renamed[key] = source
    return renamed


def answered_name(name: str) -> str | None:
    """The name that a mapped header of an answer has; None: it is not given."""
    lower = name.lower()
    if lower in _NOT_ANSWERED:
        return None
    return f"x-amzn-Remapped-{name}" if lower in _REMAPPED else name


def replace(headers: Iterable[tuple[str, str]], values: Mapping[str, str]) -> list[tuple[str, str]]:
    """`headers` with `values` in place of those of the same names.

    Raises ApiConfigurationError for a name or value of `values` that no header can have.
    """
    for name, value in values.items():
        if not _TOKEN.fullmatch(name) or _CONTROLS.search(value):
            raise ApiConfigurationError(detail="an override has a character that no header may have")
    names = {name.lower() for name in values}
    return [*((name, value) for name, value in headers if name.lower() not in names), *values.items()]


def as_sent(headers: Headers) -> list[tuple[str, str]]:
    """`headers` of an answer as Latin-1 text: a value that has other characters is sent as UTF-8."""
    return [(name, as_latin(value)) for name, value in headers]


def permitted(overrides: Mapping[str, str], reserved: Reserved) -> dict[str, str]:
    """The overrides of headers that a backend gets. Raises ApiConfigurationError for those that fail the request."""
    kept = {}
    for name, value in overrides.items():
        lower = name.lower()
        if lower in reserved.refused:
            raise ApiConfigurationError(detail=f"the header {name} cannot be set by a template")
        if lower not in reserved.dropped:
            kept[name] = value
    return kept


def field_lines(headers: Headers) -> bytes:
    """`headers`, whose names are tokens, as lines. Latin-1, or UTF-8 where a value has other characters.

    Unlike the pool's `header_block` it leaves out nothing: what a definition sets has been looked at already.
    Raises ApiConfigurationError for a value with a control character.
    """
    try:
        block = "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1")
    except UnicodeEncodeError:
        block = b"".join([_line(name, value) for name, value in headers])
    if block.translate(None, _FIELD_VALUE_BYTES) != b"\r\n" * len(headers):
        raise ApiConfigurationError(detail="invalid_header_value")
    return block


def _line(name: str, value: str) -> bytes:
    try:
        return f"{name}: {value}\r\n".encode("latin-1")
    except UnicodeEncodeError:
        return f"{name}: {value}\r\n".encode("utf-8", "replace")
