"""What a function behind an HTTP API answers: payload formats 2.0, which infers a reply where it can, and 1.0.

Whatever cannot be used is a FunctionError, which HTTP APIs answer with 500.
Source: developer guide, "Lambda function response for format 1.0" and "… for format 2.0".
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping
from typing import Any, Final

import orjson

from wsgw.errors import FunctionError
from wsgw.integrations.proxy_result import headers_of, kind, member, parsed, single_header, status_of
from wsgw.invocation import Reply

_JSON: Final = ("content-type", "application/json")
_PLAIN: Final = ("content-type", "text/plain; charset=utf-8")


def reply_of_2_0(payload: Any, _target: Any = None) -> Reply:
    """The Reply that a result in format 2.0 stands for; without a statusCode it is the body of a 200, as JSON.

    payload: JSON as Lambda gives it, or what a Python handler returned. Raises FunctionError.
    """
    given = payload
    result = parsed(given) if isinstance(given, bytes) else given
    if isinstance(result, dict) and "statusCode" in result:
        headers = [single_header(name, value) for name, value in member(result, "headers").items() if value is not None]
        return _reply(result, headers + [single_header("set-cookie", cookie) for cookie in _cookies(result)])
    if isinstance(result, str):
        return Reply(200, result.encode("utf-8", "replace"), [_JSON])
    # What Lambda gave goes on to the byte: numbers keep their spelling.
    return Reply(200, given if isinstance(given, bytes) and given else _dumped(result), [_JSON])


def reply_of_1_0(payload: Any, _target: Any = None) -> Reply:
    """The Reply that a result in format 1.0 stands for; nothing is inferred. Raises FunctionError."""
    result = parsed(payload) if isinstance(payload, bytes) else payload
    if not isinstance(result, dict):
        raise FunctionError(detail=f"the result is {kind(result)}, not an object with a statusCode")
    return _reply(result, headers_of(result))


def _reply(result: Mapping[str, Any], headers: list[tuple[str, str]]) -> Reply:
    status = status_of(result)
    if status is None:
        raise FunctionError(detail="the result has no statusCode from 200 to 599")
    body = _body(result)
    if body and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(_PLAIN)
    return Reply(status, body, headers)


def _body(result: Mapping[str, Any]) -> bytes:
    body, encoded = result.get("body"), result.get("isBase64Encoded")
    if encoded is not None and not isinstance(encoded, bool):
        raise FunctionError(detail=f"the result's isBase64Encoded is {kind(encoded)}, not a boolean")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise FunctionError(detail=f"the result's body is {kind(body)}, not a string")
    if not encoded:
        return body.encode("utf-8", "replace")
    try:
        return a2b_base64(body.encode("ascii"), strict_mode=True)
    except (Base64Error, UnicodeEncodeError) as error:
        raise FunctionError(detail="the result's body is not base64, as isBase64Encoded says") from error


def _cookies(result: Mapping[str, Any]) -> list[str]:
    cookies = result.get("cookies")
    if cookies is None:
        return []
    if not isinstance(cookies, list) or not all(isinstance(cookie, str) for cookie in cookies):
        raise FunctionError(detail="the result's cookies are not a list of strings")
    return cookies


def _dumped(result: Any) -> bytes:
    try:
        return orjson.dumps(result)
    except (TypeError, ValueError) as error:
        raise FunctionError(detail=f"the result is {kind(result)}, which has no JSON form") from error
