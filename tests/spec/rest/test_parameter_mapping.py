"""Parameter mapping of REST APIs: what goes where, and what is left out.

Source: developer guide, "Parameter mapping for REST APIs" and its reference; recorded on the service.
"""

from __future__ import annotations

import json

import pytest
from aiohttp import web
from multidict import CIMultiDict

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.rest_api import JSON, answers, ask, method, rest_api
from wsgw.definitions.api import Stage
from wsgw.errors import DefinitionError

BODY = b'{"s": "text", "o": {"k": [1, 2]}, "n": 1.5, "b": true}'
SOURCES = [
    pytest.param("method.request.path.id", "p1", id="path"),
    pytest.param("method.request.querystring.q", "last", id="querystring: the last value"),
    pytest.param("method.request.header.X-H", "two", id="header: the last value"),
    pytest.param("method.request.header.x-h", "two", id="header names have no case (unconfirmed)"),
    pytest.param("method.request.multivalueheader.X-H", "one,two", id="multivalueheader: joined"),
    pytest.param("method.request.body", BODY.decode(), id="body"),
    pytest.param("method.request.body.s", "text", id="body JSONPath: strings unquoted"),
    pytest.param("method.request.body.o", '{"k":[1,2]}', id="body JSONPath: objects as JSON"),
    pytest.param("method.request.body.o.k[1]", "2", id="body JSONPath: an element"),
    pytest.param("method.request.body.n", "1.5", id="body JSONPath: a number"),
    pytest.param("method.request.body.b", "true", id="body JSONPath: a boolean"),
    pytest.param("stageVariables.tier", "gold", id="stage variable"),
    pytest.param("context.httpMethod", "POST", id="context"),
    pytest.param("context.identity.sourceIp", "127.0.0.1", id="context, dotted"),
    pytest.param("'a literal, as is'", "a literal, as is", id="literal"),
    pytest.param("method.request.header.X-None", None, id="missing header"),
    pytest.param("method.request.querystring.none", None, id="missing query parameter"),
    pytest.param("method.request.body.none", None, id="missing member"),
    pytest.param("stageVariables.none", None, id="missing stage variable"),
]


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
@pytest.mark.parametrize(("source", "value"), SOURCES)
async def test_a_header_is_mapped_from(
    gateway: TestGateway, backend: Backend, kind: str, source: str, value: str | None
):
    parameters = {"integration.request.header.X-Mapped": source}
    stage = Stage(name="dev", variables={"tier": "gold"})
    gateway.deploy(rest_api(method("POST /{id}", kind, backend.url, request_parameters=parameters), stage=stage))
    response = await ask(gateway, "POST", "/p1?q=first&q=last", "X-H: one", "X-H: two", body=BODY)
    assert response.status == 200
    assert backend.requests[0].header("X-Mapped") == value


async def test_multivaluequerystring_repeats_in_a_query(gateway: TestGateway, backend: Backend):
    parameters = {"integration.request.querystring.all": "method.request.multivaluequerystring.q"}
    gateway.deploy(rest_api(method("GET /", "HTTP", f"{backend.url}/in", method="GET", request_parameters=parameters)))
    await ask(gateway, "GET", "/?q=1&q=2")
    assert backend.requests[0].target == "/in?all=1&all=2"


TARGETS = [
    pytest.param("integration.request.path.x", "/in/v?", id="path fills the uri"),
    pytest.param("integration.request.querystring.x", "/in/{x}?x=v", id="querystring extends the query"),
]


@pytest.mark.parametrize(("target", "sent"), TARGETS)
async def test_a_value_is_mapped_to(gateway: TestGateway, backend: Backend, target: str, sent: str):
    uri = f"{backend.url}/in/{{x}}"
    gateway.deploy(rest_api(method("GET /", "HTTP", uri, method="GET", request_parameters={target: "'v'"})))
    await ask(gateway, "GET", "/")
    assert backend.requests[0].target.replace("%7B", "{").replace("%7D", "}") == sent.removesuffix("?")


# ---- rules

EMPTY = [
    pytest.param("method.request.body", "{}", id="the whole of an empty body is an empty object"),
    pytest.param("method.request.body.s", None, id="a path into an empty body is nothing"),
]


@pytest.mark.parametrize(("source", "value"), EMPTY)
async def test_an_empty_body_is_an_empty_object(gateway: TestGateway, backend: Backend, source: str, value: str | None):
    parameters = {"integration.request.header.X-Mapped": source}
    gateway.deploy(rest_api(method("POST /", "HTTP", backend.url, request_parameters=parameters)))
    await ask(gateway, "POST", "/")
    assert backend.requests[0].header("X-Mapped") == value


@pytest.mark.parametrize("body", [b'{"a": ', b"[1,", b'"open'])
async def test_a_part_of_malformed_json_is_refused(gateway: TestGateway, backend: Backend, body: bytes):
    parameters = {"integration.request.header.X-Mapped": "method.request.body.a"}
    gateway.deploy(rest_api(method("POST /", "HTTP", backend.url, request_parameters=parameters)))
    response = await ask(gateway, "POST", "/", body=body)
    assert (response.status, json.loads(response.body)) == (400, {"message": "Invalid JSON in request body"})
    assert backend.requests == []


@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("integration.request.header.X", "method.request.nowhere.x"),
        ("integration.request.header.X", "''"),
        ("integration.request.cookie.X", "'x'"),
        ("integration.request.header.X", "header"),
    ],
)
async def test_a_malformed_expression_is_refused_when_deployed(gateway: TestGateway, target: str, source: str):
    with pytest.raises(DefinitionError, match="GET /"):
        gateway.deploy(rest_api(method("GET /", "HTTP", "http://127.0.0.1/", request_parameters={target: source})))


async def test_a_mapped_query_parameter_joins_the_clients_of_an_http_proxy(gateway: TestGateway, backend: Backend):
    parameters = {"integration.request.querystring.testQs": "method.request.querystring.other"}
    uri = f"{backend.url}/in?testQs=bar&testVar=foobar"
    gateway.deploy(rest_api(method("GET /", "HTTP_PROXY", uri, method="GET", request_parameters=parameters)))
    await ask(gateway, "GET", "/?testVar=bar&other=foo")
    assert backend.requests[0].target == "/in?testQs=bar&testVar=foobar&testVar=bar&other=foo&testQs=foo"


async def test_a_mapped_header_takes_the_place_of_the_clients(gateway: TestGateway, backend: Backend):
    parameters = {"integration.request.header.X-Own": "'mapped'"}
    gateway.deploy(rest_api(method("GET /", "HTTP_PROXY", backend.url, method="GET", request_parameters=parameters)))
    await ask(gateway, "GET", "/", "x-own: client", "x-own: again")
    assert [value for name, value in backend.requests[0].headers if name.lower() == "x-own"] == ["mapped"]


# ---- responses

ANSWER_SOURCES = [
    pytest.param("integration.response.header.X-B", "second", id="header"),
    pytest.param("integration.response.multivalueheader.X-B", "first,second", id="multivalueheader"),
    pytest.param("integration.response.body", '{"o":{"k":[1]},"s":"t"}', id="body"),
    pytest.param("integration.response.body.s", "t", id="body JSONPath"),
    pytest.param("integration.response.body.o", '{"k":[1]}', id="a body's object is JSON text"),
    pytest.param("stageVariables.tier", "gold", id="stage variable"),
    pytest.param("context.httpMethod", "GET", id="context"),
    pytest.param("'literal'", "literal", id="literal"),
    pytest.param("integration.response.header.X-None", None, id="missing header"),
    pytest.param("integration.response.body.none", None, id="missing member"),
]


@pytest.mark.parametrize(("source", "value"), ANSWER_SOURCES)
async def test_a_header_of_the_answer_is_mapped_from(
    gateway: TestGateway, backend: Backend, source: str, value: str | None
):

    headers = CIMultiDict([("X-B", "first"), ("X-B", "second")])
    backend.answer("/in", lambda _: web.Response(text='{"o":{"k":[1]},"s":"t"}', headers=headers))
    ok = answers(response_parameters={"method.response.header.X-A": source})
    stage = Stage(name="dev", variables={"tier": "gold"})
    gateway.deploy(rest_api(method("GET /", "HTTP", f"{backend.url}/in", ok, method="GET"), stage=stage))
    response = await ask(gateway, "GET", "/")
    assert (response.status, response.header("x-a")) == (200, value)


@pytest.mark.parametrize("source", ["integration.response.nowhere.x", "method.request.header.X", "''"])
async def test_a_malformed_response_expression_is_refused_when_deployed(gateway: TestGateway, source: str):
    ok = answers(response_parameters={"method.response.header.X-A": source})
    with pytest.raises(DefinitionError, match="GET /"):
        gateway.deploy(rest_api(method("GET /", "HTTP", "http://127.0.0.1/", ok)))


async def test_a_mapped_body_type_is_the_one_sent(gateway: TestGateway, backend: Backend):
    parameters = {"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"}
    one = method(
        "POST /", "HTTP", backend.url, request_parameters=parameters, request_templates={JSON: "a=$input.path('$.s')"}
    )
    gateway.deploy(rest_api(one))
    await ask(gateway, "POST", "/", body=BODY)
    assert backend.requests[0].header("content-type") == "application/x-www-form-urlencoded"
    assert backend.requests[0].text == "a=text"
