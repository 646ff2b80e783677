"""What the steps of a REST API's route cost per request, by what the route asks for.

    python loadtest/micro/rest_steps.py

From a matched request to its Reply, without sockets, the event loop's own work and backends: a call of a backend is
answered at once. Each line shows what an API without it saves.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtest.micro.mappings import report, request
from wsgw.app import App
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.model import Model, RequestValidator
from wsgw.definitions.route import Integration, IntegrationResponse, Route, RouteResponse
from wsgw.integrations.http import HttpIntegration
from wsgw.invocation import HttpInvocation, IntegrationRequest, Reply
from wsgw.pipeline.compression import compressor
from wsgw.pipeline.run import Step
from wsgw.settings import Settings

JSON = "application/json"
BACKEND = "http://127.0.0.1:9/items"
ANSWER = b'{"pad": "' + b"x" * 1000 + b'"}'
HEADERS = [("Server", "backend"), ("Date", "now"), ("Content-Type", JSON), ("Content-Length", str(len(ANSWER)))]
DECLARED = {"200": RouteResponse(status_code="200")}


def route(key: str, integration: Integration, **members: Any) -> Route:
    return Route(key=key, integration=integration, responses=DECLARED, **members)


def mock(template: str, answer: str) -> Integration:
    response = IntegrationResponse(key="200", status_code="200", response_templates={JSON: answer})
    return Integration(type="MOCK", request_templates={JSON: template}, responses=(response,))


def http(**members: Any) -> Integration:
    members.setdefault("responses", (IntegrationResponse(key="200", status_code="200"),))
    return Integration(type=members.pop("type", "HTTP"), uri=BACKEND + members.pop("path", ""), **members)


ROUTES = [
    route("GET /mock", mock('{"statusCode": 200}', '{"message": "hello"}')),
    route("GET /mock-with-templates", mock('{"statusCode": #if(true)200#end}', '{"id": "$context.requestId"}')),
    route("ANY /proxy", http(type="HTTP_PROXY", method="ANY")),
    route(
        "POST /proxy-of-valid-bodies",
        http(type="HTTP_PROXY"),
        validator=RequestValidator(validate_request_body=True),
        request_models={JSON: "Item"},
    ),
    route(
        "ANY /proxy-with-a-mapped-path",
        http(
            type="HTTP_PROXY",
            path="/{id}",
            request_parameters={"integration.request.path.id": "method.request.path.id"},
        ),
    ),
    route("POST /http", http()),
    route(
        "POST /http-with-templates",
        http(
            request_templates={JSON: '{"name": $input.json("$.customer"), "by": "$context.identity.sourceIp"}'},
            responses=(
                IntegrationResponse(
                    key="200", status_code="200", response_templates={JSON: '{"said": "$input.path("$.pad")"}'}
                ),
            ),
        ),
    ),
]


class _Backend:
    """Stands for the pool."""

    async def invoke(self, request: IntegrationRequest) -> Reply:
        return Reply(200, ANSWER, HEADERS)


def walked(steps: Sequence[Step], make: Callable[[], HttpInvocation]) -> Callable[[], None]:
    def operation() -> None:
        invocation = make()
        for step in steps:
            try:
                step(invocation).send(None)
            except StopIteration:
                pass
        assert invocation.reply is not None

    return operation


async def main() -> None:
    app = App(Settings(port=0, control_port=0, access_log=""))
    await app.start()
    HttpIntegration.invoke = _Backend.invoke  # type: ignore[assignment,method-assign]
    item = Model(name="Item", schema={"type": "object", "properties": {"id": {"type": "string"}}})
    routes = {one.key: one for one in ROUTES}
    stages = {"prod": Stage(name="prod", access_log_format=None)}
    app.deploy([Api(id="pets", name="pets", protocol="REST", routes=routes, models={"Item": item}, stages=stages)])
    place = app.stages.find("", "/pets/prod/")
    assert place is not None
    # A caller that repeats itself: its header lines are known.
    fields = request().fields

    def known() -> HttpInvocation:
        made = request()
        made.fields = fields
        return made

    report("making a request, part of all below", known)
    for key in routes:
        method, _, path = key.partition(" ")
        match = place.live.paths.find("POST" if method == "ANY" else method, path)
        report(key, walked(match.route.steps, known))
    settle = compressor(0)
    answer = Reply(200, ANSWER)
    one = known()
    one.fields.made.clear()
    report("compression of 1 KiB that the client did not ask for", lambda: settle(answer, one))
    await app.stop(drain=0)
    await asyncio.sleep(0)


if __name__ == "__main__":
    uvloop.run(main())
