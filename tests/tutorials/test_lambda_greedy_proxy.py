"""Every request to one function, from an OpenAPI document: `ANY /` and `ANY /{proxy+}` as Lambda proxy integrations."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness.lambda_endpoint import Answer, LambdaEndpoint, lambda_service, raises
from wsgw.cli.definition_files import read_definitions
from wsgw.definitions.finding import has_errors

FILE = Path(__file__).with_name("greedy_proxy.yaml")
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:site"


async def echo(event: Any) -> Answer:
    body = {name: event[name] for name in ("httpMethod", "path", "pathParameters", "queryStringParameters", "body")}
    result = {"statusCode": 202, "headers": {"X-Made-By": "site"}, "body": json.dumps(body)}
    return Answer(200, json.dumps(result).encode())


async def picture(_event: Any) -> Answer:
    headers = {"Content-Type": "image/png"}
    return Answer(200, json.dumps({"headers": headers, "body": "iVBORw==", "isBase64Encoded": True}).encode())


@pytest.fixture
async def endpoint(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LambdaEndpoint]:
    async with lambda_service(monkeypatch) as endpoint:
        yield endpoint


@pytest.fixture
async def url(endpoint: LambdaEndpoint, gateway: Any) -> str:
    read = read_definitions([FILE], {})
    assert not has_errors(read.findings), read.findings
    gateway.deploy(*read.apis)
    [api] = read.apis
    return f"{gateway.url}/{api.id}/{next(iter(api.stages))}"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_any_method_and_path_reaches_the_function(endpoint, url, session, method):
    endpoint.functions[FUNCTION] = echo
    async with session.request(method, f"{url}/users/7/pets?kind=cat&kind=dog", data=b"hello") as answer:
        assert (answer.status, answer.headers["X-Made-By"]) == (202, "site")
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Amzn-Trace-Id"] == endpoint.calls[0].event["headers"]["X-Amzn-Trace-Id"]
        assert await answer.json() == {
            "httpMethod": method,
            "path": "/users/7/pets",
            "pathParameters": {"proxy": "users/7/pets"},
            "queryStringParameters": {"kind": "dog"},
            "body": "hello",
        }


async def test_the_root_is_a_resource_of_its_own(endpoint, url, session):
    endpoint.functions[FUNCTION] = echo
    async with session.get(f"{url}/") as answer:
        assert (await answer.json())["pathParameters"] is None
    assert endpoint.calls[0].event["resource"] == "/"


async def test_binary_bodies_pass_in_both_directions(endpoint, url, session):
    endpoint.functions[FUNCTION] = picture
    headers = {"Content-Type": "image/png", "Accept": "image/png"}
    async with session.post(f"{url}/pictures", data=b"\x89PNG", headers=headers) as answer:
        assert (await answer.read(), answer.headers["Content-Type"]) == (b"\x89PNG", "image/png")
    event = endpoint.calls[0].event
    assert (event["body"], event["isBase64Encoded"]) == ("iVBORw==", True)


async def test_a_function_that_fails_is_a_502_that_says_nothing_of_it(endpoint, url, session):
    endpoint.functions[FUNCTION] = raises("ValueError", "the password is secret")
    async with session.get(f"{url}/broken") as answer:
        assert answer.status == 502
        assert answer.headers["x-amzn-ErrorType"] == "InternalServerErrorException"
        assert await answer.json() == {"message": "Internal server error"}


async def test_a_function_that_is_not_there_is_a_500(endpoint, url, session):
    async with session.get(f"{url}/nowhere") as answer:
        assert (answer.status, await answer.json()) == (500, {"message": "Internal server error"})
