"""Text transformations: what is done to a part of a request before it is compared. Bytes in, bytes out, never an error.

What cannot be decoded stays as it is: a transformation that gave nothing would hide what it was to bring to light.
Source: AWS WAF developer guide, "Text transformation options".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

Transformation = Callable[[bytes], bytes]

_SPACES: Final = re.compile(rb"(?:[ \f\t\n\r\v\xa0]|\xc2\xa0)+")
# From the first of them only: tried from each, a long run that no slash follows would cost its square.
_SPACE_BEFORE: Final = re.compile(rb"(?<![ \t\n\r\v\f])[ \t\n\r\v\f]++(?=[/(])")
_PERCENT_U: Final = re.compile(rb"%(?:[uU]([0-9a-fA-F]{4})|([0-9a-fA-F]{2}))")
_HEX: Final = re.compile(rb"0[xX]((?:[0-9a-fA-F]{2})+)")
_COMMENT: Final = re.compile(rb"/\*.*?(?:\*/|\Z)", re.DOTALL)
_CSS: Final = re.compile(rb"\\(?:([0-9a-fA-F]{1,6})[ \t\n\r\f]?|\r?\n|(.))", re.DOTALL)
_JS: Final = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))", re.DOTALL)
_ANSI_C: Final = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|([abfnrtv\\?'\"]))")
_LETTERS: Final = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
    b"\\": b"\\",
    b"?": b"?",
    b"'": b"'",
    b'"': b'"',
}
_ENTITY_NUMBER: Final = re.compile(rb"&#0*([0-9]+)")
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]")
_SHELL: Final = bytes.maketrans(b",;", b"  ")


def _base64(value: bytes) -> bytes:
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        return value


def _base64_forgiving(value: bytes) -> bytes:
    # Both alphabets are known to attackers, and decoders differ in what they skip.
    kept = _NOT_BASE64.sub(b"", value.translate(bytes.maketrans(b"-_", b"+/")))
    if len(kept) % 4 == 1:
        kept = kept[:-1]
    return base64.b64decode(kept + b"=" * (-len(kept) % 4))


def _cmd_line(value: bytes) -> bytes:
    value = value.translate(_SHELL, b"\\\"'^")
    return _SPACES.sub(b" ", _SPACE_BEFORE.sub(b"", value)).lower()


def _compress_white_space(value: bytes) -> bytes:
    return _SPACES.sub(b" ", value)


def _css(value: bytes) -> bytes:
    def one(found: re.Match[bytes]) -> bytes:
        if found[1] is not None:
            # The last two digits, as a byte: what lies beyond ASCII is written so to hide what lies within.
            return bytes([int(found[1][-2:], 16)])
        return found[2] or b""

    return _CSS.sub(one, value)


def _character(code: int) -> bytes:
    """ASCII for what looks like it: full width forms stand for their plain ones."""
    if 0xFF01 <= code <= 0xFF5E:
        code -= 0xFEE0
    return chr(code).encode("utf-8", "replace") if code > 0xFF else bytes([code])


def _js(value: bytes) -> bytes:
    def one(found: re.Match[bytes]) -> bytes:
        if found[1] is not None:
            return _character(int(found[1], 16))
        if found[2] is not None:
            return bytes([int(found[2], 16)])
        if found[3] is not None:
            return bytes([int(found[3], 8) & 0xFF])
        return _LETTERS.get(found[4], found[4])

    return _JS.sub(one, value)


def _escapes(value: bytes) -> bytes:
    def one(found: re.Match[bytes]) -> bytes:
        if found[1] is not None:
            return bytes([int(found[1], 16)])
        if found[2] is not None:
            return bytes([int(found[2], 8) & 0xFF])
        return _LETTERS[found[3]]

    return _ANSI_C.sub(one, value)


def _hex(value: bytes) -> bytes:
    try:
        return binascii.unhexlify(value)
    except binascii.Error:
        return value


def _sql_hex(value: bytes) -> bytes:
    return _HEX.sub(lambda found: binascii.unhexlify(found[1]), value)


def _html(value: bytes) -> bytes:
    # Eight digits are more than there are characters, and thousands of them more than Python reads as a number.
    value = _ENTITY_NUMBER.sub(lambda found: b"&#" + found[1][:8], value)
    # Latin-1 keeps every byte as it is; what an entity stands for beyond it becomes UTF-8.
    text = html.unescape(value.decode("latin-1"))
    return b"".join(bytes([ord(one)]) if ord(one) < 0x100 else one.encode("utf-8", "replace") for one in text)


def _url(value: bytes) -> bytes:
    return unquote_to_bytes(value.replace(b"+", b" "))


def _url_unicode(value: bytes) -> bytes:
    def one(found: re.Match[bytes]) -> bytes:
        return _character(int(found[1], 16)) if found[1] is not None else bytes([int(found[2], 16)])

    return _PERCENT_U.sub(one, value.replace(b"+", b" "))


def _path(value: bytes) -> bytes:
    """Without repeated slashes, self-references, and back-references that do not lead out."""
    rooted, closed = value.startswith(b"/"), value.endswith((b"/", b"/.", b"/..")) or value in (b".", b"..")
    parts: list[bytes] = []
    for part in value.split(b"/"):
        if part == b".." and parts and parts[-1] != b"..":
            parts.pop()
        elif part == b".." and rooted:
            continue
        elif part not in (b"", b"."):
            parts.append(part)
    made = (b"/" if rooted else b"") + b"/".join(parts)
    return made + b"/" if closed and parts else made


def _unicode(value: bytes) -> bytes:
    """Characters beyond ASCII as %uXXXX."""
    if value.isascii():
        return value
    text = value.decode("utf-8", "surrogateescape")
    made = (one if ord(one) < 0x80 else f"%u{ord(one):04x}" for one in text)
    return "".join(made).encode("ascii")


TRANSFORMATIONS: Final[Mapping[str, Transformation]] = {
    "BASE64_DECODE": _base64,
    "BASE64_DECODE_EXT": _base64_forgiving,
    "CMD_LINE": _cmd_line,
    "COMPRESS_WHITE_SPACE": _compress_white_space,
    "CSS_DECODE": _css,
    "ESCAPE_SEQ_DECODE": _escapes,
    "HEX_DECODE": _hex,
    "HTML_ENTITY_DECODE": _html,
    "JS_DECODE": _js,
    "LOWERCASE": bytes.lower,
    "MD5": lambda value: hashlib.md5(value, usedforsecurity=False).digest(),
    "NORMALIZE_PATH": _path,
    "NORMALIZE_PATH_WIN": lambda value: _path(value.replace(b"\\", b"/")),
    "REMOVE_NULLS": lambda value: value.replace(b"\0", b""),
    "REPLACE_COMMENTS": lambda value: _COMMENT.sub(b" ", value),
    "REPLACE_NULLS": lambda value: value.replace(b"\0", b" "),
    "SQL_HEX_DECODE": _sql_hex,
    "URL_DECODE": _url,
    "URL_DECODE_UNI": _url_unicode,
    "UTF8_TO_UNICODE": _unicode,
}


def transformation(names: tuple[str, ...]) -> Transformation | None:
    """All of `names`, one after another; None for none. Raises ValueError for an unknown one."""
    steps = []
    for name in names:
        if name not in TRANSFORMATIONS:
            raise ValueError(f"no text transformation {name}")
        steps.append(TRANSFORMATIONS[name])
    if not steps:
        return None
    if len(steps) == 1:
        return steps[0]

    def all_of_them(value: bytes) -> bytes:
        for step in steps:
            value = step(value)
        return value

    return all_of_them
