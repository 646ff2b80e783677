"""Parameter mapping of HTTP APIs: every key, every source, what may not be mapped.

Source: developer guide, "Transform API requests and responses for HTTP APIs".
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Answer, Client, proxy, web_api
from wsgw.errors import DefinitionError
from wsgw.live.prove import prove

VARIABLES = {"$default": {"variables": {"environmentId": "env1"}}}


async def mapped_request(
    gateway: TestGateway,
    backend: Backend,
    client: Client,
    mapping: dict[str, str],
    target: str = "/pets/1",
    **more: Any,
) -> Received:
    route = proxy(f"{backend.url}/base", requestParameters=mapping)
    gateway.deploy(web_api({"ANY /pets/{id}": route}, stages=VARIABLES))
    assert (await client.ask(target, **more)).status == 200
    return backend.requests[0]


async def mapped_answer(
    gateway: TestGateway, backend: Backend, client: Client, mapping: dict[str, dict[str, str]]
) -> Answer:
    gateway.deploy(web_api({"ANY /pets/{id}": proxy(backend.url, responseParameters=mapping)}, stages=VARIABLES))
    return await client.ask("/pets/1")


HEADERS = [("X", "1"), ("X", "2")]
HEADER_KEYS = [
    pytest.param({"append:header.x": "new"}, ["1", "2", "new"], id="append keeps existing"),
    pytest.param({"append:header.y": "new"}, ["1", "2"], id="append creates"),
    pytest.param({"overwrite:header.x": "new"}, ["new"], id="overwrite replaces"),
    pytest.param({"remove:header.X": "''"}, [], id="remove deletes"),
]


@pytest.mark.parametrize(("mapping", "values"), HEADER_KEYS)
async def test_each_key_of_a_requests_headers(
    gateway: TestGateway, backend: Backend, client: Client, mapping: dict[str, str], values: list[str]
):
    got = await mapped_request(gateway, backend, client, mapping, headers=HEADERS)
    assert [value for name, value in got.headers if name.lower() == "x"] == values
    assert got.header("y") == ("new" if "append:header.y" in mapping else None)


QUERY_KEYS = [
    pytest.param({"append:querystring.x": "new"}, "x=1&x=2&z=3&x=new", id="append keeps existing"),
    pytest.param({"append:querystring.y": "new"}, "x=1&x=2&z=3&y=new", id="append creates"),
    pytest.param({"overwrite:querystring.x": "new"}, "z=3&x=new", id="overwrite replaces"),
    pytest.param({"overwrite:querystring.y": "new"}, "x=1&x=2&z=3&y=new", id="overwrite creates"),
    pytest.param({"remove:querystring.x": "''"}, "z=3", id="remove deletes"),
]


@pytest.mark.parametrize(("mapping", "query"), QUERY_KEYS)
async def test_each_key_of_a_requests_query(
    gateway: TestGateway, backend: Backend, client: Client, mapping: dict[str, str], query: str
):
    got = await mapped_request(gateway, backend, client, mapping, "/pets/1?x=1&x=2&z=3")
    assert got.target == f"/base?{query}"


async def test_what_is_not_removed_of_a_query_stays_as_it_was(gateway: TestGateway, backend: Backend, client: Client):
    target = "/pets/1?q=a;b&x=1&%78=2&e=%20&z;x=3;y"
    got = await mapped_request(gateway, backend, client, {"remove:querystring.x": "''"}, target)
    assert got.target == "/base?q=a;b&e=%20&z;y"


async def test_overwrite_path_replaces_the_path(gateway: TestGateway, backend: Backend, client: Client):
    got = await mapped_request(gateway, backend, client, {"overwrite:path": "/else/${request.path.id}"}, "/pets/1?q=1")
    assert got.target == "/else/1?q=1"


REQUEST_VALUES = [
    pytest.param("$request.header.NAME", "a,b", id="header without case and joined"),
    pytest.param("$request.querystring.q", "1,2", id="querystring joined"),
    pytest.param("$request.querystring.Q", None, id="querystring has a case"),
    pytest.param("$request.body.pet.tags[1]", "y", id="body JSONPath"),
    pytest.param("$request.body.pet", '{"tags":["x","y"]}', id="body JSONPath of an object"),
    pytest.param("$request.body", '{"pet":{"tags":["x","y"]}}', id="whole body"),
    pytest.param("$request.path", "/pets/a%20b", id="path without the stage"),
    pytest.param("$request.path.id", "a b", id="path variable"),
    pytest.param("$context.routeKey", "ANY /pets/{id}", id="context"),
    pytest.param("$context.accountId", "000000000000", id="context accountId"),
    pytest.param("$context.identity.sourceIp", "127.0.0.1", id="context identity"),
    pytest.param("$context.domainPrefix", "web", id="context domainPrefix"),
    pytest.param("$stageVariables.environmentId", "env1", id="stageVariables"),
    pytest.param("text", "text", id="text"),
    pytest.param("${request.header.name} ${request.path.id}", "a,b a b", id="braces concatenate"),
    pytest.param("$request.header.missing", None, id="missing source no header (unconfirmed)"),
    pytest.param("$request.body.missing", None, id="missing part of the body"),
    pytest.param("<${request.header.missing}>", "<>", id="missing source empty in braces"),
]


@pytest.mark.parametrize(("value", "sent"), REQUEST_VALUES)
async def test_each_value_of_a_request(
    gateway: TestGateway, backend: Backend, client: Client, value: str, sent: str | None
):
    got = await mapped_request(
        gateway,
        backend,
        client,
        {"append:header.out": value},
        "/pets/a%20b?q=1&q=2",
        method="POST",
        headers=[("Name", "a"), ("Name", "b")],
        data=b'{"pet":{"tags":["x","y"]}}',
    )
    assert got.header("out") == sent


@pytest.mark.parametrize(("size", "sent"), [(102_400, "1"), (102_401, None)], ids=["100 KB", "a byte more"])
async def test_a_body_is_cut_off_at_100_kb(
    gateway: TestGateway, backend: Backend, client: Client, size: int, sent: str | None
):
    body = b'{"a":1,"b":"' + b"x" * (size - 14) + b'"}'
    mapping = {"append:header.out": "$request.body.a"}
    got = await mapped_request(gateway, backend, client, mapping, method="POST", data=body)
    assert (got.header("out"), len(got.body)) == (sent, size)


RESPONSE_VALUES = [
    pytest.param("$response.header.NAME", "a", id="header without case"),
    pytest.param("$response.body.pet.id", "7", id="body JSONPath"),
    pytest.param("$context.stage", "$default", id="context"),
    pytest.param("$stageVariables.environmentId", "env1", id="stageVariables"),
    pytest.param("text", "text", id="text"),
    pytest.param("${response.header.name}/${context.stage}", "a/$default", id="braces concatenate"),
    pytest.param("$response.header.missing", None, id="missing source no header"),
]


@pytest.mark.parametrize(("value", "got"), RESPONSE_VALUES)
async def test_each_value_of_an_answer(
    gateway: TestGateway, backend: Backend, client: Client, value: str, got: str | None
):
    backend.on("/", 200, '{"pet":{"id":7}}', {"name": "a"})
    answer = await mapped_answer(gateway, backend, client, {"200": {"append:header.out": value}})
    assert (answer.status, answer.header("out")) == (200, got)


RESPONSE_KEYS = [
    pytest.param({"append:header.x": "new"}, 500, ["1", "new"], id="append"),
    pytest.param({"overwrite:header.x": "new"}, 500, ["new"], id="overwrite"),
    pytest.param({"remove:header.x": "''"}, 500, [], id="remove"),
    pytest.param({"overwrite:statuscode": "403"}, 403, ["1"], id="statuscode"),
    pytest.param({"overwrite.statuscode": "403"}, 403, ["1"], id="statuscode as the model spells it"),
    pytest.param({"overwrite:statuscode": "$response.body.status"}, 409, ["1"], id="statuscode from the body"),
]


@pytest.mark.parametrize(("mapping", "status", "values"), RESPONSE_KEYS)
async def test_each_key_of_an_answer(
    gateway: TestGateway, backend: Backend, client: Client, mapping: dict[str, str], status: int, values: list[str]
):
    backend.on("/", 500, '{"status":409}', {"X": "1"})
    answer = await mapped_answer(gateway, backend, client, {"500": mapping})
    assert (answer.status, answer.all("x")) == (status, values)


async def test_status_codes_without_an_entry_are_untouched(gateway: TestGateway, backend: Backend, client: Client):
    backend.on("/", 201, "said", {"X": "1"})
    answer = await mapped_answer(gateway, backend, client, {"200": {"overwrite:header.x": "new"}})
    assert (answer.status, answer.body, answer.all("x")) == (201, b"said", ["1"])


async def test_the_documented_renaming(gateway: TestGateway, backend: Backend, client: Client):
    mapping = {"append:header.header2": "$request.header.header1", "remove:header.header1": "''"}
    got = await mapped_request(gateway, backend, client, mapping, headers={"header1": "v"})
    assert (got.header("header1"), got.header("header2")) == (None, "v")


async def test_the_documented_rules_of_answers(gateway: TestGateway, backend: Backend, client: Client):
    """500: the request's id as a header, and 403; 404: a stage variable as a header."""
    rules = {
        "500": {"append:header.header1": "$context.requestId", "overwrite:statuscode": "403"},
        "404": {"append:header.error": "$stageVariables.environmentId"},
    }
    backend.on("/", 500)
    answer = await mapped_answer(gateway, backend, client, rules)
    assert (answer.status, answer.header("header1")) == (403, answer.header("apigw-requestid"))
    backend.on("/", 404)
    assert (await client.ask("/pets/1")).header("error") == "env1"


RESERVED = [
    *("access-control-allow-origin", "apigw-any", "Authorization", "Connection"),
    *("Content-Encoding", "Content-Length", "Content-Location", "Forwarded"),
    *("Keep-Alive", "Origin", "Proxy-Authenticate", "Proxy-Authorization", "TE"),
    *("Trailers", "Transfer-Encoding", "Upgrade", "x-amz-any", "x-amzn-any"),
    *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Via"),
]
REFUSED = [
    pytest.param({"append:path": "/x"}, {}, id="append:path"),
    pytest.param({"overwrite:statuscode": "200"}, {}, id="statuscode of a request"),
    pytest.param({}, {"200": {"append:querystring.x": "1"}}, id="querystring of an answer"),
    pytest.param({}, {"199": {"append:header.x": "1"}}, id="status below 200"),
    pytest.param({}, {"600": {"append:header.x": "1"}}, id="status above 599"),
    pytest.param({"append:header.x": "$response.header.y"}, {}, id="$response in a request"),
    pytest.param({}, {"200": {"append:header.x": "$request.header.y"}}, id="$request in an answer (unconfirmed)"),
    pytest.param({"append:header.x": "$request.body..y"}, {}, id="recursive descent"),
    pytest.param({"append:header.x": "$request.body.a[?(@.b)]"}, {}, id="filter"),
    *(pytest.param({f"append:header.{name}": "x"}, {}, id=f"{name} of a request") for name in RESERVED),
    *(pytest.param({}, {"200": {f"remove:header.{name}": "''"}}, id=f"{name} of an answer") for name in RESERVED),
]


@pytest.mark.parametrize(("request_mapping", "answer_mapping"), REFUSED)
async def test_what_cannot_be_mapped_is_refused_when_deployed(
    gateway: TestGateway, request_mapping: dict[str, str], answer_mapping: dict[str, dict[str, str]]
):
    members = {"requestParameters": request_mapping, "responseParameters": answer_mapping}
    api = web_api({"$default": proxy("http://h", **members)})
    assert [finding.severity for finding in prove(api)] == ["error"]
    with pytest.raises(DefinitionError, match="parameter"):
        gateway.deploy(api)
