"""HTTP APIs over real sockets: routes, backends, functions, mappings, CORS, and how refusals look."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.conftest import MakeGateway
from tests.harness.backend import Backend, Received
from tests.harness.gateway import TestGateway, http, route
from tests.harness.http_client import Client
from tests.harness.lambda_endpoint import LambdaEndpoint, Never, lambda_service, raises, returns
from wsgw.definitions.access import Cors, ThrottleSettings
from wsgw.definitions.api import Api, Stage, StageLimits
from wsgw.definitions.route import Integration, Route

HOST = {"Host": "web.localhost"}


@pytest.fixture
async def client(gateway: TestGateway) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=("Accept-Encoding",)) as session:
        yield Client(session, gateway)


def http_api(*routes: Route, stage: Stage | None = None, **members: Any) -> Api:
    stage = stage or Stage(name="$default")
    return Api(
        id="web",
        name="web",
        protocol="HTTP",
        routes={one.key: one for one in routes},
        stages={stage.name: stage},
        **members,
    )


def function(uri: str = "handle", version: Any = "2.0", **members: Any) -> Integration:
    return Integration(type="AWS_PROXY", uri=uri, payload_format_version=version, **members)


@pytest.fixture
async def lambdas(monkeypatch: pytest.MonkeyPatch, gateway: TestGateway) -> AsyncIterator[LambdaEndpoint]:
    async with lambda_service(monkeypatch, "eu-west-1") as endpoint:
        yield endpoint


# ---- routes and where their requests go


async def test_a_request_goes_on_as_it_is_and_its_answer_comes_back(
    gateway: TestGateway, backend: Backend, client: Client
):
    body = bytes(range(256))
    backend.on("/pets", 201, body, {"X-Made": "yes", "Content-Type": "image/png"})
    gateway.deploy(http_api(route("ANY /pets", http(f"{backend.url}/pets", method="ANY"))))
    answer = await client.ask("/pets?a=1&a=2&b=%20x", "PUT", {"X-Mine": "v", "Content-Type": "a/b"}, body)
    assert (answer.status, answer.body) == (201, body)
    assert answer.header("x-made") == "yes"
    assert answer.header("content-type") == "image/png"
    assert len(answer.all("date")) == len(answer.all("content-length")) == 1
    assert answer.header("apigw-requestid").endswith("=")  # type: ignore[union-attr]
    (got,) = backend.requests
    assert (got.method, got.target, got.body) == ("PUT", "/pets?a=1&a=2&b=%20x", body)
    assert got.header("x-mine") == "v"
    assert got.header("host") == backend.url.removeprefix("http://")
    assert 'host="web.localhost' in got.header("forwarded")  # type: ignore[operator]
    assert got.header("x-amzn-trace-id").startswith("Root=1-")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("uri", "key", "asked", "sent"),
    [
        ("/base", "$default", "/store/checkout", "/base/store/checkout"),
        ("/base/?own=1", "$default", "/a%2Fb/?x=1", "/base/a%2Fb/?own=1&x=1"),
        ("", "$default", "/", "/"),
        ("/users/{id}/x", "GET /people/{id}", "/people/a%20b", "/users/a%20b/x"),
        ("/to/{proxy}", "GET /from/{proxy+}", "/from/a/b%2Fc/?q=1", "/to/a/b%2Fc?q=1"),
        ("/find?by={id}", "GET /find/{id}", "/find/a&b", "/find?by=a%26b"),
        ("/fixed", "GET /p/{id}", "/p/1?q", "/fixed?q"),
    ],
    ids=["default", "default-own-query", "default-root", "variable", "greedy", "in-query", "as-it-is"],
)
async def test_the_integrations_url_is_filled_in(
    gateway: TestGateway, backend: Backend, client: Client, uri: str, key: str, asked: str, sent: str
):
    gateway.deploy(http_api(route(key, http(backend.url + uri, method="ANY"))))
    assert (await client.ask(asked)).status == 200
    assert backend.requests[0].target == sent


@pytest.mark.parametrize(
    ("asked", "method", "name"),
    [
        ("/pets/dog/1", "GET", "A"),
        ("/pets/dog/2", "GET", "B"),
        ("/pets/cat/1", "GET", "C"),
        ("/test/5", "POST", "D"),
        ("/", "OPTIONS", "E"),
    ],
)
async def test_the_documented_routes_are_found_in_their_order(
    gateway: TestGateway, backend: Backend, client: Client, asked: str, method: str, name: str
):
    keys = {
        "GET /pets/dog/1": "A",
        "GET /pets/dog/{id}": "B",
        "GET /pets/{proxy+}": "C",
        "ANY /{proxy+}": "D",
    }
    for one in "ABCD":
        backend.on(f"/{one}", 200, one)
    backend.on("/E/", 200, "E")
    routes = [route(key, http(f"{backend.url}/{to}", method="ANY")) for key, to in keys.items()]
    gateway.deploy(http_api(*routes, route("$default", http(f"{backend.url}/E", method="ANY"))))
    assert (await client.ask(asked, method)).body == name.encode()


@pytest.mark.parametrize("asked", ["/other", "/pets/", "/PETS"])
async def test_what_no_route_takes_is_not_found(gateway: TestGateway, backend: Backend, client: Client, asked: str):
    gateway.deploy(http_api(route("GET /pets", http(backend.url))))
    answer = await client.ask(asked)
    assert (answer.status, answer.body) == (404, b'{"message":"Not Found"}')
    assert answer.header("content-type") == "application/json"
    assert answer.header("apigw-requestid")


async def test_a_stage_that_is_not_there_is_not_found(gateway: TestGateway, backend: Backend, client: Client):
    gateway.deploy(http_api(route("GET /pets", http(backend.url, method="ANY")), stage=Stage(name="prod")))
    assert (await client.ask("/prod/pets")).status == 200
    answer = await client.ask("/beta/pets")
    assert (answer.status, answer.body) == (404, b'{"message":"Not Found"}')


@pytest.mark.parametrize(
    ("stage", "sent"), [("$default", "/a/b?x=1"), ("prod", "/prod/a/b?x=1")], ids=["no-name", "named"]
)
async def test_a_private_backend_gets_the_stages_name_in_its_path(
    make_gateway: MakeGateway, backend: Backend, stage: str, sent: str
):
    arn = "arn:aws:elasticloadbalancing:us-east-1:1:listener/app/x/1/2"
    gateway = await make_gateway(vpc_links=(f"{arn}={backend.url}",))
    integration = http(arn, method="ANY", connection_type="VPC_LINK", connection_id="link")
    gateway.deploy(http_api(route("GET /a/{x}", integration), stage=Stage(name=stage)))
    async with aiohttp.ClientSession() as session:
        asked = "/a/b?x=1" if stage == "$default" else f"/{stage}/a/b?x=1"
        assert (await Client(session, gateway).ask(asked)).status == 200
    assert backend.requests[0].target == sent


async def test_the_stages_name_is_stripped_by_a_mapping_of_the_path(make_gateway: MakeGateway, backend: Backend):
    gateway = await make_gateway(vpc_links=(f"link={backend.url}",))
    integration = http(
        "arn:aws:servicediscovery:us-east-1:1:service/srv-1?stage=prod",
        method="ANY",
        connection_type="VPC_LINK",
        connection_id="link",
        request_parameters={"overwrite:path": "$request.path"},
    )
    gateway.deploy(http_api(route("GET /a/{x}", integration), stage=Stage(name="prod")))
    async with aiohttp.ClientSession() as session:
        await Client(session, gateway).ask("/prod/a/b%20c?x=1")
    assert backend.requests[0].target == "/a/b%20c?x=1"


@pytest.mark.parametrize(
    ("keys", "method", "asked", "found"),
    [
        (["ANY /{proxy+}"], "GET", "/", None),
        (["ANY /{proxy+}", "ANY /"], "GET", "/", "ANY /"),
        (["ANY /{proxy+}", "$default"], "GET", "/", "$default"),
        (["GET /pets", "$default"], "OPTIONS", "/pets", "$default"),
        (["GET /pets"], "HEAD", "/pets", None),
        (["GET /pets", "ANY /pets"], "GET", "/pets", "GET /pets"),
        (["GET /pets", "ANY /pets"], "POST", "/pets", "ANY /pets"),
        (["GET /a/{proxy+}", "GET /a/b/{proxy+}"], "GET", "/a/b/c", "GET /a/b/{proxy+}"),
        (["GET /a/{proxy+}", "ANY /a/{proxy+}"], "POST", "/a/b", "ANY /a/{proxy+}"),
        (["GET /pets/{id}"], "GET", "/pets/1/", None),
    ],
)
async def test_each_rule_of_route_selection(
    gateway: TestGateway, backend: Backend, client: Client, keys: list[str], method: str, asked: str, found: str | None
):
    """Greedy variables and `/`, $default and OPTIONS, HEAD, ANY, literal prefixes, trailing slashes."""
    parameters = {"append:header.route": "$context.routeKey"}
    some = [route(key, http(backend.url, method="ANY", request_parameters=parameters)) for key in keys]
    gateway.deploy(http_api(*some))
    answer = await client.ask(asked, method)
    assert answer.status == (404 if found is None else 200)
    assert [got.header("route") for got in backend.requests] == ([] if found is None else [found])


# ---- what can go wrong with a backend


async def test_a_backend_that_is_not_there_is_503(gateway: TestGateway, client: Client, refused_port: int):
    gateway.deploy(http_api(route("GET /pets", http(f"http://127.0.0.1:{refused_port}"))))
    answer = await client.ask("/pets")
    assert (answer.status, answer.body) == (503, b'{"message":"Service Unavailable"}')
    assert answer.header("apigw-requestid")


async def test_a_backend_that_takes_too_long_is_503(gateway: TestGateway, backend: Backend, client: Client):
    never = asyncio.Event()

    async def hang(_request: Received) -> web.Response:
        await never.wait()
        return web.Response()

    backend.answer("/slow", hang)
    gateway.deploy(http_api(route("GET /slow", http(f"{backend.url}/slow", method="ANY", timeout_ms=50))))
    answer = await client.ask("/slow")
    assert (answer.status, answer.body) == (503, b'{"message":"Service Unavailable"}')
    never.set()


async def test_headers_of_one_hop_end_here_both_ways(gateway: TestGateway, backend: Backend, client: Client):
    headers = {"Connection": "X-Hop", "X-Hop": "1", "Keep-Alive": "timeout=9", "Apigw-Requestid": "mine", "X-End": "1"}
    backend.on("/", 200, "ok", headers)
    gateway.deploy(http_api(route("GET /", http(backend.url, method="ANY"))))
    answer = await client.ask("/", headers={"Connection": "X-Mine", "X-Mine": "1", "TE": "trailers", "X-Mine-Too": "1"})
    assert (answer.header("x-end"), answer.header("x-hop"), answer.header("keep-alive")) == ("1", None, None)
    assert answer.all("apigw-requestid") != ["mine"]
    assert len(answer.all("apigw-requestid")) == 1
    got = backend.requests[0]
    assert (got.header("x-mine-too"), got.header("x-mine"), got.header("te")) == ("1", None, None)


async def test_the_answer_to_a_head_says_how_long_the_body_would_be(
    gateway: TestGateway, backend: Backend, client: Client
):
    backend.on("/file", 200, "12345", {"X-A": "1"})
    backend.on("/none", 204)
    routes = [route(f"ANY /{name}", http(f"{backend.url}/{name}", method="ANY")) for name in ("file", "none")]
    gateway.deploy(http_api(*routes, route("HEAD /got", http(f"{backend.url}/file", method="GET"))))
    for path in ("/file", "/got"):
        answer = await client.ask(path, "HEAD")
        assert (answer.status, answer.body, answer.header("x-a")) == (200, b"", "1")
        assert answer.all("content-length") == ["5"]
    assert (await client.ask("/none", "HEAD")).all("content-length") == []
    assert (await client.ask("/file")).body == b"12345"


async def test_a_throttled_request_is_429(gateway: TestGateway, backend: Backend, client: Client):
    limit = ThrottleSettings(rate_limit=0.001, burst_limit=1)
    gateway.deploy(http_api(route("GET /", http(backend.url, method="ANY"), throttle=limit)))
    assert (await client.ask("/")).status == 200
    answer = await client.ask("/")
    assert (answer.status, answer.body) == (429, b'{"message":"Too Many Requests"}')


async def test_a_body_that_is_too_large_is_413(gateway: TestGateway, backend: Backend, client: Client):
    stage = Stage(name="$default", limits=StageLimits(payload_bytes=1000))
    gateway.deploy(http_api(route("POST /", http(backend.url)), stage=stage))
    answer = await client.ask("/", "POST", data=b"x" * 1001)
    assert (answer.status, answer.body) == (413, b'{"message":"Request Entity Too Large"}')
    assert backend.requests == []


async def test_an_answer_that_comes_piece_by_piece_goes_on_piece_by_piece(
    gateway: TestGateway, backend: Backend, client: Client
):
    """Server-sent events: each is with the client before the backend says the next."""
    seen = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b"data: 1\n\n")
        await seen.wait()
        await answer.write(b"data: 2\n\n")
        await answer.write_eof()
        return answer

    app = web.Application()
    app.router.add_get("/events", stream)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gateway.deploy(
        http_api(route("GET /events", http(f"http://127.0.0.1:{runner.addresses[0][1]}/events", method="ANY")))
    )
    async with aiohttp.ClientSession() as session, session.get(gateway.url + "/events", headers=HOST) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert await answer.content.readuntil(b"\n\n") == b"data: 1\n\n"
        seen.set()
        assert await answer.content.read() == b"data: 2\n\n"
    await runner.cleanup()


async def test_a_large_body_goes_on_without_a_length(gateway: TestGateway, backend: Backend):
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 16_384

    gateway.deploy(http_api(route("POST /", http(backend.url))))
    async with aiohttp.ClientSession() as session, session.post(gateway.url, headers=HOST, data=pieces()) as answer:
        assert answer.status == 200
    assert len(backend.requests[0].body) == 1 << 20


async def test_each_request_has_a_line_in_the_access_log(make_gateway: MakeGateway, backend: Backend, tmp_path: Path):
    file = tmp_path / "access.log"
    gateway = await make_gateway(access_log=str(file))
    line = "$context.httpMethod $context.routeKey $context.path $context.status $context.requestId"
    stage = Stage(name="$default", access_log_format=line)
    gateway.deploy(http_api(route("GET /pets/{id}", http(backend.url, method="ANY")), stage=stage))
    async with aiohttp.ClientSession() as session:
        answers = [await Client(session, gateway).ask(path) for path in ("/pets/1", "/nowhere")]
    await gateway.stop()
    ids = [answer.header("apigw-requestid") for answer in answers]
    assert file.read_text().splitlines() == [
        f"GET GET /pets/{{id}} /pets/1 200 {ids[0]}",
        f"GET - /nowhere 404 {ids[1]}",
    ]


# ---- parameter mapping


async def test_request_parameters_change_headers_query_and_path(gateway: TestGateway, backend: Backend, client: Client):
    """append|overwrite|remove of header and querystring, overwrite:path, every source."""
    parameters = {
        "append:header.header2": "$request.header.header1",
        "remove:header.header1": "''",
        "overwrite:header.who": "${context.stage}/${stageVariables.env}/${request.querystring.q}",
        "append:header.multi": "own",
        "append:header.missing": "$request.header.nowhere",
        "append:querystring.id": "$request.path.id",
        "overwrite:querystring.name": "$request.body.pet.name",
        "remove:querystring.secret": "''",
        "overwrite:path": "/animals/${request.path.id}",
        "append:header.text": "some text",
        "append:header.request-id": "$context.requestId",
    }
    stage = Stage(name="$default", variables={"env": "test"})
    integration = http(f"{backend.url}/pets/{{id}}?own=1", method="ANY", request_parameters=parameters)
    gateway.deploy(http_api(route("POST /pets/{id}", integration), stage=stage))
    answer = await client.ask(
        "/pets/a%20b?q=1&secret=s&name=x&secret=t",
        "POST",
        [("header1", "v"), ("multi", "theirs"), ("who", "me"), ("header1", "w")],
        b'{"pet": {"name": "R\xc3\xa9x & co"}}',
    )
    got = backend.requests[0]
    assert got.target == "/animals/a%20b?own=1&q=1&name=R%C3%A9x+%26+co&id=a+b"
    found = [(name.lower(), value) for name, value in got.headers]
    assert ("header2", "v,w") in found
    assert ("who", "$default/test/1") in found
    assert [value for name, value in found if name == "multi"] == ["theirs", "own"]
    assert ("text", "some text") in found
    assert [value for name, value in found if name == "request-id"] == answer.all("apigw-requestid")
    assert not {"header1", "missing"} & {name for name, _ in found}


@pytest.mark.parametrize(
    ("backend_says", "status", "added"),
    [(500, 403, ("header1", None)), (404, 404, ("error", "env1")), (200, 200, None)],
    ids=["statuscode-overwritten", "header-of-a-stage-variable", "no-entry-untouched"],
)
async def test_response_parameters_are_chosen_by_the_backends_status(
    gateway: TestGateway, backend: Backend, client: Client, backend_says: int, status: int, added: Any
):
    mapping = {
        "500": {"append:header.header1": "$context.requestId", "overwrite:statuscode": "403"},
        "404": {"append:header.error": "$stageVariables.environmentId"},
    }
    backend.on("/", backend_says, "said")
    stage = Stage(name="$default", variables={"environmentId": "env1"})
    integration = http(backend.url, method="ANY", response_parameters=mapping)
    gateway.deploy(http_api(route("GET /", integration), stage=stage))
    answer = await client.ask("/")
    assert (answer.status, answer.body) == (status, b"said")
    names = {name for name, _ in answer.headers}
    assert names & {"header1", "error"} == ({added[0]} if added else set())
    if added:
        assert answer.header(added[0]) == (added[1] or answer.header("apigw-requestid"))


async def test_response_parameters_read_the_answers_headers_and_body(
    gateway: TestGateway, backend: Backend, client: Client
):
    mapping = {
        "200": {
            "overwrite:header.x-name": "${response.header.x-first}-${response.body.pet.id}",
            "remove:header.X-First": "''",
        }
    }
    backend.on("/", 200, '{"pet": {"id": 7}}', {"X-First": "a"})
    integration = http(backend.url, method="ANY", response_parameters=mapping)
    gateway.deploy(http_api(route("GET /", integration)))
    answer = await client.ask("/")
    assert (answer.header("x-name"), answer.header("x-first")) == ("a-7", None)


async def test_a_mapped_value_never_starts_a_header_of_its_own(gateway: TestGateway, backend: Backend, client: Client):
    """S-05: CR, LF and NUL of queries and bodies, on the way there and back."""
    there = http(backend.url, method="ANY", request_parameters={"append:header.x": "$request.querystring.x"})
    back = http(backend.url, method="ANY", response_parameters={"200": {"append:header.x": "$response.body.x"}})
    gateway.deploy(http_api(route("GET /there", there), route("GET /back", back)))
    backend.on("/", 200, '{"x": "a\\r\\nSet-Cookie: b"}')
    for bad in ("%0D%0AEvil:%201", "%0A", "%00"):
        answer = await client.ask(f"/there?x=a{bad}")
        assert (answer.status, answer.body) == (400, b'{"message":"Bad Request"}')
    assert backend.requests == []
    answer = await client.ask("/back")
    assert (answer.status, answer.header("set-cookie")) == (500, None)
    assert answer.body == b'{"message":"Internal Server Error"}'


# ---- functions


async def test_a_function_gets_the_event_of_format_2_0(gateway: TestGateway, client: Client, lambdas: LambdaEndpoint):
    gateway.deploy(http_api(route("$default", function())))
    lambdas.functions["handle"] = returns({"ok": True})
    headers = [("Header1", "value1"), ("Cookie", "cookie1; cookie2"), ("Header2", "value1"), ("Header2", "value2")]
    answer = await client.ask("/my/path?parameter1=value1&parameter1=value2&parameter2=value", headers=headers)
    event = lambdas.calls[0].event
    assert event["version"] == "2.0"
    assert (event["routeKey"], event["rawPath"]) == ("$default", "/my/path")
    assert event["rawQueryString"] == "parameter1=value1&parameter1=value2&parameter2=value"
    assert event["queryStringParameters"] == {"parameter1": "value1,value2", "parameter2": "value"}
    assert event["cookies"] == ["cookie1", "cookie2"]
    assert event["headers"]["header1"] == "value1"
    assert event["headers"]["header2"] == "value1,value2"
    assert "cookie" not in event["headers"]
    context = event["requestContext"]
    assert (context["stage"], context["routeKey"]) == ("$default", "$default")
    assert context["http"]["method"] == "GET"
    assert context["http"]["path"] == "/my/path"
    assert context["http"]["protocol"] == "HTTP/1.1"
    assert context["requestId"] == answer.header("apigw-requestid")
    assert not {"body", "pathParameters", "stageVariables"} & event.keys()
    assert (answer.status, answer.json(), answer.header("content-type")) == (200, {"ok": True}, "application/json")


async def test_a_function_of_format_1_0_answers_as_behind_rest_apis(
    gateway: TestGateway, client: Client, lambdas: LambdaEndpoint
):
    async def echo(event: Any) -> Any:
        return await returns({"statusCode": 200, "body": json.dumps(event)})(event)

    gateway.deploy(http_api(route("$default", function(version="1.0"))))
    lambdas.functions["handle"] = echo
    event = (await client.ask("/my/path?parameter1=value1&parameter1=value2", headers={"header1": "x"})).json()
    assert (event["version"], event["path"], event["httpMethod"]) == ("1.0", "/my/path", "GET")
    assert event["multiValueQueryStringParameters"] == {"parameter1": ["value1", "value2"]}
    assert event["headers"]["Header1"] == "x"
    assert event["requestContext"]["resourceId"] is None
    assert event["requestContext"]["authorizer"] == {"claims": None, "scopes": None}
    assert event["stageVariables"] is None
    assert event["isBase64Encoded"] is False


async def test_a_functions_cookies_become_set_cookie_headers(
    gateway: TestGateway, client: Client, lambdas: LambdaEndpoint
):
    gateway.deploy(http_api(route("GET /", function())))
    lambdas.functions["handle"] = returns(
        {
            "cookies": ["cookie1", "cookie2"],
            "isBase64Encoded": False,
            "statusCode": 200,
            "headers": {"headername": "headervalue"},
            "body": "Hello from Lambda!",
        }
    )
    answer = await client.ask("/")
    assert answer.all("set-cookie") == ["cookie1", "cookie2"]
    assert answer.header("headername") == "headervalue"
    assert (answer.status, answer.body) == (200, b"Hello from Lambda!")


@pytest.mark.parametrize("version", ["1.0", "2.0"])
async def test_a_function_that_fails_is_500(
    gateway: TestGateway, client: Client, lambdas: LambdaEndpoint, version: str
):
    gateway.deploy(http_api(route("GET /", function(version=version))))
    lambdas.functions["handle"] = raises("ValueError")
    answer = await client.ask("/")
    assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')


async def test_a_function_that_takes_too_long_is_503(gateway: TestGateway, client: Client, lambdas: LambdaEndpoint):
    gateway.deploy(
        http_api(route("GET /", function(timeout_ms=2000)), route("GET /slow", function("slow", timeout_ms=50)))
    )
    lambdas.functions["handle"] = returns("warm")
    assert (await client.ask("/")).body == b"warm"
    lambdas.functions["slow"] = Never()
    answer = await client.ask("/slow")
    assert (answer.status, answer.body) == (503, b'{"message":"Service Unavailable"}')


async def test_parameters_are_mapped_for_functions_too(gateway: TestGateway, client: Client, lambdas: LambdaEndpoint):
    mapping = {"overwrite:header.x-a": "$stageVariables.a", "remove:querystring.b": "''", "append:querystring.c": "3"}
    stage = Stage(name="$default", variables={"a": "1"})
    gateway.deploy(http_api(route("GET /", function(request_parameters=mapping)), stage=stage))
    lambdas.functions["handle"] = returns({})
    await client.ask("/?b=2&d=4", headers={"X-A": "client's"})
    event = lambdas.calls[0].event
    assert event["headers"]["x-a"] == "1"
    assert event["queryStringParameters"] == {"d": "4", "c": "3"}
    assert event["rawQueryString"] == "d=4&c=3"


async def test_a_python_handler_takes_format_2_0(gateway: TestGateway, client: Client):
    async def hello(event: dict[str, Any], context: Any) -> Any:
        return {"path": event["rawPath"], "name": event["pathParameters"]["name"], "id": context.aws_request_id}

    integration = Integration(type="PYTHON", uri="test:hello")
    gateway.deploy(http_api(route("GET /hello/{name}", integration)), handlers={"test:hello": hello})
    answer = await client.ask("/hello/a%20b")
    assert answer.json() == {"path": "/hello/a%20b", "name": "a b", "id": answer.header("apigw-requestid")}


async def test_an_action_of_a_service_is_called_with_mapped_parameters(
    gateway: TestGateway, backend: Backend, client: Client, monkeypatch: pytest.MonkeyPatch
):
    """SQS-SendMessage"""
    for name, value in {
        "AWS_ENDPOINT_URL_SQS": backend.url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    backend.on("/", 200, '{"MessageId":"1"}', {"Content-Type": "application/x-amz-json-1.0"})
    parameters = {"QueueUrl": "http://localhost/1/q", "MessageBody": "$request.body.text", "DelaySeconds": "5"}
    mapping = {"200": {"overwrite:statuscode": "202", "append:header.made": "$response.body.MessageId"}}
    integration = Integration(
        type="AWS_PROXY",
        subtype="SQS-SendMessage",
        request_parameters=parameters,
        response_parameters=mapping,
    )
    gateway.deploy(http_api(route("POST /messages", integration)))
    answer = await client.ask("/messages", "POST", data=b'{"text": "hello"}')
    assert (answer.status, answer.body, answer.header("made")) == (202, b'{"MessageId":"1"}', "1")
    got = backend.requests[0]
    assert json.loads(got.body) == {"QueueUrl": "http://localhost/1/q", "MessageBody": "hello", "DelaySeconds": 5}
    assert got.header("x-amz-target") == "AmazonSQS.SendMessage"
    assert (await client.ask("/messages", "POST", data=b"{}")).status == 400


# ---- CORS

PAGE = "https://www.example.com"
CORS = Cors(allow_origins=(PAGE,), allow_methods=("GET", "POST"), allow_headers=("authorization",), max_age=300)


async def test_a_preflight_is_answered_without_a_route_or_a_backend(
    gateway: TestGateway, backend: Backend, client: Client
):
    gateway.deploy(http_api(route("GET /pets", http(backend.url)), cors=CORS))
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    for path in ("/pets", "/anything"):
        answer = await client.ask(path, "OPTIONS", asked)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.header("access-control-allow-origin") == PAGE
        assert answer.header("access-control-allow-methods") == "GET,POST"
        assert answer.header("access-control-allow-headers") == "authorization"
        assert answer.header("access-control-max-age") == "300"
    assert backend.requests == []


async def test_what_a_backend_says_of_cors_is_replaced(gateway: TestGateway, backend: Backend, client: Client):
    backend.on("/", 200, "ok", {"Access-Control-Allow-Origin": "https://evil.example", "X-Kept": "1"})
    gateway.deploy(http_api(route("GET /pets", http(backend.url, method="ANY")), cors=CORS))
    answer = await client.ask("/pets", headers={"Origin": PAGE})
    assert answer.all("access-control-allow-origin") == [PAGE]
    assert answer.header("x-kept") == "1"
    for headers in ({}, {"Origin": "https://other.example"}):
        answer = await client.ask("/pets", headers=headers)
        assert (answer.status, answer.body, answer.all("access-control-allow-origin")) == (200, b"ok", [])


async def test_a_backends_cors_headers_pass_where_none_are_configured(
    gateway: TestGateway, backend: Backend, client: Client
):
    backend.on("/", 200, "ok", {"Access-Control-Allow-Origin": "*"})
    gateway.deploy(http_api(route("ANY /pets", http(backend.url, method="ANY"))))
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}
    answer = await client.ask("/pets", "OPTIONS", asked)
    assert answer.header("access-control-allow-origin") == "*"
    assert len(backend.requests) == 1


async def test_refusals_carry_cors_headers(gateway: TestGateway, backend: Backend, client: Client):
    gateway.deploy(http_api(route("GET /pets", http(backend.url)), cors=CORS))
    answer = await client.ask("/nowhere", headers={"Origin": PAGE})
    assert (answer.status, answer.header("access-control-allow-origin")) == (404, PAGE)


async def test_options_that_are_no_preflight_take_the_route(gateway: TestGateway, backend: Backend, client: Client):
    gateway.deploy(http_api(route("OPTIONS /pets", http(backend.url, method="ANY")), cors=CORS))
    answer = await client.ask("/pets", "OPTIONS", {"Origin": PAGE})
    assert (answer.status, answer.header("access-control-allow-methods")) == (200, None)
    assert len(backend.requests) == 1


# ---- what cannot be deployed


@pytest.mark.parametrize(
    ("key", "integration", "says"),
    [
        ("GET /a/{b}", http("http://x/{c}"), "{c} in the integration's URL is no path variable"),
        ("$default", http("http://x/{c}"), "a $default route has no path variables"),
        ("GET /a", http("arn:x", connection_type="VPC_LINK", connection_id="l"), "vpc_links"),
        ("GET /a", Integration(type="MOCK"), "no MOCK integrations"),
        ("GET /a", http("http://x", request_parameters={"overwrite:header.Via": "x"}), "the header Via is reserved"),
        ("GET /a", http("http://{a}/"), "authority"),
    ],
)
async def test_what_cannot_be_served_is_refused_when_deployed(
    gateway: TestGateway, key: str, integration: Integration, says: str
):
    with pytest.raises(Exception, match=r"apis\.web\.routes") as refused:
        gateway.deploy(http_api(route(key, integration)))
    assert says in str(refused.value)


async def test_credentials_for_every_origin_are_refused_when_deployed(gateway: TestGateway, backend: Backend):
    cors = Cors(allow_origins=("*",), allow_credentials=True)
    with pytest.raises(Exception, match="allowCredentials"):
        gateway.deploy(http_api(route("GET /", http(backend.url)), cors=cors))
