"""Where an integration's request goes, with which verb and which headers.

Sources: developer guide, "Set up REST API integrations" and "Amazon API Gateway important notes";
recorded on the service.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.rest_api import JSON, ask, method, rest_api
from wsgw.definitions.api import Stage

BOTH = pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
INTERNAL = {"message": "Internal server error"}


def lower(headers: list[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


# ---- the address


@BOTH
async def test_stage_variables_stand_anywhere_in_a_uri(gateway: TestGateway, backend: Backend, kind: str):
    """Host, path and query; an undefined one is empty."""
    uri = "http://${stageVariables.host}/v${stageVariables.version}/pets?kind=${stageVariables.kind}&x=${stageVariables.none}"
    host = backend.url.removeprefix("http://")
    stage = Stage(name="dev", variables={"host": host, "version": "1", "kind": "dog"})
    gateway.deploy(rest_api(method("GET /", kind, uri, method="GET"), stage=stage))
    await ask(gateway, "GET", "/")
    assert backend.requests[0].target == "/v1/pets?kind=dog&x="


@BOTH
async def test_an_address_that_cannot_be_is_an_internal_error(gateway: TestGateway, kind: str):
    gateway.deploy(rest_api(method("GET /", kind, "http://${stageVariables.none}/x", method="GET")))
    response = await ask(gateway, "GET", "/")
    assert (response.status, json.loads(response.body)) == (500, INTERNAL)
    assert response.header("x-amzn-errortype") == "InternalServerErrorException"


@BOTH
async def test_a_variable_of_the_method_fills_nothing_by_itself(gateway: TestGateway, backend: Backend, kind: str):
    gateway.deploy(rest_api(method("GET /{id}", kind, f"{backend.url}/{{id}}", method="GET")))
    await ask(gateway, "GET", "/7")
    assert backend.requests[0].target == "/%7Bid%7D"


@BOTH
async def test_a_mapped_variable_fills_the_uri(gateway: TestGateway, backend: Backend, kind: str):
    parameters = {"integration.request.path.name": "method.request.path.id"}
    gateway.deploy(
        rest_api(method("GET /{id}", kind, f"{backend.url}/{{name}}", method="GET", request_parameters=parameters))
    )
    await ask(gateway, "GET", "/7")
    assert backend.requests[0].target == "/7"


QUERIES = [
    pytest.param("HTTP", "/in?u=1&m=2", id="HTTP: only the uri's and mapped parameters"),
    pytest.param("HTTP_PROXY", "/in?u=1&c=3&u=4&m=2", id="HTTP_PROXY: the uri's, the client's, then mapped ones"),
]


@pytest.mark.parametrize(("kind", "target"), QUERIES)
async def test_the_query_of_the_backend(gateway: TestGateway, backend: Backend, kind: str, target: str):
    parameters = {"integration.request.querystring.m": "'2'"}
    uri = f"{backend.url}/in?u=1"
    gateway.deploy(rest_api(method("GET /", kind, uri, method="GET", request_parameters=parameters)))
    await ask(gateway, "GET", "/?c=3&u=4")
    assert backend.requests[0].target == target


@BOTH
@pytest.mark.parametrize(("verb", "given"), [("ANY", "PATCH"), ("PUT", "PUT"), ("GET", "GET")])
async def test_the_verb_is_the_integrations_or_with_any_the_clients(
    gateway: TestGateway, backend: Backend, kind: str, verb: str, given: str
):
    gateway.deploy(rest_api(method("PATCH /", kind, backend.url, method=verb)))
    await ask(gateway, "PATCH", "/", body=b"x")
    assert backend.requests[0].method == given
    assert backend.requests[0].body == (b"" if given == "GET" else b"x")


@BOTH
async def test_a_redirect_is_the_answer(gateway: TestGateway, backend: Backend, kind: str):
    """Unconfirmed: it is not followed."""
    gateway.deploy(rest_api(method("GET /", kind, f"{backend.url}/in", method="GET")))
    backend.on("/in", status=302, headers={"Location": "/elsewhere"})
    response = await ask(gateway, "GET", "/")
    assert response.status == (302 if kind == "HTTP_PROXY" else 200)
    assert [one.path for one in backend.requests] == ["/in"]


# ---- headers towards the backend

CLIENT = ["Accept: text/csv", "User-Agent: client/1", "Authorization: token", "Content-Type: text/csv", "X-Own: 1"]


async def test_headers_of_an_http_integration(gateway: TestGateway, backend: Backend):
    gateway.deploy(rest_api(method("POST /", "HTTP", backend.url)))
    await ask(gateway, "POST", "/", *CLIENT, body=b"a,b")
    headers = lower(backend.requests[0].headers)
    assert headers.pop("x-amzn-trace-id").startswith("Root=1-")
    assert headers == {
        "accept": JSON,
        "user-agent": "AmazonAPIGateway_pets",
        "x-amzn-apigateway-api-id": "pets",
        "host": backend.url.removeprefix("http://"),
        "content-type": "text/csv",
        "content-length": "3",
    }


async def test_headers_of_an_http_proxy_integration(gateway: TestGateway, backend: Backend):
    gateway.deploy(rest_api(method("POST /", "HTTP_PROXY", backend.url)))
    await ask(gateway, "POST", "/", *CLIENT, body=b"a,b")
    headers = lower(backend.requests[0].headers)
    assert headers.pop("x-amzn-trace-id").startswith("Root=1-")
    assert {name: headers[name] for name in ("accept", "user-agent", "authorization", "content-type", "x-own")} == {
        "accept": "text/csv",
        "user-agent": "client/1",
        "authorization": "token",
        "content-type": "text/csv",
        "x-own": "1",
    }
    assert headers["host"] == backend.url.removeprefix("http://")
    assert headers["x-amzn-apigateway-api-id"] == "pets"
    assert headers["x-forwarded-for"] == "127.0.0.1"  # unconfirmed for HTTP_PROXY
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-port"] == gateway.url.rpartition(":")[2]


async def test_a_body_without_a_type_is_json(gateway: TestGateway, backend: Backend):
    gateway.deploy(rest_api(method("POST /", "HTTP", backend.url)))
    await ask(gateway, "POST", "/", body=b"{}")
    assert backend.requests[0].header("content-type") == JSON


DROPPED = [
    "Connection", "Content-MD5", "Max-Forwards", "Proxy-Authenticate", "Server", "TE", "Trailer", "Upgrade",
    "WWW-Authenticate", "Content-Encoding", "Via",
]  # fmt: skip


@BOTH
@pytest.mark.parametrize("name", DROPPED)
async def test_a_header_that_ends_at_the_gateway(gateway: TestGateway, backend: Backend, kind: str, name: str):
    gateway.deploy(rest_api(method("POST /", kind, backend.url)))
    await ask(gateway, "POST", "/", f"{name}: identity", body=b"x")
    assert backend.requests[0].header(name) in (None, "keep-alive")


@pytest.mark.parametrize("name", ["Content-MD5", "Max-Forwards", "Server", "TE", "WWW-Authenticate", "Content-Length"])
async def test_a_dropped_header_is_empty_to_templates(gateway: TestGateway, backend: Backend, name: str):
    template = f"[$input.params('{name}')$input.params().header.get('{name}')][$input.params('X-Own')]"
    gateway.deploy(rest_api(method("POST /", "HTTP", backend.url, request_templates={JSON: template})))
    lines = [] if name == "Content-Length" else [f"{name}: x"]
    await ask(gateway, "POST", "/", "X-Own: seen", *lines, body=b"x")
    assert backend.requests[0].text == "[][seen]"


# ---- mapping to names that are reserved

APPLIED, DROPPED_SILENTLY, REFUSED = "applied", "dropped", "refused"
NAMES: list[Any] = [
    *(pytest.param(name, REFUSED, REFUSED, id=name) for name in ("Content-Length", "Transfer-Encoding")),
    *(
        pytest.param(name, REFUSED, REFUSED, id=f"{name} (unconfirmed)")
        for name in ("X-Amzn-Trace-Id", "X-Amzn-Apigateway-Api-Id")
    ),
    *(pytest.param(name, DROPPED_SILENTLY, REFUSED, id=name) for name in ("Expect", "Proxy-Authenticate", "TE")),
    pytest.param("Authorization", APPLIED, REFUSED, id="Authorization"),
    pytest.param("Connection", DROPPED_SILENTLY, REFUSED, id="Connection (not recorded for HTTP)"),
    pytest.param("Via", DROPPED_SILENTLY, DROPPED_SILENTLY, id="Via (not recorded for AWS)"),
    pytest.param("Referer", APPLIED, DROPPED_SILENTLY, id="Referer"),
    *(
        pytest.param(name, APPLIED, APPLIED, id=name)
        for name in (
            "Accept",
            "Accept-Charset",
            "Accept-Encoding",
            "Age",
            "Content-Encoding",
            "Content-MD5",
            "Content-Type",
            "Host",
            "Max-Forwards",
            "Pragma",
            "Range",
            "Server",
            "Trailer",
            "Upgrade",
            "User-Agent",
            "Warn",
            "WWW-Authenticate",
            "X-Other",
        )
    ),
]


@BOTH
@pytest.mark.parametrize(("name", "to_http", "to_aws"), NAMES)
async def test_a_header_mapped_to_a_reserved_name(
    gateway: TestGateway, backend: Backend, kind: str, name: str, to_http: str, to_aws: str
):
    parameters = {f"integration.request.header.{name}": "'mapped'"}
    gateway.deploy(rest_api(method("POST /", kind, backend.url, request_parameters=parameters)))
    response = await ask(gateway, "POST", "/", body=b"x")
    assert (response.status == 500) == (to_http == REFUSED)
    sent = backend.requests[0].header(name) if backend.requests else None
    assert (sent == "mapped") == (to_http == APPLIED)


@pytest.mark.parametrize("name", [row.values[0] for row in NAMES if row.values[2] == REFUSED])
async def test_an_aws_integration_refuses_reserved_names(gateway: TestGateway, name: str):
    """Of AWS_PROXY, too, whose mappings are ignored otherwise."""
    parameters = {f"integration.request.header.{name}": "'mapped'"}
    uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations"
    gateway.deploy(
        rest_api(
            method("GET /proxy", "AWS_PROXY", "f", request_parameters=parameters),
            method("GET /own", "AWS", uri, request_parameters=parameters),
        )
    )
    for path in ("/proxy", "/own"):
        response = await ask(gateway, "GET", path)
        assert (response.status, json.loads(response.body)) == (500, INTERNAL)
        assert response.header("x-amzn-errortype") == "InternalServerErrorException"
