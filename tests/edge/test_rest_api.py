"""REST APIs over real sockets: what goes to a backend, and what comes back. Source: recorded on the service."""

from __future__ import annotations

import asyncio
import gzip
import json

import aiohttp
import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.rest_api import JSON, answers, ask, method, mock, rest_api
from wsgw.definitions.api import Stage
from wsgw.definitions.model import Model, RequestValidator
from wsgw.errors import DefinitionError

CLIENT = [
    "Accept: text/html", "Accept-Charset: UTF-8", "Authorization: Unauthorized", "Content-Encoding: deflate",
    "Content-MD5: x", "Max-Forwards: 2", "Proxy-Authenticate: Basic", "Referer: https://example.com/", "Server: s",
    "TE: deflate", "Trailer: Expires", "User-Agent: client/0.0", "Via: p.example.net", "WWW-Authenticate: Basic",
]  # fmt: skip


def lower(headers: list[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


# ---- MOCK


async def test_a_mock_answers_without_a_backend(gateway: TestGateway):
    gateway.deploy(rest_api(mock("GET /pets/{id}", answers("200", '{"id": "$input.params(\'id\')"}'))))
    response = await ask(gateway, "GET", "/pets/7", "X-Amzn-Trace-Id: Root=1-3152b799-8954dae64eda91bc9a23a7e8")
    assert (response.status, response.body) == (200, b'{"id": "7"}')
    assert response.header("content-type") == JSON
    assert response.header("x-amzn-requestid")
    assert response.header("x-amz-apigw-id")
    assert response.header("x-amzn-trace-id") is None


@pytest.mark.parametrize("template", ['{"statusCode": "200"}', "{}", "<html/>", '{"statusCode": $input.params("x")}'])
async def test_a_mock_without_a_status_is_an_internal_error(gateway: TestGateway, template: str):
    gateway.deploy(rest_api(mock("GET /", request_templates={JSON: template})))
    response = await ask(gateway, "GET", "/")
    assert (response.status, json.loads(response.body)) == (500, {"message": "Internal server error"})
    assert response.header("x-amzn-errortype") == "InternalServerErrorException"


async def test_a_mock_reads_the_body_that_passes(gateway: TestGateway):
    gateway.deploy(rest_api(mock("POST /", request_templates={})))
    assert (await ask(gateway, "POST", "/", body=b"{statusCode: 200}")).status == 200
    assert (await ask(gateway, "POST", "/")).status == 500


async def test_cors_is_a_mock_with_static_headers(gateway: TestGateway):
    """Section 32 of the facts: OPTIONS as people do it."""
    parameters = {
        "method.response.header.Access-Control-Allow-Origin": "'*'",
        "method.response.header.Access-Control-Allow-Methods": "'GET,OPTIONS'",
        "method.response.header.Access-Control-Allow-Headers": "'Content-Type,X-Api-Key'",
    }
    gateway.deploy(rest_api(mock("OPTIONS /pets", answers(response_parameters=parameters))))
    response = await ask(gateway, "OPTIONS", "/pets", "Origin: https://a.example")
    assert (response.status, response.body) == (200, b"")
    assert response.header("access-control-allow-origin") == "*"
    assert response.header("access-control-allow-methods") == "GET,OPTIONS"
    assert response.header("access-control-allow-headers") == "Content-Type,X-Api-Key"


async def test_an_answer_with_any_binary_type_needs_convert_to_text(gateway: TestGateway):
    routes = [mock("OPTIONS /a"), mock("OPTIONS /b", content_handling="CONVERT_TO_TEXT")]
    gateway.deploy(rest_api(*routes, binary_media_types=("*/*",)))
    assert (await ask(gateway, "OPTIONS", "/a")).status == 500
    assert (await ask(gateway, "OPTIONS", "/b")).status == 200


async def test_an_override_in_the_request_template_needs_no_response_template(gateway: TestGateway):
    template = (
        '#set($context.responseOverride.status = 444)#set($context.responseOverride.header.foo = "bar")'
        '{"statusCode": 200}'
    )
    gateway.deploy(rest_api(mock("GET /", request_templates={JSON: template})))
    response = await ask(gateway, "GET", "/")
    assert (response.status, response.header("foo"), response.body) == (444, "bar", b"")


# ---- HTTP


async def test_an_http_backend_gets_what_the_gateway_says_and_nothing_of_the_client(
    gateway: TestGateway, backend: Backend
):
    gateway.deploy(rest_api(method("GET /h", "HTTP", f"{backend.url}/in?a=1", method="POST")))
    backend.on("/in", body='{"x": 1}', headers={"Access-Control-Allow-Origin": "*", "Content-Type": "text/plain"})
    response = await ask(gateway, "GET", "/h?secret=1", *CLIENT, "Content-Type: application/json")
    (got,) = backend.got("/in")
    headers = lower(got.headers)
    assert (got.method, got.query, got.body) == ("POST", "a=1", b"")
    assert headers.pop("x-amzn-trace-id").startswith("Root=1-")
    assert headers == {
        "host": backend.url.removeprefix("http://"),
        "accept": "application/json",
        "user-agent": "AmazonAPIGateway_pets",
        "x-amzn-apigateway-api-id": "pets",
        "content-length": "0",
    }
    assert (response.status, response.body) == (200, b'{"x": 1}')
    assert response.header("content-type") == JSON
    assert response.header("x-amzn-trace-id") == got.header("x-amzn-trace-id")
    assert response.header("access-control-allow-origin") is None
    assert response.header("server") is None


@pytest.mark.parametrize("content_type", [None, "application/xml"])
async def test_a_body_has_the_clients_content_type_or_jsons(
    gateway: TestGateway, backend: Backend, content_type: str | None
):
    gateway.deploy(rest_api(method("POST /", "HTTP", f"{backend.url}/in")))
    lines = [] if content_type is None else [f"Content-Type: {content_type}"]
    await ask(gateway, "POST", "/", *lines, body=b"<x/>")
    (got,) = backend.got("/in")
    assert got.body == b"<x/>"
    assert got.header("content-type") == (content_type or JSON)


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
@pytest.mark.parametrize(
    ("integration_method", "sent"), [("GET", b""), ("DELETE", b""), ("PUT", b"{}"), ("ANY", b"{}")]
)
async def test_get_and_delete_carry_no_body(
    gateway: TestGateway, backend: Backend, kind: str, integration_method: str, sent: bytes
):
    gateway.deploy(rest_api(method("POST /", kind, f"{backend.url}/in", method=integration_method)))
    await ask(gateway, "POST", "/", body=b"{}")
    (got,) = backend.got("/in")
    assert got.method == ("POST" if integration_method == "ANY" else integration_method)
    assert got.body == sent


async def test_templates_and_parameters_make_the_request(gateway: TestGateway, backend: Backend):
    parameters = {
        "integration.request.path.id": "method.request.path.id",
        "integration.request.querystring.q": "method.request.querystring.q",
        "integration.request.querystring.all": "method.request.multivaluequerystring.q",
        "integration.request.header.Accept": "'text/csv'",
        "integration.request.header.X-Stage": "stageVariables.color",
        "integration.request.header.X-Gone": "method.request.header.nobody-sent-it",
        "integration.request.header.Host": "'other.example'",
        "integration.request.header.Expect": "'200-ok'",
        "integration.request.header.Upgrade": "'HTTP/2.0'",
    }
    template = (
        '#set($context.requestOverride.header.x-stage = ["blue", "green"])'
        '#set($context.requestOverride.querystring.q = "override")'
        '{"name": $input.json("$.name")}'
    )
    uri = backend.url + "/pets/{id}?u=${stageVariables.u}"
    one = method("POST /{id}", "HTTP", uri, request_parameters=parameters, request_templates={JSON: template})
    gateway.deploy(rest_api(one, stage=Stage(name="dev", variables={"color": "red", "u": "0"})))
    await ask(gateway, "POST", "/a%20b?q=1&q=2", body=b'{"name": "Rex"}')
    (got,) = backend.requests
    assert got.target == "/pets/a%20b?u=0&all=1&all=2&q=override"
    assert got.text == '{"name": "Rex"}'
    headers = lower(got.headers)
    assert headers["accept"] == "text/csv"
    assert headers["x-stage"] == "blue,green"
    assert headers["host"] == "other.example"
    assert headers["upgrade"] == "HTTP/2.0"
    assert "x-gone" not in headers
    assert "expect" not in headers


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
async def test_a_mapped_path_leads_nowhere_else(gateway: TestGateway, backend: Backend, kind: str):
    """S-53"""
    parameters = {"integration.request.path.file": "method.request.querystring.file"}
    gateway.deploy(rest_api(method("GET /", kind, backend.url + "/open/{file}", request_parameters=parameters)))
    assert (await ask(gateway, "GET", "/?file=a/b")).status == 200
    assert backend.requests[0].target.startswith("/open/a%2Fb")
    for file in ("..", ".", "..%2Fsecret", "..%5Csecret", "..;x"):
        assert (await ask(gateway, "GET", f"/?file={file}")).status == 500
    assert len(backend.requests) == 1


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
async def test_no_mapped_value_starts_a_line(gateway: TestGateway, backend: Backend, kind: str):
    """S-05"""
    parameters = {"integration.request.header.X-A": "method.request.querystring.a"}
    gateway.deploy(rest_api(method("GET /", kind, backend.url, request_parameters=parameters, method="GET")))
    response = await ask(gateway, "GET", "/?a=1%0d%0aX-B:%202")
    assert response.status in (400, 500)
    assert backend.requests == []


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY", "AWS", "AWS_PROXY"])
@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
async def test_a_mapping_of_the_framing_fails_every_request(
    gateway: TestGateway, backend: Backend, kind: str, name: str
):
    """Section 15.2 of the facts."""
    parameters = {f"integration.request.header.{name}": "'0'"}
    gateway.deploy(rest_api(method("GET /", kind, backend.url, request_parameters=parameters)))
    response = await ask(gateway, "GET", "/")
    assert (response.status, json.loads(response.body)) == (500, {"message": "Internal server error"})
    assert backend.requests == []


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
async def test_an_address_that_lacks_a_stage_variable_fails_its_requests_only(gateway: TestGateway, kind: str):
    gateway.deploy(rest_api(method("GET /a", kind, "http://${stageVariables.host}/x"), mock("GET /b")))
    response = await ask(gateway, "GET", "/a")
    assert (response.status, json.loads(response.body)) == (500, {"message": "Internal server error"})
    assert (await ask(gateway, "GET", "/b")).status == 200


async def test_an_address_without_stage_variables_is_looked_at_when_it_is_deployed(gateway: TestGateway):
    with pytest.raises(DefinitionError, match="GET /a"):
        gateway.deploy(rest_api(method("GET /a", "HTTP", "http:///x")))


async def test_integration_responses_map_the_answer(gateway: TestGateway, backend: Backend):
    ok = answers(
        "200",
        '{"wrapped": $input.body}',
        response_parameters={"method.response.header.X-A": "integration.response.header.X-B"},
    )
    missing = answers("404", selection_pattern=r"4\d{2}")
    gateway.deploy(
        rest_api(
            method(
                "GET /{s}",
                "HTTP",
                backend.url + "/{s}",
                ok,
                missing,
                method="GET",
                request_parameters={"integration.request.path.s": "method.request.path.s"},
            )
        )
    )
    backend.on("/a", body="1", headers={"X-B": "b"})
    backend.on("/b", status=410, body="gone")
    backend.on("/c", status=503, body="2")
    first, second, third = [await ask(gateway, "GET", path) for path in ("/a", "/b", "/c")]
    assert (first.status, first.body, first.header("x-a")) == (200, b'{"wrapped": 1}', "b")
    assert (second.status, second.body) == (404, b"gone")
    assert (third.status, third.body) == (200, b'{"wrapped": 2}')


async def test_a_backend_that_nobody_listens_at_is_an_integration_failure(gateway: TestGateway, refused_port: int):
    gateway.deploy(rest_api(method("GET /", "HTTP", f"http://127.0.0.1:{refused_port}/")))
    response = await ask(gateway, "GET", "/")
    assert response.status == 504
    assert json.loads(response.body) == {"message": "Network error communicating with endpoint"}


async def test_a_compressed_answer_passes_where_its_coding_is_mapped(gateway: TestGateway, backend: Backend):
    parameters = {"method.response.header.Content-Encoding": "integration.response.header.Content-Encoding"}
    gateway.deploy(rest_api(method("GET /", "HTTP", f"{backend.url}/in", answers(response_parameters=parameters))))
    backend.on("/in", body=gzip.compress(b"body"), headers={"Content-Encoding": "gzip"})
    response = await ask(gateway, "GET", "/", "Accept-Encoding: gzip")
    assert response.header("content-encoding") == "gzip"
    assert gzip.decompress(response.body) == b"body"


async def test_an_answer_that_is_too_large_to_be_mapped_is_an_internal_error(gateway: TestGateway, backend: Backend):
    gateway.deploy(rest_api(method("GET /", "HTTP", f"{backend.url}/in", method="GET")))
    backend.on("/in", body=b"x" * (10 * 1024 * 1024 + 1))
    response = await ask(gateway, "GET", "/")
    assert (response.status, json.loads(response.body)) == (500, {"message": "Internal server error"})


# ---- HTTP_PROXY


async def test_an_http_proxy_forwards_the_client_and_drops_what_is_of_one_hop(gateway: TestGateway, backend: Backend):
    gateway.deploy(rest_api(method("ANY /h", "HTTP_PROXY", f"{backend.url}/in?u=0", method="ANY")))
    backend.on("/in", status=418, body="tea", headers={"Server": "backend/1", "X-Own": "x", "Via": "1.1 b"})
    response = await ask(gateway, "PUT", "/h?a=1&a=%20", *CLIENT, "X-Own: y", body=b"body")
    (got,) = backend.got("/in")
    headers = lower(got.headers)
    assert (got.method, got.target, got.body) == ("PUT", "/in?u=0&a=1&a=%20", b"body")
    for name in (
        "content-encoding",
        "content-md5",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "te",
        "trailer",
        "via",
        "www-authenticate",
    ):
        assert name not in headers
    assert headers["accept"] == "text/html"
    assert headers["user-agent"] == "client/0.0"
    assert headers["authorization"] == "Unauthorized"
    assert headers["x-own"] == "y"
    assert headers["x-amzn-apigateway-api-id"] == "pets"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert (response.status, response.body) == (418, b"tea")
    assert response.header("x-own") == "x"
    assert response.header("x-amzn-remapped-server") == "backend/1"
    assert response.header("x-amzn-remapped-date")
    assert response.header("x-amzn-remapped-content-length") == "3"
    assert response.header("via") is None
    assert response.header("x-amzn-trace-id") is None


async def test_mapped_parameters_of_an_http_proxy_join_the_clients(gateway: TestGateway, backend: Backend):
    parameters = {
        "integration.request.header.headerVar": "method.request.header.foobar",
        "integration.request.path.qsVar": "method.request.querystring.testVar",
        "integration.request.path.pathVar": "method.request.path.pathVariable",
        "integration.request.querystring.queryString": "method.request.querystring.testQueryString",
        "integration.request.querystring.testQs": "method.request.querystring.testQueryString",
        "integration.request.querystring.testEmptyQs": "method.request.header.emptyheader",
    }
    uri = backend.url + "/in?testVar={pathVar}&testQs={qsVar}"
    gateway.deploy(rest_api(method("POST /{pathVariable}", "HTTP_PROXY", uri, request_parameters=parameters)))
    await ask(gateway, "POST", "/foobar?testQueryString=foo&testVar=bar", "foobar: mapped", "headerVar: own", body=b"x")
    (got,) = backend.got("/in")
    assert got.query == "testVar=foobar&testQs=bar&testQueryString=foo&testVar=bar&queryString=foo&testQs=foo"
    assert [value for name, value in got.headers if name.lower() == "headervar"] == ["mapped"]
    assert got.header("foobar") == "mapped"
    assert got.body == b"x"


async def test_a_mapped_forwarded_header_takes_the_place_of_ours(gateway: TestGateway, backend: Backend):
    parameters = {"integration.request.header.X-Forwarded-For": "'192.0.2.7'"}
    gateway.deploy(rest_api(method("GET /", "HTTP_PROXY", f"{backend.url}/in", request_parameters=parameters)))
    await ask(gateway, "GET", "/")
    (got,) = backend.got("/in")
    assert [value for name, value in got.headers if name.lower() == "x-forwarded-for"] == ["192.0.2.7"]


async def test_a_greedy_path_goes_to_the_backend_as_it_came(gateway: TestGateway, backend: Backend):
    parameters = {"integration.request.path.proxy": "method.request.path.proxy"}
    gateway.deploy(
        rest_api(
            method(
                "ANY /{proxy+}",
                "HTTP_PROXY",
                backend.url + "/base/{proxy}",
                method="ANY",
                request_parameters=parameters,
            )
        )
    )
    await ask(gateway, "GET", "/a/b%20c//d?x=%2F")
    assert backend.requests[0].target == "/base/a/b%20c//d?x=%2F"


async def test_bytes_pass_an_http_proxy_whatever_they_are(gateway: TestGateway, backend: Backend):
    gateway.deploy(rest_api(method("POST /", "HTTP_PROXY", f"{backend.url}/in")))
    backend.echo("/in")
    body = bytes(range(256))
    response = await ask(gateway, "POST", "/", "Content-Type: image/png", body=body)
    assert response.body == body


async def test_content_handling_of_an_http_proxy_converts_the_request(gateway: TestGateway, backend: Backend):
    one = method("POST /", "HTTP_PROXY", f"{backend.url}/in", content_handling="CONVERT_TO_BINARY")
    gateway.deploy(rest_api(one))
    backend.echo("/in")
    assert (await ask(gateway, "POST", "/", body=b"/w==")).body == b"\xff"
    assert (await ask(gateway, "POST", "/", body=b"not base64")).status == 500


# ---- validation, functions, compression


PET = Model(name="Pet", schema={"type": "object", "required": ["name"]})
BOTH = RequestValidator(validate_request_body=True, validate_request_parameters=True)


@pytest.mark.parametrize(
    ("target", "body", "status", "message"),
    [
        ("/?q=1", b'{"name": "Rex"}', 200, None),
        ("/", b'{"name": "Rex"}', 400, "Missing required request parameters: [q]"),
        ("/", b"{}", 400, "Missing required request parameters: [q]"),
        ("/?q=1", b"{}", 400, "Invalid request body"),
    ],
)
async def test_parameters_are_validated_before_the_body(gateway: TestGateway, target, body, status, message):
    required = ["method.request.querystring.q"]
    one = mock("POST /", validator=BOTH, request_models={JSON: "Pet"}, required=required)
    gateway.deploy(rest_api(one, models={"Pet": PET}))
    response = await ask(gateway, "POST", target, body=body)
    assert response.status == status
    if message is not None:
        assert json.loads(response.body) == {"message": message}


async def test_a_python_function_gets_the_event_of_a_rest_api_and_answers(gateway: TestGateway):
    def handler(event, context):
        return {"statusCode": 201, "body": event["path"] + event["pathParameters"]["id"], "headers": {"Server": "s"}}

    gateway.deploy(rest_api(method("GET /{id}", "PYTHON", "my:handler")), handlers={"my:handler": handler})
    response = await ask(gateway, "GET", "/7")
    assert (response.status, response.body) == (201, b"/77")
    assert response.header("x-amzn-remapped-server") == "s"
    assert response.header("content-type") == JSON
    assert response.header("x-amzn-trace-id")


async def test_an_api_with_a_minimum_compression_size_compresses_and_decodes(gateway: TestGateway, backend: Backend):
    long = "x" * 2_000
    routes = [
        mock("GET /long", answers("200", long)),
        mock("GET /short", answers("200", "short")),
        method("POST /in", "HTTP_PROXY", f"{backend.url}/in"),
    ]
    gateway.deploy(rest_api(*routes, minimum_compression_size=1_000))
    response = await ask(gateway, "GET", "/long", "Accept-Encoding: gzip")
    assert response.header("content-encoding") == "gzip"
    assert gzip.decompress(response.body) == long.encode()
    assert (await ask(gateway, "GET", "/long")).header("content-encoding") is None
    assert (await ask(gateway, "GET", "/short", "Accept-Encoding: gzip")).header("content-encoding") is None
    await ask(gateway, "POST", "/in", "Content-Encoding: gzip", body=gzip.compress(b"body"))
    (got,) = backend.got("/in")
    assert (got.body, got.header("content-encoding")) == (b"body", None)
    response = await ask(gateway, "POST", "/in", "Content-Encoding: br", body=b"body")
    assert (response.status, json.loads(response.body)) == (415, {"message": "Unsupported Media Type"})
    response = await ask(gateway, "POST", "/in", "Content-Encoding: gzip", body=gzip.compress(b"\0" * 20_000_000))
    assert response.status == 413


async def test_a_large_answer_of_a_proxied_backend_is_compressed_however_it_comes(gateway: TestGateway):
    halves = b"a" * 100_000, b"b" * 100_000

    async def pages(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 200000\r\n\r\n" + halves[0])
        await asyncio.sleep(0.05)
        writer.write(halves[1])
        writer.close()

    async with await asyncio.start_server(pages, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        gateway.deploy(rest_api(method("GET /", "HTTP_PROXY", url, method="GET"), minimum_compression_size=1_000))
        asked = {"Host": "pets.localhost", "Accept-Encoding": "gzip"}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.get(f"{gateway.url}/dev/", headers=asked) as response,
        ):
            assert response.headers["Content-Encoding"] == "gzip"
            assert gzip.decompress(await response.read()) == b"".join(halves)


async def test_without_a_minimum_compression_size_nothing_is_decoded(gateway: TestGateway, backend: Backend):
    gateway.deploy(
        rest_api(method("POST /in", "HTTP_PROXY", f"{backend.url}/in"), mock("GET /", answers("200", "x" * 99)))
    )
    body = gzip.compress(b"body")
    await ask(gateway, "POST", "/in", "Content-Encoding: gzip", body=body)
    assert backend.got("/in")[0].body == body
    assert (await ask(gateway, "GET", "/", "Accept-Encoding: gzip")).body == b"x" * 99


async def test_events_of_an_http_proxy_come_as_they_are_sent(gateway: TestGateway):
    go_on = asyncio.Event()

    async def events(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"9\r\ndata: 1\n\n\r\n")
        await go_on.wait()
        writer.write(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(events, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    # An API that compresses: what streams is none of its business.
    gateway.deploy(rest_api(method("GET /", "HTTP_PROXY", url, method="GET"), minimum_compression_size=0))
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /pets/dev/ HTTP/1.1\r\nHost: gateway.example\r\nAccept-Encoding: gzip\r\n\r\n")
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert b"content-type: text/event-stream\r\n" in head
        assert b"x-amzn-requestid" in head
        assert b"content-encoding" not in head
        await reader.readuntil(b"data: 1\n\n")
        go_on.set()
        await reader.readuntil(b"data: 2\n\n")
        await reader.readuntil(b"0\r\n\r\n")
    writer.close()
    server.close()


async def test_a_large_body_flows_through_an_http_proxy(gateway: TestGateway, backend: Backend):
    gateway.deploy(rest_api(method("POST /", "HTTP_PROXY", f"{backend.url}/in")))
    backend.echo("/in")
    body = bytes(range(256)) * 12_000
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /pets/dev/ HTTP/1.1\r\nHost: gateway.example\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    async with asyncio.timeout(20):
        received = await reader.read(-1)
    writer.close()
    assert backend.got("/in")[0].body == body
    assert len(received) > len(body)
