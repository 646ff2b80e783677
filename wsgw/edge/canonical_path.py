"""One canonical path of a request: for matching, authorization, caching and the upstream alike.

Whatever two readers could take for different paths is brought to one form, or refused: percent-encoded characters that
need no encoding are decoded (RFC 3986 §6.2.2.2), dot segments and backslashes are no path that is served. Everything
else stays as the client sent it, for backends and events get it raw.
"""

from __future__ import annotations

import re

from wsgw.errors import BadRequest

_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})?")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DOTS = frozenset((".", ".."))


def canonical(path: str) -> str:
    """`path`, raw and without its query, in its one form. Raises BadRequest."""
    if "%" in path:
        path = _ENCODED.sub(_decoded, path)
    # Some backends read %2F as a slash.
    read = path.replace("%2F", "/").replace("%2f", "/") if "%2" in path else path
    if "/." in read and not _DOTS.isdisjoint(segment.partition(";")[0] for segment in read.split("/")):
        # `..;` too: servers that know matrix parameters (RFC 3986 §3.3) read it as `..`.
        raise BadRequest(detail="dot_segment")
    if "\\" in path:
        raise BadRequest(detail="backslash_in_path")
    return path


def _decoded(found: re.Match[str]) -> str:
    digits = found[1]
    if digits is None:
        raise BadRequest(detail="bad_percent_encoding")
    character = chr(int(digits, 16))
    if character in _UNRESERVED:
        return character
    if character in "\\\0\r\n":
        raise BadRequest(detail="encoded_control_character_or_backslash")
    return found[0]
