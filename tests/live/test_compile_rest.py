"""A stage of a REST API made ready: a route has the steps that it asks for, and no others."""

from __future__ import annotations

import pytest

from tests.harness.gateway import TestGateway
from tests.harness.rest_api import JSON, method, mock, rest_api
from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import Stage
from wsgw.definitions.model import Model, RequestValidator
from wsgw.definitions.route import Route
from wsgw.errors import DefinitionError
from wsgw.live.route_table import LiveRoute

URL = "http://127.0.0.1:9/x"
BODY = RequestValidator(validate_request_body=True)
PARAMETERS = RequestValidator(validate_request_parameters=True)
PET = {"Pet": Model(name="Pet", schema={"type": "object"})}
Q = "method.request.querystring.q"


@pytest.fixture
async def one() -> TestGateway:
    running = await TestGateway(lanes=False).start()
    yield running
    await running.stop()


def compiled(gateway: TestGateway, route: Route, **members) -> LiveRoute:
    gateway.deploy(rest_api(route, **members))
    place = gateway.app.stages.find("", "/pets/dev/")
    assert place is not None
    verb, _, path = route.key.partition(" ")
    found = place.live.paths.find(verb, path)
    assert found is not None
    return found.route


def names(route: LiveRoute) -> list[str]:
    return [step.__qualname__.partition(".")[0] for step in route.steps]


PROXY = ["map_to_rest_proxy", "integrate", "map_rest_answer"]
STEPS = [
    (mock("GET /"), {}, ["mock"]),
    (method("GET /", "HTTP_PROXY", URL), {}, PROXY),
    (
        method("GET /", "HTTP_PROXY", URL, request_parameters={"integration.request.header.A": "'a'"}),
        {},
        ["map_parameters_to_rest_proxy", *PROXY[1:]],
    ),
    (method("GET /", "HTTP_PROXY", URL + "/{id}"), {}, ["map_parameters_to_rest_proxy", *PROXY[1:]]),
    (method("GET /", "HTTP_PROXY", URL, content_handling="CONVERT_TO_TEXT"), {}, ["convert_proxied_body", *PROXY]),
    (
        method("GET /", "HTTP_PROXY", URL, validator=BODY, request_models={JSON: "Pet"}),
        {"models": PET},
        ["validate_body", *PROXY],
    ),
    (method("GET /", "HTTP_PROXY", URL, validator=PARAMETERS, request_models={JSON: "Pet"}), {"models": PET}, PROXY),
    (method("GET /", "HTTP_PROXY", URL, validator=PARAMETERS, required=[Q]), {}, ["required", *PROXY]),
    (method("GET /", "HTTP_PROXY", URL, validator=BODY, required=[Q]), {}, PROXY),
    (method("GET /", "HTTP_PROXY", URL, required=[Q]), {}, PROXY),
    (method("GET /", "HTTP_PROXY", URL), {"minimum_compression_size": 0}, ["decode_body", *PROXY]),
    (
        method("GET /", "HTTP_PROXY", URL),
        {"stage": Stage(name="dev", throttle=ThrottleSettings(rate_limit=1, burst_limit=1))},
        ["throttle", *PROXY],
    ),
    (method("GET /", "HTTP", URL), {}, ["map_to_rest_http", "integrate", "map_response"]),
    (
        method("GET /", "AWS", "arn:aws:apigateway:us-east-1:sqs:path/1/q"),
        {},
        ["map_to_service", "integrate", "map_response"],
    ),
    (method("GET /", "AWS_PROXY", "echo"), {}, ["map_to_rest_event", "integrate", "map_function_answer"]),
    (
        method("GET /", "AWS_PROXY", "echo", method="GET"),
        {},
        ["call_by_method", "map_to_rest_event", "integrate", "map_function_answer"],
    ),
    (method("GET /", "HTTP", "http://${stageVariables.none}/"), {}, ["fail_always"]),
    (method("GET /", "AWS", "arn:aws:apigateway:eu-west-1:${stageVariables.none}:path/k"), {}, ["fail_always"]),
    (
        method("GET /", "AWS_PROXY", "echo", request_parameters={"integration.request.header.TE": "'x'"}),
        {},
        ["fail_always"],
    ),
    (mock("GET /", request_parameters={"integration.request.header.Content-Length": "'0'"}), {}, ["mock"]),
]


@pytest.mark.parametrize(("route", "members", "steps"), STEPS)
async def test_a_route_has_the_steps_that_it_asks_for(one: TestGateway, route, members, steps):
    assert names(compiled(one, route, **members)) == steps


@pytest.mark.parametrize(
    ("route", "members", "streams"),
    [
        (method("POST /", "HTTP_PROXY", URL), {}, True),
        (method("POST /", "HTTP_PROXY", URL, validator=PARAMETERS, required=[Q]), {}, True),
        (method("POST /", "HTTP_PROXY", URL, validator=BODY), {}, False),
        (method("POST /", "HTTP_PROXY", URL, content_handling="CONVERT_TO_TEXT"), {}, False),
        (
            method(
                "POST /",
                "HTTP_PROXY",
                URL,
                request_parameters={"integration.request.header.A": "method.request.body.a"},
            ),
            {},
            False,
        ),
        (method("POST /", "HTTP_PROXY", URL), {"minimum_compression_size": 0}, False),
        (method("POST /", "HTTP", URL), {}, False),
        (mock("POST /"), {}, False),
    ],
)
async def test_a_body_streams_where_no_step_needs_it_whole(one: TestGateway, route, members, streams):
    assert compiled(one, route, **members).streams is streams


@pytest.mark.parametrize(
    ("route", "fault"),
    [
        (Route(key="GET /"), "no integration"),
        (method("GET /", "HTTP", "ftp://h/"), "invalid_url"),
        (method("GET /", "AWS", "arn:aws:apigateway:eu-west-1:{bucket}.s3:path/k"), "no uri of an AWS integration"),
        (mock("GET /", request_templates={JSON: "#if("}), "GET /"),
        (method("GET /", "HTTP", URL, request_parameters={"integration.request.header.A": "nonsense"}), "nonsense"),
        (method("GET /", "HTTP", URL, validator=BODY, request_models={JSON: "None"}), "'None'"),
    ],
)
async def test_what_cannot_be_made_ready_is_named(one: TestGateway, route, fault):
    with pytest.raises(DefinitionError, match=fault) as raised:
        compiled(one, route)
    assert "GET /" in str(raised.value)
