"""REST APIs written in a line each, and requests to them as bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.harness.gateway import TestGateway
from tests.harness.raw_http import split_responses, talk
from tests.harness.raw_websocket import Response
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Integration, IntegrationResponse, Route, RouteResponse

JSON = "application/json"
STATUS_200 = {JSON: '{"statusCode": 200}'}


def answers(status: str = "200", template: str | None = None, **members: Any) -> IntegrationResponse:
    """An integration response; `template` is one of JSON's."""
    if template is not None:
        members["response_templates"] = {JSON: template}
    return IntegrationResponse(key=status, status_code=status, **members)


def method(
    key: str, type: str, uri: str = "", *responses: IntegrationResponse, required: Sequence[str] = (), **members: Any
) -> Route:
    """A method with its integration: `method("GET /pets", "HTTP", url, answers())`.

    Every status of `responses` is declared. `required` names parameters as `method.request.querystring.q`; `validator`
    and `request_models` are the method's, other members the integration's.
    """
    responses = responses or (answers(),)
    own = {name: members.pop(name) for name in ("validator", "request_models") if name in members}
    own["request_parameters"] = dict.fromkeys(required, True)
    declared = {one.status_code: RouteResponse(status_code=one.status_code) for one in responses}
    integration = Integration(type=type, uri=uri, responses=responses, **members)
    return Route(key=key, integration=integration, resource_id="res1", responses=declared, **own)


def mock(key: str, *responses: IntegrationResponse, **members: Any) -> Route:
    """A MOCK that says 200 unless `request_templates` say otherwise."""
    members.setdefault("request_templates", STATUS_200)
    return method(key, "MOCK", "", *responses, **members)


def rest_api(*routes: Route, stage: Stage | None = None, **members: Any) -> Api:
    """A REST API `pets` with one stage, `dev` unless `stage` is given."""
    stage = stage or Stage(name="dev")
    by_key = {one.key: one for one in routes}
    return Api(id="pets", name="pets", protocol="REST", routes=by_key, stages={stage.name: stage}, **members)


async def ask(
    gateway: TestGateway, verb: str, path: str, *lines: str, body: bytes = b"", stage: str = "dev"
) -> Response:
    """The answer to one request to `path` of the API `pets`; `lines` are its headers."""
    head = [f"{verb} /pets/{stage}{path} HTTP/1.1", "Host: gateway.example", *lines, "Connection: close"]
    if body:
        head.insert(2, f"Content-Length: {len(body)}")
    received = await asyncio.wait_for(talk(gateway.url, "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body), 20)
    (response,) = split_responses(received)
    return response
