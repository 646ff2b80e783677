"""The opening handshake of RFC 6455, server side: whether a request is one, and what is wrong with it. No I/O.

Sources: RFC 6455 section 4.2, RFC 9110 section 7.8 (Upgrade).
"""

from __future__ import annotations

from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable
from hashlib import sha1
from typing import Final, NamedTuple

from wsgw.invocation import Headers

_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Upgrade(NamedTuple):
    """A handshake that may be answered with 101.

    accept: the value of Sec-WebSocket-Accept; subprotocols: as offered, in order; extensions: all of
    Sec-WebSocket-Extensions, "" without one.
    """

    accept: str
    subprotocols: tuple[str, ...]
    extensions: str


class Refusal(NamedTuple):
    """A handshake that cannot be answered with 101: `status`, `headers` that belong to it, `reason` for the log."""

    status: int
    headers: Headers
    reason: str


def accept_key(key: str) -> str:
    """The Sec-WebSocket-Accept that proves that Sec-WebSocket-Key was read."""
    return b64encode(sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode("ascii")


def check_upgrade(method: str, http_version: str, headers: Headers) -> Upgrade | Refusal | None:
    """What the request asks for; None if it is an ordinary request.

    http_version: `1.1` and the like; headers: with values stripped, names in any case.
    """
    fields: dict[str, list[str]] = {}
    for name, value in headers:
        fields.setdefault(name.lower(), []).append(value)
    if not _has_token(fields.get("upgrade"), "websocket") or not _has_token(fields.get("connection"), "upgrade"):
        return None
    if method != "GET":
        return Refusal(405, [("Allow", "GET")], "method is not GET")
    if http_version != "1.1":
        return Refusal(400, (), "HTTP version is not 1.1")
    if len(fields.get("host", ())) != 1:
        return Refusal(400, (), "not exactly one Host")
    if "transfer-encoding" in fields or any(length != "0" for length in fields.get("content-length", ())):
        return Refusal(400, (), "request has a body")
    if (versions := fields.get("sec-websocket-version", [])) != ["13"]:
        if len(versions) > 1:
            return Refusal(400, (), "more than one Sec-WebSocket-Version")
        wanted = [("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket"), ("Connection", "Upgrade")]
        return Refusal(426, wanted, "Sec-WebSocket-Version is not 13")
    keys = fields.get("sec-websocket-key", [])
    if len(keys) != 1 or not _is_key(keys[0]):
        return Refusal(400, (), "not exactly one valid Sec-WebSocket-Key")
    subprotocols = tuple(_elements(fields.get("sec-websocket-protocol", ())))
    return Upgrade(accept_key(keys[0]), subprotocols, ", ".join(fields.get("sec-websocket-extensions", ())))


def _elements(values: Iterable[str]) -> list[str]:
    """The elements of a comma-separated header that may stand on several lines."""
    return [element for value in values for part in value.split(",") if (element := part.strip())]


def _has_token(values: list[str] | None, token: str) -> bool:
    return values is not None and any(element.lower() == token for element in _elements(values))


def _is_key(key: str) -> bool:
    """Whether `key` is 16 bytes in base64."""
    if len(key) != 24 or not key.isascii():
        return False
    try:
        return len(a2b_base64(key, strict_mode=True)) == 16
    except Base64Error:
        return False
