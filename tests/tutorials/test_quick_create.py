"""HTTP APIs of one route, as quick create makes them: `$default` to a URL, `$default` to a function."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.lambda_endpoint import Answer, LambdaEndpoint, lambda_service
from wsgw.cli.definition_files import read_definitions

HERE = Path(__file__).parent
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:site"
#: The same in the native format.
NATIVE = "apis: {quick: {protocol: HTTP, routes: {$default: 'http://service.example'}}}\n"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(params=["OpenAPI", "native"])
async def url(request: pytest.FixtureRequest, gateway: TestGateway, backend: Backend, tmp_path: Path) -> str:
    text = (HERE / "quick_create.yaml").read_text() if request.param == "OpenAPI" else NATIVE
    file = tmp_path / "quick.yaml"
    file.write_text(text.replace("http://service.example", backend.url))
    read = read_definitions([file], {})
    assert list(read.findings) == []
    gateway.deploy(*read.apis)
    return gateway.url


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
async def test_every_request_goes_to_the_url_with_its_path_and_query(url, session, backend, method):
    backend.on("/a/b c", 201, "made", {"X-Made": "1"})
    async with session.request(method, URL(f"{url}/a/b%20c?x=1&x=2", encoded=True), data=b"body") as answer:
        assert (answer.status, await answer.text(), answer.headers["X-Made"]) == (201, "made", "1")
    [received] = backend.requests
    assert (received.method, received.target, received.body) == (method, "/a/b%20c?x=1&x=2", b"body")


async def test_the_root_goes_there_too(url, session, backend):
    backend.on("/", 200, "root")
    async with session.get(url) as answer:
        assert await answer.text() == "root"


async def test_a_service_that_is_down_is_a_503(url, session, backend):
    await backend.stop()
    async with session.get(url) as answer:
        assert (answer.status, await answer.json()) == (503, {"message": "Service Unavailable"})


@pytest.fixture
async def function(gateway: TestGateway, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[str, LambdaEndpoint]]:
    async with lambda_service(monkeypatch) as endpoint:
        read = read_definitions([HERE / "quick_create_function.json"], {})
        assert list(read.findings) == []
        gateway.deploy(*read.apis)
        yield f"{gateway.url}/quick-function/$default", endpoint


async def test_a_function_gets_payload_2_0_and_may_answer_anything(function, session):
    url, endpoint = function

    async def site(event: Any) -> Answer:
        return Answer(200, json.dumps({"you asked for": event["rawPath"]}).encode())

    endpoint.functions[FUNCTION] = site
    headers = {"Cookie": "a=1; b=2", "Origin": "http://page.example"}
    async with session.put(f"{url}/pages/1?x=1&x=2", headers=headers) as answer:
        # An answer without a status code is the body itself.
        assert (answer.status, await answer.json()) == (200, {"you asked for": "/pages/1"})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    event = endpoint.calls[0].event
    assert (event["version"], event["routeKey"], event["requestContext"]["stage"]) == ("2.0", "$default", "$default")
    assert (event["cookies"], event["queryStringParameters"]) == (["a=1", "b=2"], {"x": "1,2"})


async def test_a_function_that_is_not_there_is_a_500(function, session):
    async with session.get(f"{function[0]}/") as answer:
        assert (answer.status, await answer.json()) == (500, {"message": "Internal Server Error"})
