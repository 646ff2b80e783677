"""Where HTTP APIs and REST APIs differ, asked of one gateway that serves both.

Source: developer guide, "Choosing between REST APIs and HTTP APIs".
"""

from __future__ import annotations

import json

import msgspec
import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Answer, Client, function, proxy, web_api
from tests.harness.lambda_endpoint import LambdaEndpoint, Never, returns
from tests.harness.rest_api import method, mock, rest_api
from wsgw.definitions.check import check


@pytest.fixture
async def both(gateway: TestGateway, backend: Backend, lambdas: LambdaEndpoint) -> None:
    """Deploys the same routes to a REST API `pets` and an HTTP API `web`."""
    rest = rest_api(
        method("GET /proxy", "HTTP_PROXY", backend.url, method="GET"),
        method("POST /fn", "AWS_PROXY", "handle"),
        method("POST /slow", "AWS_PROXY", "slow", timeout_ms=50),
        mock("OPTIONS /proxy"),
        minimum_compression_size=100,
    )
    http = web_api(
        {
            "GET /proxy": proxy(backend.url),
            "POST /fn": function("1.0"),
            "POST /slow": function("1.0", "slow", timeoutInMillis=50),
        },
        cors={"allowOrigins": ["*"]},
    )
    lambdas.functions["handle"] = returns({"no": "status"})
    lambdas.functions["slow"] = Never()
    gateway.deploy(rest, http)


async def asked(client: Client, path: str, verb: str = "GET", **headers: str) -> tuple[Answer, Answer]:
    """What the REST API answers, and what the HTTP API does."""
    rest = await client.ask(f"/dev{path}", verb, {"Host": "pets.localhost", **headers})
    return rest, await client.ask(path, verb, headers)


def message(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["message"]


ROWS = [
    pytest.param("/none", "GET", (403, "Missing Authentication Token"), (404, "Not Found"), id="Unknown route"),
    pytest.param(
        "/fn", "POST", (502, "Internal server error"), (500, "Internal Server Error"), id="Malformed function answer"
    ),
    pytest.param(
        "/slow", "POST", (504, "Endpoint request timed out"), (503, "Service Unavailable"), id="Backend timeout"
    ),
]


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(("path", "verb", "of_rest", "of_http"), ROWS)
async def test_each_refusal(client: Client, path: str, verb: str, of_rest: tuple[int, str], of_http: tuple[int, str]):
    if path == "/slow":
        await asked(client, "/fn", "POST")  # What a first call makes is not the timeout's.
    rest, http = await asked(client, path, verb)
    assert (message(rest), message(http)) == (of_rest, of_http)


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("path", ["/proxy", "/none"])
async def test_request_id_headers(client: Client, path: str):
    """Row Request id headers."""
    rest, http = await asked(client, path)
    names = ("x-amzn-requestid", "x-amz-apigw-id", "apigw-requestid")
    assert [len(rest.all(name)) for name in names] == [1, 1, 0]
    assert [len(http.all(name)) for name in names] == [0, 0, 1]


@pytest.mark.usefixtures("both")
async def test_cors(client: Client):
    """Row CORS: manual OPTIONS methods; built-in configuration."""
    rest, http = await asked(
        client, "/proxy", "OPTIONS", Origin="https://a.example", **{"Access-Control-Request-Method": "GET"}
    )
    assert (rest.status, rest.header("access-control-allow-origin")) == (200, None)
    assert (http.status, http.header("access-control-allow-origin")) == (204, "*")


@pytest.mark.usefixtures("both")
async def test_compression(backend: Backend, client: Client):
    """Row Compression: minimumCompressionSize; none."""
    backend.on("/", 200, "a" * 1000, {"Content-Type": "text/plain"})
    rest, http = await asked(client, "/proxy", **{"Accept-Encoding": "gzip"})
    assert (rest.header("content-encoding"), http.header("content-encoding")) == ("gzip", None)


@pytest.mark.usefixtures("both")
async def test_payload_formats(client: Client, lambdas: LambdaEndpoint):
    """Row Payload format: a REST API's event has no version; Row Binary: text or base64 by itself."""
    for host, path in (("pets.localhost", "/dev/fn"), ("web.localhost", "/fn")):
        await client.ask(path, "POST", {"Host": host, "Content-Type": "image/png"}, b"\x89PNG")
    of_rest, of_http = [call.event for call in lambdas.calls]
    assert ("version" in of_rest, of_http["version"]) == (False, "1.0")
    assert (of_rest["isBase64Encoded"], of_http["isBase64Encoded"]) == (False, True)


def test_what_rest_apis_alone_have():
    """Rows Mock integrations, request validation, body transformation, API keys."""
    templates = rest_api(mock("GET /"))
    assert check(templates) == []
    (finding,) = check(msgspec.structs.replace(templates, protocol="HTTP"))
    assert (finding.severity, "no MOCK" in finding.message) == ("error", True)
