"""The backends and functions that cases describe in words: each behaviour by what its text says."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from aiohttp import web

from tests.harness.backend import Answer, Backend, Received
from tests.harness.lambda_endpoint import Answer as FunctionAnswer
from tests.harness.lambda_endpoint import Function

Stub = dict[str, Any]


def _json(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=json.dumps(document).encode(), content_type="application/json", headers=headers
    )


def _titled(request: Received) -> dict[str, str]:
    return {name.title(): value for name, value in request.headers}


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _status(request: Received) -> web.Response:
    status = int(request.path.rpartition("/")[2])
    return _json({"message": "", "status_code": status}, status)


def _echo(request: Received) -> web.Response:
    headers = {"Access-Control-Allow-Origin": "*", "Server": "backend/1"}
    return _json({"headers": _titled(request), "data": request.text}, headers=headers)


def _mirror(request: Received) -> web.Response:
    document = {"json": _parsed(request.body), "data": request.text, "headers": _titled(request)}
    return _json(document)


def _bytes(request: Received) -> web.Response:
    return web.Response(body=request.body, content_type="application/json")


def answer_of(stub: Stub) -> Answer:
    """What a backend does that is described as `stub`."""
    told = stub.get("behaviour", "")
    if "body_base64" in stub:
        body = base64.b64decode(stub["body_base64"])
        return lambda request: web.Response(body=body, content_type=stub["content_type"])
    if "/status/<n>" in told:
        return _status
    if "exactly the bytes received" in told:
        return _bytes
    if '"json": <request body' in told:
        return _mirror
    if "title-cased names" in told or told.startswith("echo;"):
        return _echo
    if match := re.fullmatch(r"answers 200 with text (.*)", told):
        return lambda request: web.Response(text=match[1])
    if told.isdecimal():
        return lambda request: web.Response(status=int(told))
    if "records" in told or not told:
        return lambda request: web.Response()
    raise AssertionError(f"a backend that is not known here: {told}")


class AnyPath(Backend):
    """A backend that answers every path alike."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._any = answer

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
        received = Received(
            request.method, request.path, request.query_string, headers, await request.read(), request.raw_path
        )
        self.requests.append(received)
        result = self._any(received)
        return result if isinstance(result, web.StreamResponse) else await result


def function_of(stub: Stub) -> Function:
    """What a function does that is described as `stub`."""
    if "returns" in stub:
        return _returning(lambda event: stub["returns"])
    told = stub["behaviour"]
    if told.startswith("returns json.loads(event body)"):
        return _returning(_from_body)
    if "JSON string of the received event" in told or "body: JSON event" in told or told == "proxy echo":
        return _returning(
            lambda event: {"statusCode": 200, "isBase64Encoded": False, "body": json.dumps(event)},
        )
    if told in ("echo event", "returns the event", "returns the event (inferred response)"):
        return _returning(lambda event: event)
    if told == "returns {}":
        return _returning(lambda event: {})
    if told.startswith("event.statusCode '200'"):
        return _returning(_by_status)
    if told.startswith("reads event.body.httpStatus"):
        return _returning(_custom_error)
    raise AssertionError(f"a function that is not known here: {told}")


def _from_body(event: Any) -> Any:
    body = event["body"]
    if body is None:
        raise ValueError("the body is null")
    return json.loads(base64.b64decode(body) if event["isBase64Encoded"] else body)


def _by_status(event: Any) -> Any:
    status = event["statusCode"]
    if status == "400":
        raise Exception("Error: Raising four hundred from within the Lambda function")
    if status == "500":
        raise Exception("Error: Raising five hundred from within the Lambda function")
    return "Pass"


def _custom_error(event: Any) -> Any:
    failed = int(event["body"]["httpStatus"]) >= 400
    return {"statusCode": 200, "body": "customerror" if failed else "noerror"}


def _returning(compute: Any) -> Function:
    async def function(event: Any) -> FunctionAnswer:
        try:
            result = compute(event)
        except Exception as error:
            told = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": []}
            return FunctionAnswer(200, json.dumps(told).encode(), {"X-Amz-Function-Error": "Unhandled"})
        return FunctionAnswer(200, json.dumps(result).encode())

    return function
