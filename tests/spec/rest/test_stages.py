"""Stages of REST APIs: method throttling, stage variables, base paths, and what is stronger than what.

Sources: developer guide, "Throttle requests to your REST APIs", "Stage variables", "Custom domain name for public REST
APIs", "API Gateway quotas".
"""

from __future__ import annotations

import json

import pytest

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.bad_backend import bad_backend, echo
from tests.harness.gateway import TestGateway
from tests.harness.raw_http import request, split_responses, talk
from tests.harness.raw_websocket import Response, open_socket
from tests.harness.rest_api import JSON, answers, ask, method, mock, rest_api
from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import Api, ApiMapping, DomainName, Stage
from wsgw.definitions.freeze import freeze
from wsgw.definitions.model import Model, RequestValidator

# ---- throttling


def bucket(rate: float, burst: int) -> ThrottleSettings:
    return ThrottleSettings(rate_limit=rate, burst_limit=burst)


async def statuses(gateway: TestGateway, path: str, count: int) -> list[int]:
    return [(await ask(gateway, "GET", path)).status for _ in range(count)]


async def test_a_bucket_has_burst_limit_tokens(gateway: TestGateway):
    gateway.deploy(rest_api(mock("GET /"), stage=Stage(name="dev", throttle=bucket(0.001, 2))))
    assert await statuses(gateway, "/", 3) == [200, 200, 429]
    refused = await ask(gateway, "GET", "/")
    assert json.loads(refused.body) == {"message": "Too Many Requests"}
    assert refused.header("x-amzn-errortype") == "TooManyRequestsException"


async def test_a_methods_setting_is_its_own(gateway: TestGateway):
    """`/resource/VERB` before `*/*`."""
    stage = Stage(name="dev", throttle=bucket(0.001, 1), route_throttles={"GET /more": bucket(0.001, 2)})
    gateway.deploy(rest_api(mock("GET /more"), mock("GET /less"), stage=stage))
    assert await statuses(gateway, "/more", 3) == [200, 200, 429]
    assert await statuses(gateway, "/less", 2) == [200, 429]


async def test_the_account_has_a_throttle(make_gateway: MakeGateway):
    gateway = await make_gateway(account_rate=0.001, account_burst=1)
    gateway.deploy(rest_api(mock("GET /a"), mock("GET /b")))
    assert (await statuses(gateway, "/a", 1), await statuses(gateway, "/b", 1)) == ([200], [429])


@pytest.mark.parametrize("limit", [bucket(0, 5), bucket(5, 0)], ids=["rateLimit 0", "burstLimit 0"])
async def test_a_limit_of_0_blocks_everything(gateway: TestGateway, limit: ThrottleSettings):
    gateway.deploy(rest_api(mock("GET /"), stage=Stage(name="dev", throttle=limit)))
    assert await statuses(gateway, "/", 1) == [429]


async def test_minus_1_is_no_limit(gateway: TestGateway):
    """Unconfirmed."""
    settings = {"*/*": {"throttlingRateLimit": -1, "throttlingBurstLimit": -1}}
    gateway.deploy(freeze(document(stages=[{"stageName": "dev", "methodSettings": settings}])))
    assert await statuses(gateway, "/", 3) == [200, 200, 200]


async def test_method_settings_name_methods_by_path_and_verb(gateway: TestGateway):
    settings = {"~1/GET": {"throttlingRateLimit": 0, "throttlingBurstLimit": 0}}
    gateway.deploy(freeze(document(stages=[{"stageName": "dev", "methodSettings": settings}])))
    assert await statuses(gateway, "/", 1) == [429]


def document(**members: object) -> dict[str, object]:
    """The documents of an API `pets` with a MOCK at its root."""
    integration = {
        "type": "MOCK",
        "requestTemplates": {JSON: '{"statusCode": 200}'},
        "integrationResponses": {"200": {"statusCode": "200"}},
    }
    root = {
        "httpMethod": "GET",
        "authorizationType": "NONE",
        "methodResponses": {"200": {"statusCode": "200"}},
        "methodIntegration": integration,
    }
    resource = {"id": "r", "path": "/", "resourceMethods": {"GET": root}}
    return {"protocolType": "REST", "id": "pets", "name": "pets", "resources": [resource], **members}


# ---- which refusal comes first


async def test_a_refusal_is_that_of_the_first_step(gateway: TestGateway):
    """Size, then the method, then its throttle, parameters, body, the template."""
    q = ("method.request.querystring.q",)
    validator = RequestValidator(validate_request_body=True, validate_request_parameters=True)
    one = mock(
        "POST /",
        required=q,
        validator=validator,
        request_models={JSON: "M"},
        request_templates={"text/xml": "x"},
        passthrough_behavior="NEVER",
    )
    models = {"M": Model(name="M", schema={"required": ["a"]})}
    stage = Stage(name="dev", throttle=bucket(0.001, 3))
    gateway.deploy(rest_api(one, models=models, stage=stage))
    assert (await ask(gateway, "POST", "/nothing", body=b"{}")).status == 403
    assert b"Missing required" in (await ask(gateway, "POST", "/", body=b"{}")).body
    assert b"Invalid request body" in (await ask(gateway, "POST", "/?q=1", body=b"{}")).body
    assert b"Unsupported Media Type" in (await ask(gateway, "POST", "/?q=1", body=b'{"a": 1}')).body
    assert b"Too Many Requests" in (await ask(gateway, "POST", "/", body=b"{}")).body
    assert (await ask(gateway, "POST", "/nothing", body=b"{}")).status == 403


# ---- stage variables


async def test_each_stage_has_its_variables(gateway: TestGateway, backend: Backend):
    one = method(
        "GET /",
        "HTTP",
        f"{backend.url}/${{stageVariables.version}}",
        answers(
            "200",
            "$stageVariables.version",
            response_parameters={"method.response.header.X-V": "stageVariables.version"},
        ),
        method="GET",
        request_parameters={"integration.request.header.X-V": "stageVariables.version"},
    )
    stages = {name: Stage(name=name, variables={"version": f"v-{name}"}) for name in ("dev", "prod")}
    gateway.deploy(_with_stages(rest_api(one), stages))
    for name in stages:
        response = await ask(gateway, "GET", "/", stage=name)
        got = backend.requests[-1]
        assert (got.target, got.header("X-V")) == (f"/v-{name}", f"v-{name}")
        assert (response.body.decode(), response.header("x-v")) == (f"v-{name}", f"v-{name}")


def _with_stages(api: Api, stages: dict[str, Stage]) -> Api:
    return Api(**{**{name: getattr(api, name) for name in api.__struct_fields__}, "stages": stages})


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
async def test_a_stage_variable_names_the_vpc_link(make_gateway: MakeGateway, kind: str):
    async with bad_backend(echo) as private:
        gateway = await make_gateway(vpc_links=(f"link1=http://127.0.0.1:{private.port}",))
        one = method(
            "POST /",
            kind,
            "http://pets.internal/v1",
            connection_type="VPC_LINK",
            connection_id="${stageVariables.link}",
        )
        gateway.deploy(rest_api(one, stage=Stage(name="dev", variables={"link": "link1"})))
        assert (await ask(gateway, "POST", "/", body=b"x")).status == 200
        assert b"Host: pets.internal" in private.requests[0].headers


# ---- custom domain names: base path mappings


async def at(gateway: TestGateway, host: str, path: str) -> Response:
    raw = request(path, host, [("Connection", "close")])
    (response,) = split_responses(await talk(gateway.url, raw))
    return response


def mapped(gateway: TestGateway, *mappings: ApiMapping, name: str = "api.example.com") -> None:
    template = answers("200", "$context.path $context.resourcePath $context.stage $context.domainName")
    routes = [mock("GET /", template), mock("GET /{proxy+}", template)]
    stages = {name: Stage(name=name) for name in ("dev", "prod")}
    gateway.app.deploy(
        [_with_stages(rest_api(*routes), stages)], domain_names=[DomainName(name=name, mappings=mappings)]
    )


PETS = ApiMapping(api_id="pets", stage="dev", key="shop")
ROOT = ApiMapping(api_id="pets", stage="prod")
FREE = ApiMapping(api_id="pets", stage="", key="any")
MAPPINGS = [
    pytest.param((PETS,), "/shop/dogs", "/shop/dogs /{proxy+} dev api.example.com", id="the base path is taken off"),
    pytest.param((PETS,), "/shop", "/shop/ / dev api.example.com", id="the base path alone is the root"),
    pytest.param((PETS, ROOT), "/other/x", "/other/x /{proxy+} prod api.example.com", id="else the root mapping"),
    pytest.param((PETS, ROOT), "/shopping", "/shopping /{proxy+} prod api.example.com", id="by whole segments"),
    pytest.param((FREE,), "/any/prod/x", "/any/prod/x /{proxy+} prod api.example.com", id="no stage: the next segment"),
]


@pytest.mark.parametrize(("mappings", "path", "seen"), MAPPINGS)
async def test_a_base_path_leads_to_a_stage(
    gateway: TestGateway, mappings: tuple[ApiMapping, ...], path: str, seen: str
):
    mapped(gateway, *mappings)
    assert (await at(gateway, "api.example.com", path)).body.decode().replace("/shop /", "/shop/ /") == seen


@pytest.mark.parametrize(("mappings", "path"), [((PETS,), "/other"), ((PETS,), "/"), ((FREE,), "/any/gone/x")])
async def test_no_mapping_is_403(gateway: TestGateway, mappings: tuple[ApiMapping, ...], path: str):
    mapped(gateway, *mappings)
    response = await at(gateway, "api.example.com", path)
    assert (response.status, json.loads(response.body)) == (403, {"message": "Forbidden"})


async def test_the_default_endpoint_can_be_disabled(gateway: TestGateway):
    """The body is unconfirmed."""
    gateway.deploy(rest_api(mock("GET /"), disable_execute_api_endpoint=True))
    response = await at(gateway, "pets.execute-api.eu-west-1.amazonaws.com", "/dev/")
    assert (response.status, json.loads(response.body)) == (403, {"message": "Forbidden"})


@pytest.mark.parametrize("path", ["/gone/", "/"])
async def test_an_unknown_stage_is_403(gateway: TestGateway, path: str):
    gateway.deploy(rest_api(mock("GET /")))
    response = await at(gateway, "pets.execute-api.eu-west-1.amazonaws.com", path)
    assert (response.status, json.loads(response.body)) == (403, {"message": "Forbidden"})


# ---- quotas


async def test_10_mb_of_payload(gateway: TestGateway, backend: Backend):
    gateway.deploy(rest_api(method("POST /", "HTTP_PROXY", backend.url)))
    assert (await ask(gateway, "POST", "/", body=b"x" * 10_485_760)).status == 200
    head = b"POST /pets/dev/ HTTP/1.1\r\nHost: g\r\nContent-Length: 10485761\r\n\r\n"
    async with await open_socket(gateway.url) as client:
        await client.send(head)
        response = await client.receive_response()
    assert (response.status, json.loads(response.body)) == (413, {"message": "Request Too Long"})


QUOTAS = [
    pytest.param("/" + "x" * 10_000, [], 200, id="a URL of 10,240 bytes at most"),
    pytest.param("/" + "x" * 10_300, [], 414, id="a longer one"),
    pytest.param("/x", ["X-A: " + "a" * 9_000], 200, id="10,240 bytes of headers at most"),
    pytest.param("/x", ["X-A: " + "a" * 6_000, "X-B: " + "b" * 6_000], 431, id="more of them together"),
]


@pytest.mark.parametrize(("path", "lines", "status"), QUOTAS)
async def test_the_quotas_of_a_request(gateway: TestGateway, path: str, lines: list[str], status: int):
    gateway.deploy(rest_api(mock("GET /{x}")))
    assert (await ask(gateway, "GET", path, *lines)).status == status
