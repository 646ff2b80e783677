"""Stages of HTTP APIs: names, variables and where these may stand, settings per route.

Source: developer guide, "Stages for HTTP APIs" and "Working with stage variables for HTTP APIs".
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Client, function, proxy, web_api
from tests.harness.lambda_endpoint import LambdaEndpoint, returns
from wsgw.definitions.check import check
from wsgw.errors import DefinitionError


def found(**members: Any) -> list[tuple[str, str]]:
    """Severity and place, below the API, of each finding."""
    api = web_api({"$default": "http://h"}, **members)
    return [(one.severity, " ".join(map(str, one.path[2:]))) for one in check(api)]


def stage(name: str, **members: Any) -> dict[str, Any]:
    return {"stages": {name: members or None}}


NAMES = [
    ("$default", True),
    ("a", True),
    ("A-b_9", True),
    ("x" * 128, True),
    ("x" * 129, False),
    ("a.b", False),
    ("$other", False),
    ("a/b", False),
]


@pytest.mark.parametrize(("name", "sound"), NAMES, ids=[name[:9] + f" of {len(name)}" for name, _ in NAMES])
def test_a_stage_name_has_1_to_128_characters_or_is_the_default(name: str, sound: bool):
    assert found(**stage(name)) == ([] if sound else [("error", f"stages {name}")])


VARIABLES = [
    pytest.param({"a_B9": "v"}, [], id="name [A-Za-z0-9_]+"),
    pytest.param({"a-b": "v"}, ["error"], id="another name"),
    pytest.param({"n" * 64: "v"}, [], id="name of 64"),
    pytest.param({"n" * 65: "v"}, ["error"], id="name of 65"),
    pytest.param({"a": "A0-._~:/?#&=,"}, [], id="every character of a value"),
    pytest.param({"a": "b c"}, ["warning"], id="another character"),
    pytest.param({"a": "v" * 512}, [], id="value of 512"),
    pytest.param({"a": "v" * 513}, ["warning"], id="value of 513"),
    pytest.param({f"v{n}": "v" for n in range(100)}, [], id="100 variables"),
    pytest.param({f"v{n}": "v" for n in range(101)}, ["warning"], id="101 variables"),
]


@pytest.mark.parametrize(("variables", "severities"), VARIABLES)
def test_stage_variables_are_bounded(variables: dict[str, str], severities: list[str]):
    assert [severity for severity, _ in found(**stage("$default", variables=variables))] == severities


PARTS = [
    pytest.param("${stageVariables.url}/a", "/a", id="whole origin"),
    pytest.param("http://${stageVariables.host}/a", "/a", id="host and port"),
    pytest.param("http://127.0.0.1:${stageVariables.port}/a", "/a", id="port"),
    pytest.param("${stageVariables.url}/${stageVariables.part}/b", "/v1/b", id="path"),
    pytest.param("${stageVariables.url}/a?x=${stageVariables.part}", "/a?x=v1", id="query"),
]


@pytest.mark.parametrize(("uri", "sent"), PARTS)
async def test_a_variable_stands_in_a_url(gateway: TestGateway, backend: Backend, client: Client, uri: str, sent: str):
    host = backend.url.removeprefix("http://")
    variables = {"url": backend.url, "host": host, "port": host.partition(":")[2], "part": "v1"}
    gateway.deploy(web_api({"GET /": proxy(uri)}, **stage("$default", variables=variables)))
    assert (await client.ask("/")).status == 200
    assert backend.requests[0].target == sent


ARN = "arn:aws:lambda:eu-west-1:123456789012:function:"
FUNCTIONS = [
    pytest.param("${stageVariables.name}", "shop", id="name"),
    pytest.param(ARN + "${stageVariables.name}", ARN + "shop", id="part of an ARN"),
    pytest.param(ARN + "shop:${stageVariables.alias}", ARN + "shop:live", id="alias"),
]


@pytest.mark.parametrize(("uri", "called"), FUNCTIONS)
async def test_a_variable_stands_for_a_function(
    gateway: TestGateway, client: Client, lambdas: LambdaEndpoint, uri: str, called: str
):
    variables = {"name": "shop", "alias": "live"}
    gateway.deploy(web_api({"GET /": function(uri=uri)}, **stage("$default", variables=variables)))
    lambdas.functions[called] = returns("sold")
    assert (await client.ask("/")).body == b"sold"
    assert lambdas.calls[0].event["stageVariables"] == variables


async def test_a_variable_is_mapped_and_each_stage_has_its_own(gateway: TestGateway, backend: Backend, client: Client):
    """`$stageVariables.x` in parameter mapping."""
    mapping = {"append:header.tier": "$stageVariables.tier", "append:header.both": "${stageVariables.tier}!"}
    stages = {name: {"variables": {"tier": name}} for name in ("blue", "green")}
    gateway.deploy(web_api({"GET /": proxy(backend.url, requestParameters=mapping)}, stages=stages))
    for name in stages:
        await client.ask(f"/{name}/")
    sent = [(got.header("tier"), got.header("both")) for got in backend.requests]
    assert sent == [("blue", "blue!"), ("green", "green!")]


def test_a_variable_that_a_stage_lacks_is_found():
    api = web_api({"$default": "http://${stageVariables.host}/"})
    (finding,) = check(api)
    assert (finding.severity, "'host' is not set" in finding.message) == ("error", True)


async def test_a_route_without_an_integration_fails_the_deployment(gateway: TestGateway):
    """deploymentStatus FAILED has its reason."""
    api = web_api({"GET /pets": {}})
    assert [finding.severity for finding in check(api)] == ["error"]
    with pytest.raises(DefinitionError, match="has no integration"):
        gateway.deploy(api)


async def test_settings_of_a_route_and_of_the_stage(gateway: TestGateway, backend: Backend, client: Client):
    """routeSettings: throttlingBurstLimit, throttlingRateLimit; the stage's own for all other routes."""
    settings = {
        "throttle": {"rateLimit": 0.001, "burstLimit": 1},
        "routeSettings": {"GET /a": {"throttlingRateLimit": 0.001, "throttlingBurstLimit": 2}},
    }
    gateway.deploy(web_api({key: proxy(backend.url) for key in ("GET /a", "GET /b")}, **stage("$default", **settings)))
    assert [(await client.ask("/a")).status for _ in range(3)] == [200, 200, 429]
    assert [(await client.ask("/b")).status for _ in range(2)] == [200, 429]
