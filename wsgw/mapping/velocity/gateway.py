"""`$input` and `$util`: what API Gateway adds to Velocity.

Source: developer guide, "API Gateway mapping template and access logging variable reference". What it leaves open is
as the libraries under it do it: json-smart and Jayway JsonPath for JSON, Apache Commons Lang for escapeJavaScript.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NoReturn
from urllib.parse import quote_plus, unquote_plus

import orjson

from wsgw.mapping.jsonpath import JsonPath, JsonPathError, compile_path
from wsgw.mapping.velocity.errors import TemplateRuntimeError
from wsgw.mapping.velocity.frame import Frame
from wsgw.mapping.velocity.methods import MethodTable, PropertyTable, table
from wsgw.mapping.velocity.printing import json_text, to_text
from wsgw.mapping.velocity.values import LISTS

# -- JSON --------------------------------------------------------------------------------------------------------------

#: A number that a double or a 64-bit integer may not hold exactly. orjson reads those as doubles.
_LONG_NUMBER: Final = re.compile(r"[0-9][0-9.eE+-]{16}")
_MISSING: Final = object()
_NOT_JSON: Final = object()


def parse_json(text: str) -> Any:
    """`text` as JSON, whole numbers exact, fractions of more than 18 characters as Decimal. Raises ValueError."""
    if _LONG_NUMBER.search(text) is None:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass  # it may still be what Java's parsers take: a lone surrogate, say
    try:
        return json.loads(text, parse_float=_fraction, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error


def _fraction(digits: str) -> float | Decimal:
    return Decimal(digits) if len(digits) > 18 else float(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


# -- $input ------------------------------------------------------------------------------------------------------------


class Input:
    """`$input`: the body, parsed when first asked for, and the request's parameters by kind."""

    __slots__ = ("_document", "_params", "body", "kinds")

    def __init__(self, body: str, kinds: Mapping[str, Mapping[str, str]]) -> None:
        self.body = body or "{}"
        self.kinds = kinds
        self._params: dict[str, dict[str, str]] | None = None
        self._document: Any = _MISSING

    def params(self) -> dict[str, dict[str, str]]:
        """Parameters by kind, as copies: a template may change them."""
        if self._params is None:
            self._params = {kind: dict(values) for kind, values in self.kinds.items()}
        return self._params

    def at(self, path: JsonPath, default: Any) -> Any:
        """What `path` leads to in the body; `default` where it leads nowhere, or the body is no JSON."""
        if self._document is _MISSING:
            try:
                self._document = parse_json(self.body)
            except ValueError:
                self._document = _NOT_JSON
        return default if self._document is _NOT_JSON else path.get(self._document, default)


def _look_up(frame: Frame, given: Input, path: str, default: Any) -> Any:
    try:
        compiled = compile_path(path)
    except JsonPathError as error:
        raise TemplateRuntimeError(f"the path {path[:100]!r}: {error}") from error
    if not compiled.definite:
        frame.spend(len(given.body) >> 5)  # it may visit the whole body
    return given.at(compiled, default)


def _param(_: Frame, given: Input, name: str) -> str | None:
    for values in given.kinds.values():
        if name in values:
            return values[name]
    return None


def _path(frame: Frame, given: Input, path: str) -> Any:
    return _look_up(frame, given, path, None)


def _json(frame: Frame, given: Input, path: str) -> str:
    """JSON text; an empty JSON string where there is nothing."""
    found = _look_up(frame, given, path, _MISSING)
    if found is _MISSING:
        return '""'
    text = json_text(frame, found)
    frame.spend(len(text) >> 10)
    frame.make(len(text))
    return text


INPUT: MethodTable = table(
    {
        "params": lambda _, given: given.params(),
        "params(s)": _param,
        "path(s)": _path,
        "json(s)": _json,
    }
)
INPUT_PROPERTIES: PropertyTable = {"body": lambda _, given: given.body}

# -- $util -------------------------------------------------------------------------------------------------------------


class Util:
    """`$util`."""

    __slots__ = ()


_SCRIPT_UNSAFE: Final = re.compile(r"[\\\"'/\x00-\x1f\x80-\U0010ffff]")
_HEX_ESCAPES: Final = re.compile(r"(?<!\\)((?:\\\\)*)((?:\\u[0-9a-f]{4})+)")


def _text(frame: Frame, value: Any) -> str:
    """An argument as text: null is empty, what is no string is printed."""
    text = "" if value is None else to_text(frame, value)
    frame.spend(len(text) >> 10)
    return text


def _as_commons_lang(found: re.Match[str]) -> str:
    """Its digits are capitals, and it leaves DEL as it is."""
    return found[1] + found[2].upper().replace("U", "u").replace("\\u007F", "\x7f")


def _escape_javascript(frame: Frame, _: Util, value: Any) -> str:
    text = _text(frame, value)
    if _SCRIPT_UNSAFE.search(text) is None:
        return text
    # JSON's escapes are JavaScript's but for two characters.
    escaped = json.dumps(text)[1:-1].replace("'", "\\'").replace("/", "\\/")
    frame.make(len(escaped))
    if "\\u" in escaped:
        frame.spend(len(escaped) >> 8)
        escaped = _HEX_ESCAPES.sub(_as_commons_lang, escaped)
    return escaped


def _parse_json(frame: Frame, _: Util, value: Any) -> Any:
    """What is no string is parsed already. Raises TemplateRuntimeError for text that is no JSON."""
    if value.__class__ is dict or value.__class__ in LISTS:
        return value
    text = _text(frame, value)
    if not text.strip():
        return None
    try:
        return parse_json(text)
    except ValueError as error:
        raise TemplateRuntimeError(f"$util.parseJson: {error}") from error


def _url_encode(frame: Frame, _: Util, value: Any) -> str:
    text = _text(frame, value)
    frame.make(3 * len(text))
    # Java keeps * and encodes ~, Python does the opposite.
    return quote_plus(text, safe="*", errors="replace").replace("~", "%7E")


def _url_decode(frame: Frame, _: Util, value: Any) -> str:
    return unquote_plus(_text(frame, value))


def _base64_encode(frame: Frame, _: Util, value: Any) -> str:
    text = base64.b64encode(_text(frame, value).encode("utf-8", "replace")).decode("ascii")
    frame.make(len(text))
    return text


def _base64_decode(frame: Frame, _: Util, value: Any) -> str:
    """Padding may be missing. Raises TemplateRuntimeError for what is no base64."""
    text = _text(frame, value)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4)).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as error:
        raise TemplateRuntimeError(f"$util.base64Decode: {error}") from error


UTIL: MethodTable = table(
    {
        "escapeJavaScript(o)": _escape_javascript,
        "parseJson(o)": _parse_json,
        "urlEncode(o)": _url_encode,
        "urlDecode(o)": _url_decode,
        "base64Encode(o)": _base64_encode,
        "base64Decode(o)": _base64_decode,
    }
)
