"""Line ends and other control characters in REST and HTTP APIs: never a line of their own, towards either side.

Check S-05. The backend takes what it gets apart byte by byte; of what the client gets, every byte must be part of
exactly one response. Sources: RFC 9110 section 5.5, RFC 9112 sections 2.2, 6.3 and 11.1.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, unquote

import pytest

from tests.harness import bad_backend as bad
from tests.harness.gateway import TestGateway
from tests.harness.line_ends import EVIL
from tests.harness.raw_http import request, split_responses, talk
from tests.harness.raw_websocket import Response
from tests.harness.rest_api import answers, method, mock, rest_api
from tests.harness.strict_backend import StrictBackend, strict_backend
from wsgw.definitions.api import Api, GatewayResponse, Stage
from wsgw.definitions.route import Integration, Route

CONTROLS = "\r\n\0\x1b"
HTTP_KINDS = ["HTTP", "HTTP_PROXY"]
Q = "method.request.querystring.q"


@pytest.fixture
def lanes() -> bool:
    """Both doors write what the same code has made."""
    return True


@pytest.fixture
async def upstream() -> AsyncIterator[StrictBackend]:
    async with strict_backend() as backend:
        yield backend


def http_api(*routes: Route, **members: Any) -> Api:
    members.setdefault("stages", {"dev": Stage(name="dev")})
    return Api(id="pets", name="pets", protocol="HTTP", routes={one.key: one for one in routes}, **members)


def http_route(key: str, uri: str, **members: Any) -> Route:
    return Route(key=key, integration=Integration(type="HTTP_PROXY", uri=uri, method="ANY", **members))


async def ask(gateway: TestGateway, path: str, *headers: tuple[str, str], body: bytes | None = None) -> Response:
    """The one answer to a request, whose every byte is part of it, without a line that nobody meant to send."""
    verb = "GET" if body is None else "POST"
    sent = request(f"/pets/dev{path}", "a.example", [*headers, ("Connection", "close")], body, method=verb)
    (response,) = split_responses(await talk(gateway.url, sent))
    assert response.header("x-evil") is None
    for name, value in response.headers:
        assert name.isascii()
        assert name.isprintable()
        assert not set(value) & set(CONTROLS), (name, value)
    return response


def sound(upstream: StrictBackend, response: Response) -> None:
    """Nothing came upstream but one whole request where the answer is a 200, and nothing at all where it is not."""
    assert upstream.faults == []
    assert upstream.pending == b""
    for sent in upstream.requests:
        assert not {"x-evil", "x"} & sent.names
        assert not sent.target.startswith("/evil")
    assert len(upstream.requests) <= 1
    assert (response.status == 200) == (len(upstream.requests) == 1)


# ---- upstream, REST APIs


@pytest.mark.parametrize("kind", HTTP_KINDS)
@pytest.mark.parametrize("place", ["header.X-Name", "querystring.name", "path.name"])
@pytest.mark.parametrize("text", EVIL)
async def test_a_query_value_that_is_mapped_adds_no_line_upstream(
    gateway: TestGateway, upstream: StrictBackend, kind: str, place: str, text: str
):
    """S-05"""
    url = f"{upstream.url}/at/{{name}}/end"
    gateway.deploy(rest_api(method("GET /", kind, url, request_parameters={f"integration.request.{place}": Q})))
    response = await ask(gateway, f"/?q={quote(text)}")
    sound(upstream, response)
    if set(text) & set(CONTROLS) and place == "header.X-Name":
        assert response.status in (400, 500)


@pytest.mark.parametrize("text", EVIL)
async def test_a_member_of_the_body_mapped_to_a_header_adds_no_line_upstream(
    gateway: TestGateway, upstream: StrictBackend, text: str
):
    """S-05"""
    parameters = {"integration.request.header.X-Name": "method.request.body.name"}
    gateway.deploy(rest_api(method("POST /", "HTTP", upstream.url, request_parameters=parameters, method="POST")))
    response = await ask(gateway, "/", body=json.dumps({"name": text}).encode())
    sound(upstream, response)


@pytest.mark.parametrize("part", ["header", "path", "querystring"])
@pytest.mark.parametrize("where", ["key", "value"])
@pytest.mark.parametrize("text", EVIL)
async def test_an_override_of_a_template_adds_no_line_upstream(
    gateway: TestGateway, upstream: StrictBackend, part: str, where: str, text: str
):
    """S-05: both its name and its value are the client's here."""
    key, value = ("$input.params('q')", "v") if where == "key" else ("name", "$input.params('q')")
    key = f'["{key}"]' if where == "value" else f"[{key}]"
    template = f'#set($context.requestOverride.{part}{key} = "{value}"){{}}'
    url = f"{upstream.url}/at/{{name}}/end"
    gateway.deploy(
        rest_api(method("POST /", "HTTP", url, method="POST", request_templates={"application/json": template}))
    )
    response = await ask(gateway, f"/?q={quote(text)}", body=b"{}")
    sound(upstream, response)


@pytest.mark.parametrize("kind", HTTP_KINDS)
@pytest.mark.parametrize("text", EVIL)
async def test_a_stage_variable_adds_no_line_upstream(
    gateway: TestGateway, upstream: StrictBackend, kind: str, text: str
):
    """S-05"""
    mapped = {
        "integration.request.header.X-Tier": "stageVariables.tier",
        "integration.request.querystring.tier": "stageVariables.tier",
    }
    stage = Stage(name="dev", variables={"tier": text})
    gateway.deploy(rest_api(method("GET /", kind, upstream.url, request_parameters=mapped), stage=stage))
    sound(upstream, await ask(gateway, "/"))


@pytest.mark.parametrize("kind", HTTP_KINDS)
@pytest.mark.parametrize("text", EVIL)
async def test_a_stage_variable_in_an_address_adds_no_line_upstream(
    gateway: TestGateway, upstream: StrictBackend, kind: str, text: str
):
    """S-05"""
    stage = Stage(name="dev", variables={"path": text})
    uri = f"{upstream.url}/${{stageVariables.path}}"
    gateway.deploy(rest_api(method("GET /", kind, uri), mock("GET /fine"), stage=stage))
    response = await ask(gateway, "/")
    sound(upstream, response)
    assert response.status == 500
    assert (await ask(gateway, "/fine")).status == 200


# ---- upstream, HTTP APIs

HTTP_TARGETS = [
    "append:header.X-Name",
    "overwrite:header.X-Name",
    "overwrite:header.host",
    "append:querystring.name",
    "overwrite:querystring.name",
    "overwrite:path",
]


@pytest.mark.parametrize("source", ["$request.querystring.q", "$request.body.q", "/x/${request.querystring.q}"])
@pytest.mark.parametrize("target", HTTP_TARGETS)
@pytest.mark.parametrize("text", EVIL)
async def test_a_mapped_value_adds_no_line_upstream(
    gateway: TestGateway, upstream: StrictBackend, target: str, source: str, text: str
):
    """S-05"""
    gateway.deploy(http_api(http_route("POST /", upstream.url, request_parameters={target: source})))
    response = await ask(gateway, f"/?q={quote(text)}", body=json.dumps({"q": text}).encode())
    sound(upstream, response)


@pytest.mark.parametrize("text", EVIL)
async def test_a_path_variable_adds_no_line_upstream(gateway: TestGateway, upstream: StrictBackend, text: str):
    """S-05"""
    mapping = {"append:header.X-Name": "$request.path.name", "append:querystring.name": "$request.path.name"}
    uri = f"{upstream.url}/at/{{name}}?name={{name}}"
    gateway.deploy(http_api(http_route("GET /{name}", uri, request_parameters=mapping)))
    sound(upstream, await ask(gateway, f"/{quote(text, safe='')}"))


# ---- upstream, as it is


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
async def test_obs_text_goes_both_ways_as_the_same_bytes(gateway: TestGateway, protocol: str):
    """S-05"""
    said = bad.answer(b"ok", headers=b"X-Name: caf\xe9\xff\r\nSet-Cookie: a=\x80\r\n")
    async with bad.bad_backend(bad.says_always(said)) as backend:
        proxied = http_route("GET /", backend.url)
        gateway.deploy(
            http_api(proxied) if protocol == "HTTP" else rest_api(method("GET /", "HTTP_PROXY", backend.url))
        )
        response = await ask(gateway, "/", ("X-Name", "caf\xe9\xff"), ("Cookie", "a=\x80"), ("X-Tab", "a\tb"))
        assert (response.header("x-name"), response.header("set-cookie")) == ("caf\xe9\xff", "a=\x80")
        lines = backend.requests[0].headers
    assert b"X-Name: caf\xe9\xff" in lines
    assert b"Cookie: a=\x80" in lines
    assert b"X-Tab: a\tb" in lines


# ---- downstream: what a backend says

BAD_LINES = [
    pytest.param(b"X-Bad: a\rX-Evil: 1\r\n", id="cr"),
    pytest.param(b"X-Bad: a\nX-Evil: 1\r\n", id="lf"),
    pytest.param(b"X-Bad: a\0X-Evil: 1\r\n", id="nul"),
    pytest.param(b"X-Bad: a\x01\r\n", id="control"),
    pytest.param(b"X-Bad: a\r\n X-Evil: 1\r\n", id="fold"),
    pytest.param(b"X Evil: 1\r\n", id="blank-in-the-name"),
    pytest.param(b"X-Evil : 1\r\n", id="blank-before-the-colon"),
    pytest.param(b": 1\r\n", id="no-name"),
    pytest.param(b"Set-Cookie: a=b\rSet-Cookie: evil\r\n", id="cookie"),
]


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
@pytest.mark.parametrize("line", BAD_LINES)
async def test_a_header_line_of_a_backend_never_becomes_two(gateway: TestGateway, protocol: str, line: bytes):
    """S-05, S-06"""
    async with bad.bad_backend(bad.says_always(bad.answer(b"ok", headers=line))) as backend:
        proxied = http_route("GET /", backend.url)
        gateway.deploy(
            http_api(proxied) if protocol == "HTTP" else rest_api(method("GET /", "HTTP_PROXY", backend.url))
        )
        sent = request("/pets/dev/", "a.example", [("Connection", "close")])
        received = await talk(gateway.url, sent)
    (response,) = split_responses(received)
    assert b"\0" not in received
    if line.startswith(b"X-Bad: a\r\n ") and response.status == 200:
        assert response.header("x-bad") == "a X-Evil: 1", "one line of two, as RFC 9112 §5.2 has it"
    else:
        assert response.header("x-evil") is None
    assert [value for name, value in response.headers if name == "set-cookie"] in ([], ["a=b"])


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
async def test_what_a_backend_says_for_one_hop_ends_here(gateway: TestGateway, protocol: str):
    """S-04: also what its Connection names (RFC 9110 §7.6.1)."""
    lines = (
        b"Connection: X-Secret, keep-alive\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nX-Kept: yes\r\n"
    )
    async with bad.bad_backend(bad.says_always(bad.answer(b"ok", headers=lines))) as backend:
        proxied = http_route("GET /", backend.url)
        gateway.deploy(
            http_api(proxied) if protocol == "HTTP" else rest_api(method("GET /", "HTTP_PROXY", backend.url))
        )
        response = await ask(gateway, "/")
    assert response.header("x-kept") == "yes"
    assert not {"x-secret", "keep-alive", "upgrade"} & {name for name, _ in response.headers}


@pytest.mark.parametrize("source", ["integration.response.body.name", "integration.response.header.X-Name"])
@pytest.mark.parametrize("target", ["X-Name", "Set-Cookie", "Location"])
@pytest.mark.parametrize("text", EVIL)
async def test_a_value_of_an_answer_that_is_mapped_adds_no_line_downstream(
    gateway: TestGateway, source: str, target: str, text: str
):
    """S-05"""
    body = json.dumps({"name": text}).encode()
    async with bad.bad_backend(
        bad.says_always(bad.answer(body, headers=b"X-Name: " + quote(text).encode() + b"\r\n"))
    ) as one:
        mapped = answers(response_parameters={f"method.response.header.{target}": source})
        gateway.deploy(rest_api(method("GET /", "HTTP", one.url, mapped)))
        response = await ask(gateway, "/")
    if set(text) & set(CONTROLS) and "body" in source:
        assert response.status == 500
        assert response.header(target.lower()) is None


@pytest.mark.parametrize("where", ["key", "value"])
@pytest.mark.parametrize("text", EVIL)
async def test_an_override_of_a_response_template_adds_no_line_downstream(gateway: TestGateway, where: str, text: str):
    """S-05"""
    key, value = ("$input.params('q')", "v") if where == "key" else ('"name"', "$input.params('q')")
    template = f'#set($context.responseOverride.header[{key}] = "{value}")fine'
    gateway.deploy(rest_api(mock("GET /", answers(template=template))))
    response = await ask(gateway, f"/?q={quote(text)}")
    assert response.status in (200, 500)
    if set(text) & set(CONTROLS):
        assert response.status == 500


@pytest.mark.parametrize("source", [Q, "method.request.header.X-Q", "method.request.path.name", "stageVariables.tier"])
@pytest.mark.parametrize("text", EVIL)
async def test_a_gateway_response_adds_no_line_downstream(gateway: TestGateway, source: str, text: str):
    """S-05"""
    custom = GatewayResponse(
        response_type="DEFAULT_5XX",
        response_parameters={f"gatewayresponse.header.{name}": source for name in ("X-Name", "Set-Cookie")},
        response_templates={"application/json": '{"q": "$input.params(\'q\')", "m": $context.error.messageString}'},
    )
    broken = mock("GET /{name}", request_templates={"application/json": "nothing"})
    stage = Stage(name="dev", variables={"tier": text})
    gateway.deploy(rest_api(broken, stage=stage, gateway_responses={custom.response_type: custom}))
    header = text if not set(text) & {*CONTROLS, "\u2028", "嘊", "嘍"} else "x"
    response = await ask(gateway, f"/{quote(text, safe='') or 'x'}?q={quote(text)}", ("X-Q", header))
    assert response.status in (400, 500)


@pytest.mark.parametrize("text", EVIL)
async def test_what_an_http_api_maps_adds_no_line_downstream(gateway: TestGateway, text: str):
    """S-05"""
    async with bad.bad_backend(bad.says_always(bad.answer(json.dumps({"name": text}).encode()))) as backend:
        mapping = {
            "200": {"append:header.X-Name": "$response.body.name", "overwrite:header.set-cookie": "$response.body.name"}
        }
        gateway.deploy(http_api(http_route("GET /", backend.url, response_parameters=mapping)))
        response = await ask(gateway, "/")
    if set(text) & set(CONTROLS):
        assert (response.status, response.header("set-cookie")) == (500, None)


# ---- downstream: what a function says


def functions(protocol: str, result: Any) -> tuple[Api, dict[str, Any]]:
    """An API whose one route gives `result`."""
    if protocol == "REST":
        api = rest_api(method("GET /", "PYTHON", "my:handler"), method("HEAD /", "PYTHON", "my:handler"))
    else:
        one = Integration(type="PYTHON", uri="my:handler")
        api = http_api(Route(key="GET /", integration=one), Route(key="HEAD /", integration=one))
    return api, {"my:handler": lambda event, context: result}


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
@pytest.mark.parametrize("place", ["name", "value", "cookie", "multi"])
@pytest.mark.parametrize("text", EVIL)
async def test_a_function_adds_no_line_downstream(gateway: TestGateway, protocol: str, place: str, text: str):
    """S-05"""
    results = {
        "name": {"headers": {text: "1"}},
        "value": {"headers": {"X-Name": text, "Set-Cookie": text}},
        "cookie": {"cookies": [text]},
        "multi": {"multiValueHeaders": {"X-Name": [text]}},
    }
    api, handlers = functions(protocol, {"statusCode": 200, **results[place]})
    gateway.deploy(api, handlers=handlers)
    response = await ask(gateway, "/")
    assert response.status in (200, 500, 502)


FRAMING = [
    ("Content-Length", "0"),
    ("Content-Length", "9999"),
    ("content-length", "abc"),
    ("Transfer-Encoding", "chunked"),
    ("transfer-encoding", "gzip"),
    ("Connection", "keep-alive"),
    ("Connection", "upgrade"),
    ("Upgrade", "websocket"),
    ("Trailer", "X-Sum"),
    ("Keep-Alive", "timeout=1000"),
]


def framed(response: Response, body: bytes) -> None:
    """`response` has one length, and nothing else says where it ends."""
    assert response.body == body
    names = [name for name, _ in response.headers]
    assert names.count("content-length") == 1
    assert names.count("connection") == 1
    assert not {"transfer-encoding", "upgrade", "keep-alive"} & set(names)


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
@pytest.mark.parametrize(("name", "value"), FRAMING)
async def test_a_function_does_not_say_where_its_answer_ends(
    gateway: TestGateway, protocol: str, name: str, value: str
):
    """S-01, S-05"""
    api, handlers = functions(protocol, {"statusCode": 200, "headers": {name: value}, "body": "fine"})
    gateway.deploy(api, handlers=handlers)
    framed(await ask(gateway, "/"), b"fine")


@pytest.mark.parametrize(("name", "value"), FRAMING)
@pytest.mark.parametrize("means", ["override", "parameter", "gateway-response"])
async def test_a_mapping_does_not_say_where_an_answer_ends(gateway: TestGateway, means: str, name: str, value: str):
    """S-01, S-05"""
    if means == "override":
        template = f"#set($context.responseOverride.header['{name}'] = '{value}')fine"
        api = rest_api(mock("GET /", answers(template=template)))
    elif means == "parameter":
        parameters = {f"method.response.header.{name}": f"'{value}'"}
        api = rest_api(mock("GET /", answers(template="fine", response_parameters=parameters)))
    else:
        custom = GatewayResponse(
            response_type="DEFAULT_5XX",
            response_parameters={f"gatewayresponse.header.{name}": f"'{value}'"},
            response_templates={"application/json": "fine"},
        )
        broken = mock("GET /", request_templates={"application/json": "nothing"})
        api = rest_api(broken, gateway_responses={custom.response_type: custom})
    gateway.deploy(api)
    framed(await ask(gateway, "/"), b"fine")


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
@pytest.mark.parametrize(
    "status", [0, 1, 99, 100, 101, 103, 199, 600, 999, 1000, -1, "200\r\nX-Evil: 1", "٢٠٠", 204, 304]
)
async def test_a_function_gives_no_status_that_is_not_the_answer(gateway: TestGateway, protocol: str, status: Any):
    """S-05, S-06: a 1xx is none, for the client would wait for another; 204 and 304 have no body."""
    api, handlers = functions(protocol, {"statusCode": status, "body": "GET /evil"})
    gateway.deploy(api, handlers=handlers)
    response = await ask(gateway, "/")
    assert response.status in ((status,) if status in (204, 304) else (500, 502))
    assert b"evil" not in response.body


@pytest.mark.parametrize("status", [100, 101, 199, 600, 1000, '"200 OK\\r\\nX-Evil: 1"'])
async def test_a_template_gives_no_status_that_is_not_the_answer(gateway: TestGateway, status: Any):
    """S-05, S-06"""
    template = f"#set($context.responseOverride.status = {status})fine"
    by_mock = {"application/json": f'{{"statusCode": {status}}}'}
    gateway.deploy(
        rest_api(mock("GET /override", answers(template=template)), mock("GET /mock", request_templates=by_mock))
    )
    for path in ("/override", "/mock"):
        assert (await ask(gateway, path)).status in (200, 500)


# ---- S-41


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "pets.evil.example", "[::1]", "EVIL"])
async def test_a_host_that_nobody_has_configured_is_told_to_nobody(
    gateway: TestGateway, upstream: StrictBackend, protocol: str, host: str
):
    """S-41: neither as domainName, nor in a template, a mapping, an event or a header towards a backend."""
    events: list[Any] = []

    def handler(event: Any, context: object) -> Any:
        events.append(event)
        return {"statusCode": 200}

    if protocol == "REST":
        mapped = {"integration.request.header.X-Domain": "context.domainName"}
        said = answers(template="$context.domainName $context.domainPrefix")
        api = rest_api(
            method("GET /function", "PYTHON", "my:handler"),
            method("GET /backend", "HTTP_PROXY", upstream.url, request_parameters=mapped),
            mock("GET /template", said),
        )
    else:
        mapped = {"append:header.X-Domain": "$context.domainName"}
        api = http_api(
            Route(key="GET /function", integration=Integration(type="PYTHON", uri="my:handler")),
            http_route("GET /backend", upstream.url, request_parameters=mapped),
        )
    gateway.deploy(api, handlers={"my:handler": handler})
    paths = ["/function", "/backend", *(["/template"] if protocol == "REST" else [])]
    for path in paths:
        sent = request(f"/pets/dev{path}", host, [("Connection", "close"), ("X-Forwarded-Host", host)])
        (response,) = split_responses(await talk(gateway.url, sent))
        assert response.status == 200
        assert host.lower().encode() not in response.body.lower()
    context = events[0]["requestContext"]
    assert host.lower() not in f"{context['domainName']} {context['domainPrefix']}".lower()
    (sent_on,) = upstream.requests
    told = dict(sent_on.headers)
    assert host.lower() not in json.dumps(told).lower()
    assert unquote(told["x-domain"]).startswith("127.0.0.1")
