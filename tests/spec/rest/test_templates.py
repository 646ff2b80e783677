"""Mapping templates of REST APIs over a socket: what `$input`, `$util` and `$stageVariables` give, and their limits.

Source: developer guide, "Mapping template transformations" and its reference; recorded on the service. The language
itself is in tests/mapping.
"""

from __future__ import annotations

import json

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.rest_api import JSON, answers, ask, method, mock, rest_api
from wsgw.definitions.api import Stage
from wsgw.errors import DefinitionError

BODY = b'{"a": {"b": [1, "two", null, true]}, "s": "it\'s", "n": 7}'
INPUT = [
    pytest.param("$input.body", BODY.decode(), id="$input.body"),
    pytest.param("[$input.body.x]", "[]", id="$input.body has no members"),
    pytest.param("$input.json('$.a')", '{"b":[1,"two",null,true]}', id="$input.json of an object"),
    pytest.param("$input.json('$.s') $input.json('$.n')", '"it\'s" 7', id="$input.json: strings quoted, numbers bare"),
    pytest.param("$input.json('$.none')", '""', id="$input.json of what is not there (unconfirmed)"),
    pytest.param("$input.path('$.a').b.size() $input.path('$.a.b[1]')", "4 two", id="$input.path is an object"),
    pytest.param("[$input.path('$.none')$input.path('$.a.b[2]')]", "[]", id="$input.path of nothing or null"),
    pytest.param('$input.path("$.a.b[1]")', "two", id="double quotes"),
    pytest.param('#set($i = 1)$input.path("$.a.b[${i}]")', "two", id="interpolation in a path"),
    pytest.param("$input.path('$.a.b[*]')", '[1,"two",null,true]', id="wildcard"),
    pytest.param("#foreach($k in $input.params().keySet())$k #end", "path querystring header ", id="$input.params()"),
    pytest.param("$input.params().path.id", "42", id="$input.params().path.id"),
    pytest.param("$input.params().get('header').get('X-H')", "h", id="nested access"),
    pytest.param("$input.params('id') $input.params('q') $input.params('X-H')", "42 1 h", id="path, query, header"),
    pytest.param("[$input.params('none')]", "[]", id="a missing parameter"),
    pytest.param('{"id": $input.params().path.id}', '{"id": 42}', id="path values are without quotes"),
    pytest.param("$input.params('both')", "query", id="the query string before headers"),
]


@pytest.mark.parametrize(("template", "text"), INPUT)
async def test_input(gateway: TestGateway, backend: Backend, template: str, text: str):
    gateway.deploy(rest_api(method("POST /{id}", "HTTP", backend.url, request_templates={JSON: template})))
    response = await ask(gateway, "POST", "/42?q=1&both=query", "X-H: h", "both: header", body=BODY)
    assert (response.status, backend.requests[0].text) == (200, text)


EMPTY = [
    pytest.param("$input.body", "{}", id="body"),
    pytest.param("$util.urlEncode($input.body)", "%7B%7D", id="encoded"),
    pytest.param("$input.json('$')", "{}", id="json"),
]


@pytest.mark.parametrize(("template", "text"), EMPTY)
async def test_an_empty_payload_is_an_empty_object(gateway: TestGateway, backend: Backend, template: str, text: str):
    gateway.deploy(rest_api(method("POST /", "HTTP", backend.url, request_templates={JSON: template})))
    await ask(gateway, "POST", "/")
    assert backend.requests[0].text == text


async def test_a_payload_that_is_no_json(gateway: TestGateway, backend: Backend):
    """`""` is unconfirmed."""
    template = "$input.json('$.a') [$input.path('$.a')]$input.body"
    gateway.deploy(rest_api(method("POST /", "HTTP", backend.url, request_templates={JSON: template})))
    await ask(gateway, "POST", "/", body=b"plain")
    assert backend.requests[0].text == '"" []plain'


UTIL = [
    pytest.param("$util.escapeJavaScript($input.path('$.s'))", "it\\'s", id="escapeJavaScript"),
    pytest.param(
        "$util.escapeJavaScript($input.path('$.s')).replaceAll(\"\\\\'\",\"'\")", "it's", id="and undone for JSON"
    ),
    pytest.param('#set($o = $util.parseJson(\'{"x": {"y": 1}}\'))$o.x.y', "1", id="parseJson"),
    pytest.param("$util.urlEncode('a b:{')", "a+b%3A%7B", id="urlEncode"),
    pytest.param("$util.urlDecode('a+b%3A%7B')", "a b:{", id="urlDecode"),
    pytest.param("$util.base64Encode('text')", "dGV4dA==", id="base64Encode"),
    pytest.param("$util.base64Decode('dGV4dA==')", "text", id="base64Decode"),
    pytest.param("[$util.urlEncode($none)]", "[]", id="a null argument"),
    pytest.param(
        "$stageVariables.tier $stageVariables['tier'] [$stageVariables.none]", "gold gold []", id="stageVariables"
    ),
]


@pytest.mark.parametrize(("template", "text"), UTIL)
async def test_util_and_stage_variables(gateway: TestGateway, backend: Backend, template: str, text: str):
    stage = Stage(name="dev", variables={"tier": "gold"})
    gateway.deploy(rest_api(method("POST /", "HTTP", backend.url, request_templates={JSON: template}), stage=stage))
    await ask(gateway, "POST", "/", body=BODY)
    assert backend.requests[0].text == text


async def test_the_same_engine_makes_answers(gateway: TestGateway):
    gateway.deploy(rest_api(mock("GET /{id}", answers("200", "$input.params('id') [$input.body]"))))
    assert (await ask(gateway, "GET", "/7")).body == b"7 [{}]"


async def test_a_rendered_template_need_not_be_json(gateway: TestGateway, backend: Backend):
    gateway.deploy(rest_api(method("POST /", "HTTP", backend.url, request_templates={JSON: "a=1&b"})))
    await ask(gateway, "POST", "/", body=b"{}")
    assert backend.requests[0].text == "a=1&b"


FAILING = [
    pytest.param("#foreach($i in [1..1001])$i#end", id="over 1,000 iterations"),
    pytest.param("$input.path('$.a.b').get(99)", id="a call that fails"),
]


@pytest.mark.parametrize("template", FAILING)
async def test_a_template_that_fails_is_an_internal_error(gateway: TestGateway, backend: Backend, template: str):
    gateway.deploy(rest_api(method("POST /", "HTTP", backend.url, request_templates={JSON: template})))
    response = await ask(gateway, "POST", "/", body=BODY)
    assert (response.status, json.loads(response.body)) == (500, {"message": "Internal server error"})
    assert response.header("x-amzn-errortype") == "InternalServerErrorException"


@pytest.mark.parametrize("template", ['#set($x = "a\\"b")', "costs 5 $", "#if(", "x" * 307_201])
async def test_a_template_that_cannot_be_parsed_is_refused_when_deployed(gateway: TestGateway, template: str):
    """API Gateway answers 500 to each request; here nobody needs a request to find out. 300 KB at most."""
    with pytest.raises(DefinitionError, match="GET /"):
        gateway.deploy(rest_api(mock("GET /", answers("200", template))))


async def test_a_thousand_iterations_and_300_kb_are_allowed(gateway: TestGateway):
    template = "#foreach($i in [1..1000])x#end " + "y" * 307_169
    gateway.deploy(rest_api(mock("GET /", answers("200", template))))
    assert len((await ask(gateway, "GET", "/")).body) == 1_000 + 1 + 307_169
