"""What a REST API refuses by itself, over real sockets: parameters, bodies, its gateway responses, its access log."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway
from wsgw.definitions.api import Api, GatewayResponse, Stage
from wsgw.definitions.model import Model, RequestValidator
from wsgw.definitions.route import Integration, IntegrationResponse, Route, RouteResponse
from wsgw.errors import DefinitionError

BOTH = RequestValidator(name="both", validate_request_body=True, validate_request_parameters=True)
SUM = Model(name="Sum", schema={"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]})
MOCK = Integration(
    type="MOCK",
    request_templates={"application/json": '{"statusCode": 200}'},
    responses=(IntegrationResponse(key="200", status_code="200", response_templates={"application/json": "fine"}),),
)
BROKEN = Integration(type="MOCK", request_templates={"application/json": "#set($x = $input.body.substring(9))"})
PARAMETERS = {"method.request.querystring.q": True, "method.request.header.x-key": True}


def pets(*responses: GatewayResponse, stage: Stage | None = None) -> Api:
    stage = stage or Stage(name="dev")
    checked: dict[str, Any] = {
        "request_parameters": PARAMETERS,
        "request_models": {"application/json": "Sum"},
        "validator": BOTH,
    }
    routes = [
        Route(key="POST /pets", integration=MOCK, responses={"200": RouteResponse(status_code="200")}, **checked),
        Route(key="GET /broken", integration=BROKEN),
    ]
    return Api(
        id="pets",
        name="pets",
        protocol="REST",
        routes={route.key: route for route in routes},
        models={"Sum": SUM},
        stages={stage.name: stage},
        gateway_responses={response.response_type: response for response in responses},
    )


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def ask(
    session: aiohttp.ClientSession, gateway: TestGateway, method: str, target: str, **more: Any
) -> tuple[int, Any, Any]:
    headers = {"Host": "pets.localhost", **more.pop("headers", {})}
    url = URL(gateway.url + target, encoded=True)
    async with session.request(method, url, headers=headers, **more) as answer:
        return answer.status, answer.headers, await answer.text()


REFUSED = [
    ("no parameters", {}, "", "{}", 400, "Missing required request parameters: [x-key, q]"),
    ("an empty one", {"X-Key": "k"}, "?q=", '{"a": 1}', 400, "Missing required request parameters: [q]"),
    ("parameters before the body", {"X-Key": "k"}, "", "{", 400, "Missing required request parameters: [q]"),
    ("no body", {"X-Key": "k"}, "?q=1", "", 400, "Invalid request body"),
    ("a body against the model", {"X-Key": "k"}, "?q=1", '{"a": "x"}', 400, "Invalid request body"),
    ("malformed", {"X-Key": "k"}, "?q=1", "{", 400, "Invalid request body"),
]


@pytest.mark.parametrize(
    ("headers", "query", "body", "status", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
async def test_a_request_that_is_not_as_its_method_wants_it_is_refused(
    gateway: TestGateway, session: aiohttp.ClientSession, headers: Any, query: str, body: str, status: int, message: str
) -> None:
    gateway.deploy(pets())
    headers = {"Content-Type": "application/json", **headers}
    answer = await ask(session, gateway, "POST", f"/dev/pets{query}", data=body, headers=headers)
    assert (answer[0], json.loads(answer[2])) == (status, {"message": message})
    assert answer[1]["x-amzn-ErrorType"] == "BadRequestException"
    assert answer[1]["Content-Type"] == "application/json"


async def test_a_request_as_its_method_wants_it_passes(gateway: TestGateway, session: aiohttp.ClientSession) -> None:
    gateway.deploy(pets())
    headers = {"X-Key": "k", "Content-Type": "application/json"}
    assert (await ask(session, gateway, "POST", "/dev/pets?q=1", data='{"a": 1}', headers=headers))[::2] == (
        200,
        "fine",
    )


async def test_a_customised_response_answers_for_a_path_that_is_not_there(
    gateway: TestGateway, session: aiohttp.ClientSession
) -> None:
    custom = GatewayResponse(
        response_type="MISSING_AUTHENTICATION_TOKEN",
        status_code="404",
        response_parameters={
            "gatewayresponse.header.Access-Control-Allow-Origin": "'a.b.c'",
            "gatewayresponse.header.x-request-query": "method.request.querystring.q",
        },
        response_templates={"application/json": '{"type":"$context.error.responseType","path":"$context.path"}'},
    )
    gateway.deploy(pets(custom))
    status, headers, body = await ask(session, gateway, "GET", "/dev/nothing?q=1")
    assert (status, json.loads(body)) == (404, {"type": "MISSING_AUTHENTICATION_TOKEN", "path": "/dev/nothing"})
    assert (headers["Access-Control-Allow-Origin"], headers["x-request-query"]) == ("a.b.c", "1")
    assert headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    assert headers["x-amzn-RequestId"]


async def test_a_refusal_splits_no_response(gateway: TestGateway, session: aiohttp.ClientSession) -> None:
    """S-05."""
    echo = GatewayResponse(
        response_type="MISSING_AUTHENTICATION_TOKEN",
        response_parameters={"gatewayresponse.header.x-q": "method.request.querystring.q"},
    )
    gateway.deploy(pets(echo))
    status, headers, _ = await ask(session, gateway, "GET", "/dev/nothing?q=a%0d%0aSet-Cookie:%20evil=1")
    assert status == 403
    assert "Set-Cookie" not in headers
    assert "x-q" not in headers


async def test_a_template_that_fails_is_an_error_of_the_definition(
    gateway: TestGateway, session: aiohttp.ClientSession
) -> None:
    gateway.deploy(pets(GatewayResponse(response_type="DEFAULT_5XX", status_code="599")))
    status, headers, body = await ask(session, gateway, "GET", "/dev/broken")
    assert (status, body) == (599, '{"message":"Internal server error"}')
    assert headers["x-amzn-ErrorType"] == "InternalServerErrorException"


async def test_a_response_that_cannot_be_made_is_named_when_it_is_deployed(gateway: TestGateway) -> None:
    bad = GatewayResponse(response_type="THROTTLED", response_parameters={"gatewayresponse.header.x": "nothing"})
    with pytest.raises(DefinitionError) as raised:
        gateway.deploy(pets(bad))
    assert "apis.pets.gatewayResponses: THROTTLED: response parameter 'gatewayresponse.header.x'" in str(raised.value)


async def test_every_request_has_its_line_in_the_access_log(
    make_gateway: MakeGateway, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    form = (
        '{"id":"$context.requestId","path":"$context.path","resource":"$context.resourcePath",'
        '"status":$context.status,"length":$context.responseLength,"ms":$context.responseLatency,'
        '"error":"$context.error.responseType","why":"$context.error.validationErrorString"}'
    )
    gateway = await make_gateway(access_log=str(log))
    gateway.deploy(pets(stage=Stage(name="dev", access_log_format=form)))
    headers = {"X-Key": "k", "Content-Type": "application/json"}
    ids = []
    for target, body in (("/dev/pets?q=1", '{"a": 1}'), ("/dev/pets?q=secret", "{}"), ("/dev/x", "")):
        ids.append((await ask(session, gateway, "POST", target, data=body, headers=headers))[1]["x-amzn-RequestId"])
    await gateway.stop()
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines] == ids
    assert [line["status"] for line in lines] == [200, 400, 403]
    assert [line["resource"] for line in lines] == ["/pets", "/pets", "-"]
    assert [line["error"] for line in lines] == ["-", "BAD_REQUEST_BODY", "MISSING_AUTHENTICATION_TOKEN"]
    assert lines[0]["length"] == 4
    assert lines[1]["why"].startswith("[[$] ")
    assert all(0 <= line["ms"] < 10_000 for line in lines)
    assert "secret" not in log.read_text(encoding="utf-8")
