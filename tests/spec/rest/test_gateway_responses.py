"""Gateway responses: what the API answers itself, and how a definition changes it.

Sources: developer guide, "Gateway responses for REST APIs" and its table of types; inheritance and parts recorded.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway
from tests.harness.rest_api import JSON, ask, method, mock, rest_api
from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import Api, GatewayResponse, Stage, StageLimits
from wsgw.definitions.model import Model, RequestValidator

VALIDATED = RequestValidator(validate_request_body=True, validate_request_parameters=True)
PET = Model(name="Pet", schema={"required": ["name"]})
INTERNAL = "InternalServerErrorException"


def serve(gateway: TestGateway, backend: Backend, port: int, *responses: GatewayResponse) -> Api:
    """An API with a request for every type that this gateway gives."""

    async def late(_: Received) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    backend.answer("/late", late)
    q = ("method.request.querystring.q",)
    one = rest_api(
        mock("POST /validated", required=q, validator=VALIDATED, request_models={JSON: "Pet"}),
        mock("GET /broken", request_templates={JSON: "no object"}),
        mock("POST /never", request_templates={"text/xml": "x"}, passthrough_behavior="NEVER"),
        mock("POST /large"),
        mock("GET /throttled"),
        mock("GET /pets/{id}", required=q, validator=VALIDATED),
        method("GET /away", "HTTP", f"http://127.0.0.1:{port}/"),
        method("GET /late", "HTTP", f"{backend.url}/late", method="GET", timeout_ms=60),
        models={"Pet": PET},
        gateway_responses={response.response_type: response for response in responses},
        stage=Stage(
            name="dev",
            variables={"tier": "gold"},
            limits=StageLimits(payload_bytes=1_000),
            route_throttles={"GET /throttled": ThrottleSettings(rate_limit=0, burst_limit=0)},
        ),
    )
    gateway.deploy(one)
    return one


def body(message: str) -> dict[str, str]:
    return {"message": message}


DEFAULTS = [
    ("API_CONFIGURATION_ERROR", "GET /broken", b"", 500, body("Internal server error"), INTERNAL),
    ("BAD_REQUEST_BODY", "POST /validated?q=1", b"{}", 400, body("Invalid request body"), "BadRequestException"),
    (
        "BAD_REQUEST_PARAMETERS",
        "POST /validated",
        b"{}",
        400,
        body("Missing required request parameters: [q]"),
        "BadRequestException",
    ),
    ("INTEGRATION_FAILURE", "GET /away", b"", 504, body("Network error communicating with endpoint"), INTERNAL),
    ("INTEGRATION_TIMEOUT", "GET /late", b"", 504, body("Endpoint request timed out"), INTERNAL),
    (
        "MISSING_AUTHENTICATION_TOKEN",
        "GET /nothing",
        b"",
        403,
        body("Missing Authentication Token"),
        "MissingAuthenticationTokenException",
    ),
    ("REQUEST_TOO_LARGE", "POST /large", b"x" * 1_001, 413, body("Request Too Long"), "RequestTooLargeException"),
    ("THROTTLED", "GET /throttled", b"", 429, body("Too Many Requests"), "TooManyRequestsException"),
    ("UNSUPPORTED_MEDIA_TYPE", "POST /never", b"{}", 415, body("Unsupported Media Type"), "BadRequestException"),
]
TYPES = [row[0] for row in DEFAULTS]


@pytest.mark.parametrize(("line", "sent", "status", "answer", "error_type"), [row[1:] for row in DEFAULTS], ids=TYPES)
async def test_a_type_has_its_default(
    gateway: TestGateway,
    backend: Backend,
    refused_port: int,
    line: str,
    sent: bytes,
    status: int,
    answer: Any,
    error_type: str,
):
    serve(gateway, backend, refused_port)
    response = await ask(gateway, *line.split(" "), body=sent)
    assert (response.status, json.loads(response.body)) == (status, answer)
    assert response.header("x-amzn-errortype") == error_type
    assert response.header("content-type") == JSON
    assert response.header("x-amzn-requestid")


@pytest.mark.parametrize(("type", "line", "sent"), [row[:3] for row in DEFAULTS], ids=TYPES)
async def test_a_type_is_customised(
    gateway: TestGateway, backend: Backend, refused_port: int, type: str, line: str, sent: bytes
):
    custom = GatewayResponse(
        response_type=type,
        status_code="418",
        response_parameters={"gatewayresponse.header.X-A": "'static'"},
        response_templates={JSON: '{"type":"$context.error.responseType"}'},
    )
    serve(gateway, backend, refused_port, custom)
    response = await ask(gateway, *line.split(" "), body=sent)
    assert (response.status, json.loads(response.body)) == (418, {"type": type})
    assert response.header("x-a") == "static"
    assert response.header("x-amzn-errortype")


async def custom_answer(gateway: TestGateway, backend: Backend, port: int, line: str, **members: Any) -> Any:
    serve(gateway, backend, port, GatewayResponse(response_type="BAD_REQUEST_PARAMETERS", **members))
    verb, path, *lines = line.split(" ")
    return await ask(gateway, verb, path, *(one.replace(":", ": ") for one in lines))


PARAMETERS = [
    pytest.param("'static'", "static", id="literal"),
    pytest.param("method.request.header.X-In", "in", id="header"),
    pytest.param("method.request.querystring.other", "o", id="querystring"),
    pytest.param("method.request.path.id", "7", id="path"),
    pytest.param("context.httpMethod", "GET", id="context"),
    pytest.param("context.error.responseType", "BAD_REQUEST_PARAMETERS", id="context.error"),
    pytest.param("stageVariables.tier", "gold", id="stage variable"),
    pytest.param("method.request.header.X-None", None, id="missing"),
]


@pytest.mark.parametrize(("source", "value"), PARAMETERS)
async def test_a_header_comes_from(
    gateway: TestGateway, backend: Backend, refused_port: int, source: str, value: str | None
):
    response = await custom_answer(
        gateway,
        backend,
        refused_port,
        "GET /pets/7?other=o X-In:in",
        response_parameters={"gatewayresponse.header.X-A": source},
    )
    assert (response.status, response.header("x-a")) == (400, value)


TEMPLATES = [
    pytest.param("$context.error.messageString", '"Missing required request parameters: [q]"', id="messageString"),
    pytest.param("$context.error.message", "Missing required request parameters: [q]", id="message"),
    pytest.param("$stageVariables.tier", "gold", id="stage variable"),
    pytest.param("$method.request.header.X-In", "in", id="header"),
    pytest.param("#set($a = 1)$util.urlEncode('x')", "#set($a = 1)$util.urlEncode('x')", id="no VTL"),
    pytest.param("#if(true)a#end", "#if(true)a#end", id="directives stay literal"),
]


@pytest.mark.parametrize(("template", "text"), TEMPLATES)
async def test_a_template_is_text_with_references(
    gateway: TestGateway, backend: Backend, refused_port: int, template: str, text: str
):
    response = await custom_answer(
        gateway, backend, refused_port, "GET /pets/7 X-In:in", response_templates={JSON: template}
    )
    assert response.body.decode() == text


@pytest.mark.parametrize(
    ("accept", "content_type"), [("Accept:text/xml", "text/xml"), ("Accept:image/png", JSON), ("X-A:b", JSON)]
)
async def test_accept_selects_the_template(
    gateway: TestGateway, backend: Backend, refused_port: int, accept: str, content_type: str
):
    response = await custom_answer(
        gateway, backend, refused_port, f"GET /pets/7 {accept}", response_templates={JSON: "{}", "text/xml": "<x/>"}
    )
    assert response.header("content-type") == content_type
    assert response.body == (b"<x/>" if content_type == "text/xml" else b"{}")


# ---- inheritance

DEFAULT_4XX = GatewayResponse(
    response_type="DEFAULT_4XX",
    status_code="444",
    response_parameters={"gatewayresponse.header.X-Default": "'4'"},
    response_templates={JSON: "four"},
)
DEFAULT_5XX = GatewayResponse(response_type="DEFAULT_5XX", status_code="555")


@pytest.mark.parametrize(("line", "sent", "status"), [(*row[1:3], row[3]) for row in DEFAULTS], ids=TYPES)
async def test_a_type_that_is_not_set_takes_the_default_of_its_class(
    gateway: TestGateway, backend: Backend, refused_port: int, line: str, sent: bytes, status: int
):
    serve(gateway, backend, refused_port, DEFAULT_4XX, DEFAULT_5XX)
    response = await ask(gateway, *line.split(" "), body=sent)
    if status < 500:
        assert (response.status, response.body, response.header("x-default")) == (444, b"four", "4")
    else:
        assert (response.status, json.loads(response.body)["message"] != "") == (555, True)


async def test_a_type_that_is_set_in_part_inherits_nothing(gateway: TestGateway, backend: Backend, refused_port: int):
    part = GatewayResponse(
        response_type="MISSING_AUTHENTICATION_TOKEN", response_parameters={"gatewayresponse.header.X-A": "'a'"}
    )
    serve(gateway, backend, refused_port, DEFAULT_4XX, part)
    response = await ask(gateway, "GET", "/nothing")
    assert (response.status, json.loads(response.body)) == (403, body("Missing Authentication Token"))
    assert (response.header("x-a"), response.header("x-default")) == ("a", None)
