"""MOCK integrations, and CORS as people make it of them.

Sources: developer guide, "Mock integrations for REST APIs" and "CORS for REST APIs"; recorded on the service.
"""

from __future__ import annotations

import json

import pytest

from tests.harness.gateway import TestGateway
from tests.harness.rest_api import JSON, answers, ask, mock, rest_api

STATUSES = [
    pytest.param('{"statusCode": 200}', 200, id="JSON"),
    pytest.param("{statusCode: 200}", 200, id="unquoted keys"),
    pytest.param("{'statusCode': 200}", 200, id="single quotes"),
    pytest.param('{"statusCode": 200,}', 200, id="trailing comma"),
    pytest.param('{"statusCode": 200, "more": {"x": [1]}}', 200, id="other members"),
    pytest.param('{"statusCode": "200"}', 500, id="a string is no status"),
    pytest.param("{}", 500, id="absent"),
    pytest.param("no object", 500, id="unparsable"),
    pytest.param("", 500, id="empty"),
]


@pytest.mark.parametrize(("template", "status"), STATUSES)
async def test_the_rendered_template_says_the_status(gateway: TestGateway, template: str, status: int):
    gateway.deploy(rest_api(mock("GET /", request_templates={JSON: template})))
    response = await ask(gateway, "GET", "/")
    assert response.status == status
    if status == 500:
        assert json.loads(response.body) == {"message": "Internal server error"}


@pytest.mark.parametrize(("code", "status"), [(200, 200), (204, 200), (404, 418), (503, 500)])
async def test_the_status_is_matched_as_a_backends_would_be(gateway: TestGateway, code: int, status: int):
    one = mock(
        "GET /",
        answers("200", selection_pattern=r"2\d{2}"),
        answers("418", selection_pattern=r"4\d{2}"),
        request_templates={JSON: f'{{"statusCode": {code}}}'},
    )
    gateway.deploy(rest_api(one))
    assert (await ask(gateway, "GET", "/")).status == status


async def test_the_body_is_the_response_templates_alone(gateway: TestGateway):
    gateway.deploy(rest_api(mock("POST /a"), mock("POST /b", answers("200", "made"))))
    assert (await ask(gateway, "POST", "/a", body=b"not echoed")).body == b""
    assert (await ask(gateway, "POST", "/b", body=b"not echoed")).body == b"made"


async def test_parameters_reach_templates_and_nothing_else(gateway: TestGateway):
    parameters = {"integration.request.querystring.status": "method.request.querystring.status"}
    templates = {JSON: "{\"statusCode\": $input.params('status')}"}
    gateway.deploy(rest_api(mock("GET /", request_parameters=parameters, request_templates=templates)))
    assert (await ask(gateway, "GET", "/?status=200")).status == 200
    assert (await ask(gateway, "GET", "/")).status == 500


async def test_a_mocks_answer_has_no_headers_to_map(gateway: TestGateway):
    mapped = {"method.response.header.X-A": "integration.response.header.X-A"}
    gateway.deploy(rest_api(mock("GET /", answers(response_parameters=mapped))))
    assert (await ask(gateway, "GET", "/", "X-A: client")).header("x-a") is None


async def test_a_body_that_passes_is_read_as_the_mock_object(gateway: TestGateway):
    """Unconfirmed."""
    gateway.deploy(rest_api(mock("POST /", request_templates={})))
    assert (await ask(gateway, "POST", "/", body=b'{"statusCode": 200}')).status == 200
    assert (await ask(gateway, "POST", "/")).status == 500


async def test_a_mock_never_returns_the_trace_id(gateway: TestGateway):
    gateway.deploy(rest_api(mock("GET /")))
    response = await ask(gateway, "GET", "/", "X-Amzn-Trace-Id: Root=1-3152b799-8954dae64eda91bc9a23a7e8")
    assert response.header("x-amzn-trace-id") is None


# ---- CORS

ALLOWED = {
    "Access-Control-Allow-Headers": "Content-Type,X-Amz-Date,Authorization,X-Api-Key,X-Amz-Security-Token",
    "Access-Control-Allow-Methods": "GET,OPTIONS",
    "Access-Control-Allow-Origin": "*",
}
PREFLIGHT = answers(response_parameters={f"method.response.header.{name}": f"'{v}'" for name, v in ALLOWED.items()})
FROM_A_PAGE = ("Origin: https://a.example", "Access-Control-Request-Method: GET")


async def test_a_preflight_is_an_options_mock_with_static_headers(gateway: TestGateway):
    gateway.deploy(rest_api(mock("OPTIONS /pets", PREFLIGHT)))
    response = await ask(gateway, "OPTIONS", "/pets", *FROM_A_PAGE)
    assert (response.status, response.body) == (200, b"")
    assert {name: response.header(name.lower()) for name in ALLOWED} == ALLOWED


async def test_there_is_no_cors_of_its_own(gateway: TestGateway):
    gateway.deploy(rest_api(mock("GET /pets")))
    preflight = await ask(gateway, "OPTIONS", "/pets", *FROM_A_PAGE)
    assert (preflight.status, preflight.header("access-control-allow-origin")) == (403, None)
    assert (await ask(gateway, "GET", "/pets", *FROM_A_PAGE)).header("access-control-allow-origin") is None


async def test_with_any_binary_type_the_preflight_needs_convert_to_text(gateway: TestGateway):
    routes = [mock("OPTIONS /a", PREFLIGHT), mock("OPTIONS /b", PREFLIGHT, content_handling="CONVERT_TO_TEXT")]
    gateway.deploy(rest_api(*routes, binary_media_types=("*/*",)))
    assert (await ask(gateway, "OPTIONS", "/a", *FROM_A_PAGE)).status == 500
    assert (await ask(gateway, "OPTIONS", "/b", *FROM_A_PAGE)).status == 200
