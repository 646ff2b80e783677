"""The headers of a REST API's answers: renamed, dropped, and those that are always there.

Source: developer guide, "Amazon API Gateway important notes" for REST APIs; recorded on the service.
"""

from __future__ import annotations

import re

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.lambda_endpoint import LambdaEndpoint, returns
from tests.harness.raw_http import split_responses, talk
from tests.harness.raw_websocket import Response
from tests.harness.rest_api import JSON, answers, ask, method, mock, rest_api
from wsgw.definitions.api import Api

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


# ---- mapped names (HTTP, AWS, MOCK)

REMAPPED = [
    "Authorization", "Connection", "Content-Length", "Content-MD5", "Date", "Expect", "Host", "Max-Forwards",
    "Proxy-Authenticate", "Server", "Trailer", "Upgrade", "User-Agent", "WWW-Authenticate",
]  # fmt: skip
UNCHANGED = [
    "Accept", "Accept-Charset", "Accept-Encoding", "Age", "Content-Encoding", "Content-Type", "Pragma", "Range",
    "Referer", "TE", "Via", "Warn", "X-Own",
]  # fmt: skip


def mapping(name: str) -> Api:
    """A MOCK that maps a literal to the header `name` of its answer."""
    return rest_api(mock("GET /", answers(response_parameters={f"method.response.header.{name}": "'7'"})))


@pytest.mark.parametrize("name", REMAPPED)
async def test_a_mapped_header_is_remapped(gateway: TestGateway, name: str):
    gateway.deploy(mapping(name))
    response = await ask(gateway, "GET", "/")
    assert response.header(f"x-amzn-remapped-{name.lower()}") == "7"
    assert response.header(name.lower()) != "7"


@pytest.mark.parametrize("name", UNCHANGED)
async def test_a_mapped_header_is_unchanged(gateway: TestGateway, name: str):
    gateway.deploy(mapping(name))
    assert (await ask(gateway, "GET", "/")).header(name.lower()) == "7"


async def test_transfer_encoding_is_dropped(gateway: TestGateway):
    gateway.deploy(mapping("Transfer-Encoding"))
    response = await ask(gateway, "GET", "/")
    assert (response.status, response.header("transfer-encoding")) == (200, None)


async def test_only_mapped_headers_of_an_http_backend_are_returned(gateway: TestGateway, backend: Backend):
    ok = answers(response_parameters={"method.response.header.X-A": "integration.response.header.X-A"})
    gateway.deploy(rest_api(method("GET /", "HTTP", f"{backend.url}/in", ok)))
    backend.on("/in", headers={"X-A": "a", "X-B": "b"})
    response = await ask(gateway, "GET", "/")
    assert (response.header("x-a"), response.header("x-b")) == ("a", None)


# ---- proxies

PROXIED = ["Authorization", "Host", "Max-Forwards", "Server", "User-Agent", "WWW-Authenticate", "Date"]


@pytest.mark.parametrize("name", [*PROXIED, "x-amzn-RequestId"])
async def test_an_http_proxys_header_is_remapped(gateway: TestGateway, backend: Backend, name: str):
    gateway.deploy(rest_api(method("GET /", "HTTP_PROXY", f"{backend.url}/in", method="GET")))
    backend.on("/in", headers={name: "theirs"})
    response = await ask(gateway, "GET", "/")
    assert response.header(f"x-amzn-remapped-{name.lower()}") == "theirs"
    assert response.header(name.lower()) != "theirs"


async def test_the_length_of_an_http_proxys_answer_is_remapped(gateway: TestGateway, backend: Backend):
    gateway.deploy(rest_api(method("GET /", "HTTP_PROXY", f"{backend.url}/in", method="GET")))
    backend.on("/in", body="four")
    response = await ask(gateway, "GET", "/")
    assert response.header("x-amzn-remapped-content-length") == "4"


@pytest.mark.parametrize(
    "name", ["Accept", "Accept-Charset", "Age", "Pragma", "Range", "Referer", "TE", "Warn", "X-Own", "ETag"]
)
async def test_an_http_proxys_header_is_unchanged(gateway: TestGateway, backend: Backend, name: str):
    gateway.deploy(rest_api(method("GET /", "HTTP_PROXY", f"{backend.url}/in", method="GET")))
    backend.on("/in", headers={name: "theirs"})
    assert (await ask(gateway, "GET", "/")).header(name.lower()) == "theirs"


async def test_via_of_an_http_proxys_backend_is_dropped(gateway: TestGateway, backend: Backend):
    gateway.deploy(rest_api(method("GET /", "HTTP_PROXY", f"{backend.url}/in", method="GET")))
    backend.on("/in", headers={"Via": "1.1 theirs"})
    assert (await ask(gateway, "GET", "/")).header("via") is None


@pytest.mark.parametrize("name", [*PROXIED, "Connection", "Content-Length"])
async def test_a_functions_header_is_remapped(gateway: TestGateway, functions: LambdaEndpoint, name: str):
    functions.functions["f"] = returns({"statusCode": 200, "headers": {name: "7"}, "body": ""})
    gateway.deploy(rest_api(method("GET /", "AWS_PROXY", "f")))
    response = await ask(gateway, "GET", "/")
    assert response.header(f"x-amzn-remapped-{name.lower()}") == "7"


# ---- always there


def check_ids(response: Response) -> None:
    assert re.fullmatch(UUID, response.header("x-amzn-requestid") or "")
    assert re.fullmatch(r"[A-Za-z0-9_+/-]+=", response.header("x-amz-apigw-id") or "")
    assert response.header("date")


async def test_every_answer_has_its_ids_and_a_type(gateway: TestGateway, backend: Backend, functions: LambdaEndpoint):
    functions.functions["f"] = returns({})
    gateway.deploy(
        rest_api(
            mock("GET /mock"),
            method("GET /http", "HTTP", backend.url),
            method("GET /proxy", "HTTP_PROXY", backend.url, method="GET"),
            method("GET /function", "AWS_PROXY", "f"),
        )
    )
    traced = {}
    for path in ("/mock", "/http", "/proxy", "/function", "/nothing"):
        response = await ask(gateway, "GET", path)
        check_ids(response)
        assert response.header("x-amzn-errortype") == (
            "MissingAuthenticationTokenException" if path == "/nothing" else None
        )
        traced[path] = response.header("x-amzn-trace-id") is not None
    assert traced == {"/mock": False, "/http": True, "/proxy": False, "/function": True, "/nothing": False}


@pytest.mark.parametrize("path", ["/mock", "/http", "/function"])
async def test_the_default_content_type_is_json(
    gateway: TestGateway, backend: Backend, functions: LambdaEndpoint, path: str
):
    functions.functions["f"] = returns({"body": "x"})
    gateway.deploy(
        rest_api(
            mock("GET /mock", answers("200", "x")),
            method("GET /http", "HTTP", backend.url),
            method("GET /function", "AWS_PROXY", "f"),
        )
    )
    assert (await ask(gateway, "GET", path)).header("content-type") == JSON


async def test_a_connection_is_kept(gateway: TestGateway):
    gateway.deploy(rest_api(mock("GET /")))
    once = b"GET /pets/dev/ HTTP/1.1\r\nHost: g\r\n"
    received = await talk(gateway.url, once + b"\r\n", once + b"Connection: close\r\n\r\n")
    assert [one.status for one in split_responses(received)] == [200, 200]


ROOT, PARENT = "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
TRACES = [
    pytest.param(f"Root={ROOT};Parent={PARENT};Sampled=1", f"Root={ROOT};Parent={PARENT};Sampled=1", id="whole: as is"),
    pytest.param(
        f"Root={ROOT}", f"Root={ROOT};Parent=[0-9a-f]{{16}};Sampled=0", id="Root only: a Parent is made, not sampled"
    ),
    pytest.param(None, r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}.*", id="none: a Root is made"),
]


@pytest.mark.parametrize(("sent", "pattern"), TRACES)
async def test_the_trace_id(gateway: TestGateway, backend: Backend, sent: str | None, pattern: str):
    gateway.deploy(rest_api(method("GET /", "HTTP", backend.url)))
    response = await ask(gateway, "GET", "/", *([f"X-Amzn-Trace-Id: {sent}"] if sent else []))
    received = backend.requests[0].header("x-amzn-trace-id") or ""
    assert re.fullmatch(pattern, received)
    assert response.header("x-amzn-trace-id") == received
