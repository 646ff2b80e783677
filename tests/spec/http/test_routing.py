"""Which stage and which route a request to an HTTP API takes.

Source: developer guide, "Stages for HTTP APIs" and "Create routes for HTTP APIs".
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Client, proxy, web_api
from wsgw.definitions.check import check
from wsgw.definitions.freeze import broken, freeze
from wsgw.formats.parse import parse

NOT_FOUND = b'{"message":"Not Found"}'


def routed(gateway: TestGateway, backend: Backend, keys: Iterable[str], stages: Iterable[str] = ("$default",)) -> None:
    """An API that says in a header of its answers which stage and route a request took, and with which variables."""
    said = "${context.stage} ${context.routeKey}"
    mapping = {"200": {"append:header.took": said}}
    routes = {key: proxy(backend.url, responseParameters=mapping) for key in keys}
    gateway.deploy(web_api(routes, stages=dict.fromkeys(stages)))


STAGES = [
    pytest.param(["beta", "$default"], "/beta/pets", "beta GET /pets", id="equal: that stage, segment removed"),
    pytest.param(["beta", "$default"], "/pets", "$default GET /pets", id="otherwise $default"),
    pytest.param(["beta", "$default"], "/Beta/pets", None, id="case-sensitive"),
    pytest.param(["beta"], "/pets", None, id="no match and no $default"),
    pytest.param(["beta"], "/beta/pets", "beta GET /pets", id="base URL of a stage"),
    pytest.param(["$default"], "/pets", "$default GET /pets", id="base URL of $default"),
    pytest.param(["$default"], "/$default/pets", "$default GET /pets", id="equal to $default, too"),
]


@pytest.mark.parametrize(("stages", "target", "took"), STAGES)
async def test_the_first_segment_says_the_stage(
    gateway: TestGateway, backend: Backend, client: Client, stages: list[str], target: str, took: str | None
):
    routed(gateway, backend, ["GET /pets"], stages)
    answer = await client.ask(target)
    assert (answer.status, answer.header("took")) == ((404, None) if took is None else (200, took))
    assert answer.header("apigw-requestid")
    if took is None:
        assert answer.body == NOT_FOUND


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
async def test_a_route_key_names_a_verb(gateway: TestGateway, backend: Backend, client: Client, verb: str):
    routed(gateway, backend, [f"{verb} /pets"])
    assert (await client.ask("/pets", verb)).header("took") == f"$default {verb} /pets"
    other = "GET" if verb != "GET" else "PUT"
    assert (await client.ask("/pets", other)).status == 404


EXAMPLE = ["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"]
REQUESTS = [
    ("GET /pets/dog/1", "GET /pets/dog/1"),
    ("GET /pets/dog/2", "GET /pets/dog/{id}"),
    ("GET /pets/cat/1", "GET /pets/{proxy+}"),
    ("POST /test/5", "ANY /{proxy+}"),
    ("GET /", "$default"),
]


@pytest.mark.parametrize(("asked", "route"), REQUESTS, ids=[asked for asked, _ in REQUESTS])
async def test_the_documented_example(gateway: TestGateway, backend: Backend, client: Client, asked: str, route: str):
    routed(gateway, backend, EXAMPLE)
    verb, _, target = asked.partition(" ")
    assert (await client.ask(target, verb)).header("took") == f"$default {route}"


PRIORITIES = [
    pytest.param(["GET /a/b", "GET /a/{x}"], "GET /a/b", 0, id="1 literal before variable"),
    pytest.param(["GET /{x}/b", "GET /a/{x}"], "GET /a/b", 1, id="1 the earlier literal"),
    pytest.param(["GET /a", "ANY /a"], "GET /a", 0, id="1 verb before ANY"),
    pytest.param(["GET /a", "ANY /a"], "PUT /a", 1, id="1 ANY takes the others"),
    pytest.param(["GET /a/{x}", "GET /a/{p+}"], "GET /a/b", 0, id="1 full before greedy"),
    pytest.param(["GET /a/{p+}", "ANY /a/{p+}"], "GET /a/b", 0, id="2 verb before ANY"),
    pytest.param(["GET /a/{p+}", "ANY /a/{p+}"], "PUT /a/b", 1, id="2 ANY takes the others"),
    pytest.param(["GET /{p+}", "GET /a/b/{p+}"], "GET /a/b/c", 1, id="2 longer literal prefix"),
    pytest.param(["GET /a", "$default"], "PUT /a", 1, id="3 $default takes unmatched verbs"),
    pytest.param(["GET /a", "$default"], "GET /b", 1, id="3 $default takes unmatched paths"),
    pytest.param(["GET /a", "$default"], "OPTIONS /a", 1, id="$default takes OPTIONS without CORS"),
    pytest.param(["ANY /{p+}", "$default"], "GET /", 1, id="greedy needs a segment"),
    pytest.param(["ANY /{p+}", "ANY /"], "GET /", 1, id="ANY / takes the root"),
    pytest.param(["ANY /{p+}"], "GET /", None, id="greedy does not match /"),
    pytest.param(["GET /a"], "GET /a/", None, id="trailing slash is another path"),
    pytest.param(["GET /a"], "GET /A", None, id="paths have a case"),
    pytest.param(["GET /a"], "HEAD /a", None, id="HEAD is not derived from GET"),
    pytest.param(["GET /a"], "POST /a", None, id="no route"),
]


@pytest.mark.parametrize(("keys", "asked", "index"), PRIORITIES)
async def test_each_priority(
    gateway: TestGateway, backend: Backend, client: Client, keys: list[str], asked: str, index: int | None
):
    routed(gateway, backend, keys)
    verb, _, target = asked.partition(" ")
    answer = await client.ask(target, verb)
    assert answer.header("took") == (None if index is None else f"$default {keys[index]}")
    assert answer.status == (404 if index is None else 200)


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_no_route_is_404_with_an_id(gateway: TestGateway, backend: Backend, client: Client, verb: str):
    """Row No route."""
    routed(gateway, backend, ["PUT /a"])
    answer = await client.ask("/a", verb)
    assert (answer.status, answer.body, answer.header("content-length")) == (404, NOT_FOUND, "23")
    assert answer.header("apigw-requestid")


async def test_the_default_routes_backend_gets_the_full_path(gateway: TestGateway, backend: Backend, client: Client):
    """Row $default route."""
    gateway.deploy(web_api({"$default": proxy(backend.url)}))
    await client.ask("/shop/a%20b/?q=1", "DELETE")
    assert (backend.requests[0].method, backend.requests[0].target) == ("DELETE", "/shop/a%20b/?q=1")


REFUSED = [
    ("GTE /a", "Invalid HttpMethod"),
    ("get /a", "Invalid HttpMethod"),
    ("/a", "route key is not formatted properly"),
    ("GET a", "route key is not formatted properly"),
    ("GET /{p+}/a", "greedy"),
    ("GET /a{b}", "whole segment"),
]


@pytest.mark.parametrize(("key", "says"), REFUSED, ids=[key for key, _ in REFUSED])
def test_what_is_no_route_key_is_refused(key: str, says: str):
    """VERB /path or $default; a greedy variable is the last segment."""
    data = json.dumps({"apis": {"web": {"protocol": "HTTP", "routes": {key: "http://h"}}}})
    parsed = parse(data.encode(), "web.yaml", {})
    found = [*parsed.findings, *(finding for one in parsed.documents for finding in check(freeze(one)))]
    assert [finding.severity for finding in found] == ["error"]
    assert says in found[0].message


def test_route_keys_are_unique():
    routes = [{"routeKey": "GET /a"}, {"routeKey": "GET /a"}]
    (finding,) = broken({"apiId": "web", "name": "web", "protocolType": "HTTP", "routes": routes})
    assert finding.severity == "error"
    assert "two routes" in finding.message
