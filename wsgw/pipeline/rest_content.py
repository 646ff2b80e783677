"""Binary payloads of REST APIs: what contentHandling and binaryMediaTypes make of a body on its way, either direction.

Source: developer guide, "Content type conversions in API Gateway"; each row recorded on the service.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Literal

from wsgw.definitions.route import ContentHandling
from wsgw.errors import ApiConfigurationError
from wsgw.pipeline.content import convert

#: What happens with a body. TEXT: it is UTF-8; DECODE: text that stands for bytes; ENCODE: bytes, as text; RAW: bytes.
Conversion = Literal["TEXT", "DECODE", "ENCODE", "RAW"]
#: A mapping template: from the payload as text to the text that takes its place.
Render = Callable[[str], str]


def request_conversion(handling: ContentHandling | None, *, binary: bool) -> Conversion:
    """What a request's body goes through. binary: its Content-Type is one of the API's binaryMediaTypes."""
    if binary:
        return "ENCODE" if handling == "CONVERT_TO_TEXT" else "RAW"
    return "DECODE" if handling == "CONVERT_TO_BINARY" else "TEXT"


def response_conversion(handling: ContentHandling | None, *, binary: bool, client_binary: bool) -> Conversion:
    """What an answer's body goes through. binary: by its Content-Type; client_binary: by the client's Accept."""
    wanted = client_binary if handling is None else handling == "CONVERT_TO_BINARY"
    if binary:
        return "RAW" if wanted else "ENCODE"
    return "DECODE" if wanted else "TEXT"


def converted(body: bytes, conversion: Conversion, render: Render | None) -> bytes:
    """`body` through its conversion and its template. Raises ApiConfigurationError where they cannot be applied."""
    if conversion == "RAW":
        if render is not None:
            raise ApiConfigurationError(detail="a template cannot be applied to a binary payload: see contentHandling")
        return body
    if conversion == "ENCODE":
        return b64encode(body) if render is None else _utf8(render(b64encode(body).decode("ascii")))
    if render is not None:
        body = _utf8(render(body.decode("utf-8", "replace")))
    elif conversion == "TEXT":
        return as_text(body)
    return convert(body, "CONVERT_TO_BINARY") if conversion == "DECODE" else body


def as_text(body: bytes) -> bytes:
    """`body` with U+FFFD in place of what is no UTF-8."""
    if body.isascii():
        return body
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace").encode()
    return body


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
