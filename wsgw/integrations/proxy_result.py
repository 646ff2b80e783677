"""What a function answers: the Lambda proxy result, read into a Reply.

`$connect` needs a status; a message route needs nothing, and without a body nothing is sent; a `$disconnect` answer is
ignored. A `$connect` result that cannot be used is a FunctionError (502): the service answers 500 or 502, sources
disagree, and to a caller both say that the function is at fault.
Source: developer guide, "Set up Lambda proxy integrations: output format", and recordings of the service.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from wsgw.errors import FunctionError
from wsgw.invocation import EventType, Reply

#: Reads a function's result (JSON, or what a Python handler returned) with the help of the request's `target`.
Answer = Callable[[Any, Any], Reply]

# RFC 9110 §5.1 (a token) and §5.5, less the control characters that would end a line or the text.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_STATUS = re.compile(r"[2-5][0-9]{2}")


def proxy_reply(payload: bytes | dict[str, Any] | None, event_type: EventType) -> Reply:
    """The Reply that a function's result stands for.

    payload: JSON as Lambda gives it, or what a Python handler returned. Raises FunctionError where a CONNECT has no
    usable result, or where the body of a CONNECT or MESSAGE is no text, or is not the base64 that it is said to be.
    """
    if event_type == "DISCONNECT":
        return Reply(200)
    result = parsed(payload) if isinstance(payload, bytes) else payload
    if event_type == "MESSAGE":
        return _message_reply(result) if isinstance(result, dict) else Reply(200)
    if not isinstance(result, dict):
        raise FunctionError(detail=f"the result is {kind(result)}, not an object with a statusCode")
    status = status_of(result)
    if status is None:
        raise FunctionError(detail="the result has no statusCode from 200 to 599")
    return Reply(status, _body(result), headers_of(result))


def _message_reply(result: dict[str, Any]) -> Reply:
    # Nobody reads the status, it is for logs; of the headers only the type matters, which can ask for a binary frame.
    headers = result.get("headers")
    headers = headers if isinstance(headers, dict) else {}
    types = [
        ("Content-Type", value)
        for name, value in headers.items()
        if isinstance(name, str) and name.lower() == "content-type" and isinstance(value, str)
    ]
    return Reply(status_of(result) or 200, _body(result), types)


def parsed(payload: bytes) -> Any:
    """A result's JSON; None for no text at all. Raises FunctionError."""
    if not payload:
        return None
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise FunctionError(detail="the result is not JSON") from error


def kind(value: Any) -> str:
    """What `value` is, for messages to the log: never the value itself."""
    return "null" if value is None else type(value).__name__


def status_of(result: Mapping[str, Any]) -> int | None:
    """The status as a number, given as one or as its digits; None where it is neither."""
    text = str(int(given)) if isinstance(given := result.get("statusCode"), int) else given
    return int(text) if isinstance(text, str) and _STATUS.fullmatch(text) else None


def _body(result: dict[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise FunctionError(detail=f"the result's body is {kind(body)}, not a string")
    if result.get("isBase64Encoded") is not True:
        return body.encode("utf-8", "replace")
    try:
        return a2b_base64(body.encode("ascii"), strict_mode=True)
    except (Base64Error, UnicodeEncodeError) as error:
        raise FunctionError(detail="the result's body is not base64") from error


def headers_of(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Both members together: where they say the same name and value, it counts once, as multiValueHeaders has it.

    Raises FunctionError.
    """
    several: list[tuple[str, str]] = []
    for name, values in member(result, "multiValueHeaders").items():
        if not isinstance(values, list):
            raise FunctionError(detail="a member of multiValueHeaders is not a list")
        several += [single_header(name, value) for value in values if value is not None]
    known = {(name.lower(), value) for name, value in several}
    single = [single_header(name, value) for name, value in member(result, "headers").items() if value is not None]
    return [pair for pair in single if (pair[0].lower(), pair[1]) not in known] + several


def member(result: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The object `name` of a result, empty where it has none. Raises FunctionError."""
    found = result.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise FunctionError(detail=f"the result's {name} is {kind(found)}, not an object")
    return found


def single_header(name: Any, value: Any) -> tuple[str, str]:
    """One header of a result as text. Raises FunctionError for what no header can be."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, (str, int, float)):
        text = str(value)
    else:
        raise FunctionError(detail=f"a header's value is {kind(value)}")
    # The name and value are not repeated here: details go to the log, and this is where secrets are.
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not _VALUE.fullmatch(text):
        raise FunctionError(detail="a header has characters that no header may have")
    return name, text
