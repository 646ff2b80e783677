"""Requests to HTTP and REST APIs at the edge: what an API is told of them, and what every answer has.

Paths as recorded on the service, through addresses of every form; see also tests/live/test_path_table.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway
from tests.harness.http_api import answer, http_api
from tests.harness.raw_http import request, split_responses, talk
from tests.harness.raw_websocket import exchange
from wsgw.definitions.api import StageLimits
from wsgw.errors import GatewayError
from wsgw.invocation import HttpInvocation, Reply

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def paths(invocation: HttpInvocation) -> Reply:
    values = invocation.rest, invocation.path, invocation.path_parameters.get("proxy", "-"), invocation.resource_path
    return Reply(200, " ".join(values).encode())


async def ask(gateway: TestGateway, path: str, host: str = "pets.localhost", **options: Any):  # type: ignore[no-untyped-def]
    return await exchange(gateway.url, request(path, host, **options))


# ---- paths, as recorded with a proxy resource: path, requestContext.path, {proxy}, resource

RECORDED = [
    ("/prod/proxy-value", "/proxy-value /prod/proxy-value proxy-value /{proxy+}"),
    ("/prod/proxy-value/", "/proxy-value/ /prod/proxy-value/ proxy-value /{proxy+}"),
    (
        "/prod/proxy-value//double-slash",
        "/proxy-value//double-slash /prod/proxy-value//double-slash proxy-value//double-slash /{proxy+}",
    ),
    ("//prod/proxy-value", "/proxy-value /prod/proxy-value proxy-value /{proxy+}"),
    ("/prod//proxy-value", "/proxy-value /prod//proxy-value proxy-value /{proxy+}"),
    ("/prod/proxy-value?urlparam=test", "/proxy-value /prod/proxy-value proxy-value /{proxy+}"),
    ("/prod/proxy-value/?urlparam=test", "/proxy-value/ /prod/proxy-value/ proxy-value /{proxy+}"),
    (
        "/prod/a/test%2Balias@gmail.com/plus/test+alias@gmail.com",
        "/a/test%2Balias@gmail.com/plus/test+alias@gmail.com "
        "/prod/a/test%2Balias@gmail.com/plus/test+alias@gmail.com a/test%2Balias@gmail.com/plus/test+alias@gmail.com "
        "/{proxy+}",
    ),
    ("/prod//hardcoded", "/hardcoded /prod//hardcoded - /hardcoded"),
]
ADDRESSES = {"host": ("pets.localhost", ""), "api-and-stage": ("127.0.0.1", "/pets"), "stage": ("127.0.0.1", "")}


@pytest.mark.parametrize("form", ADDRESSES)
@pytest.mark.parametrize(("target", "said"), RECORDED, ids=[target for target, _ in RECORDED])
async def test_a_rest_api_sees_the_path(gateway: TestGateway, form: str, target: str, said: str):
    host, prefix = ADDRESSES[form]
    gateway.deploy(http_api("ANY /{proxy+}", "ANY /hardcoded"))
    answer(gateway, "GET /x", paths)
    answer(gateway, "GET /hardcoded", paths)
    response = await ask(gateway, prefix + target, host)
    assert (response.status, response.body.decode()) == (200, said)


HTTP_PATHS = [
    # stage, asked for, path behind the stage, path with it
    ("$default", "/store/checkout", "/store/checkout /store/checkout"),
    ("$default", "/store/", "/store/ /store/"),
    ("$default", "//store", "//store //store"),
    ("beta", "/beta/store", "/store /beta/store"),
    ("beta", "/beta", "/ /beta/"),
]


@pytest.mark.parametrize(("stage", "target", "said"), HTTP_PATHS)
async def test_an_http_api_sees_the_path(gateway: TestGateway, stage: str, target: str, said: str):
    gateway.deploy(http_api("$default", protocol="HTTP", stage=stage))
    answer(gateway, "$default", lambda one: Reply(200, f"{one.rest} {one.path}".encode()), stage=stage)
    for host, prefix in (("pets.localhost", ""), ("127.0.0.1", "/pets")):
        response = await ask(gateway, prefix + target, host)
        assert (response.status, response.body.decode()) == (200, said)


async def test_the_one_http_api_with_a_default_stage_is_at_the_root(gateway: TestGateway):
    one, two = (http_api("$default", id=id, protocol="HTTP", stage="$default") for id in ("one", "two"))
    gateway.deploy(one, http_api("GET /x", id="rest"))
    answer(gateway, "$default", paths, api="one", stage="$default")
    assert (await ask(gateway, "/anything/x", "127.0.0.1")).body == b"/anything/x /anything/x - $default"
    assert (await ask(gateway, "/rest/none/x", "127.0.0.1")).status == 403
    gateway.deploy(one, two)
    assert (await ask(gateway, "/anything/x", "127.0.0.1")).status == 403


NOWHERE = [
    pytest.param("REST", "pets.localhost", "/none/x", 403, b'{"message":"Forbidden"}', id="REST-unknown-stage"),
    pytest.param("REST", "127.0.0.1", "/pets/none/x", 403, b'{"message":"Forbidden"}', id="REST-unknown-stage-in-path"),
    pytest.param("HTTP", "pets.localhost", "/none/x", 404, b'{"message":"Not Found"}', id="HTTP-unknown-stage"),
    pytest.param("HTTP", "127.0.0.1", "/pets/none/x", 404, b'{"message":"Not Found"}', id="HTTP-unknown-stage-in-path"),
    pytest.param("HTTP", "127.0.0.1", "/beta/pets", 404, b'{"message":"Not Found"}', id="HTTP-the-only-api"),
    pytest.param(
        "REST", "pets.localhost", "/prod/none", 403, b'{"message":"Missing Authentication Token"}', id="REST-no-route"
    ),
    pytest.param("HTTP", "pets.localhost", "/prod/none", 404, b'{"message":"Not Found"}', id="HTTP-no-route"),
]


@pytest.mark.parametrize(("protocol", "host", "path", "status", "body"), NOWHERE)
async def test_what_is_not_there(gateway: TestGateway, protocol: str, host: str, path: str, status: int, body: bytes):
    gateway.deploy(http_api("GET /x", protocol=protocol))
    response = await ask(gateway, path, host)
    assert (response.status, response.body) == (status, body)
    if protocol == "HTTP":
        assert response.header("apigw-requestid")
        assert response.header("x-amzn-requestid") is None
    else:
        assert response.header("x-amzn-errortype")


# ---- what every answer has


async def test_every_answer_of_a_rest_api_has_its_ids(gateway: TestGateway):
    gateway.deploy(http_api("GET /x"))
    seen = []

    def look(invocation: HttpInvocation) -> Reply:
        seen.append((invocation.request_id, invocation.extended_request_id))
        return Reply(200)

    answer(gateway, "GET /x", look)
    for path in ("/prod/x", "/prod/none"):
        response = await ask(gateway, path)
        assert UUID.fullmatch(response.header("x-amzn-requestid"))
        assert response.header("x-amz-apigw-id").endswith("=")
        assert response.header("date")
        assert response.header("connection") == "keep-alive"
    response = await ask(gateway, "/prod/x")
    assert (response.header("x-amzn-requestid"), response.header("x-amz-apigw-id")) == seen[-1]


TRACES = [
    pytest.param("Root=1-3152b799-8954dae64eda91bc9a23a7e8;Parent=7fa8c0f79203be72;Sampled=1", None, id="full"),
    pytest.param(
        "Root=1-3152b799-8954dae64eda91bc9a23a7e8",
        r"Root=1-3152b799-8954dae64eda91bc9a23a7e8;Parent=[0-9a-f]{16};Sampled=0",
        id="root-alone",
    ),
    pytest.param(None, r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", id="none"),
    pytest.param("Root=<script>", r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", id="unfit"),
]


@pytest.mark.parametrize(("sent", "pattern"), TRACES)
async def test_the_trace_id_goes_on(gateway: TestGateway, sent: str | None, pattern: str | None):
    gateway.deploy(http_api("GET /x"))
    answer(gateway, "GET /x", lambda invocation: Reply(200, invocation.trace.encode()))
    headers = [("X-Amzn-Trace-Id", sent)] if sent is not None else []
    said = (await ask(gateway, "/prod/x", headers=headers)).body.decode()
    assert said == sent if pattern is None else re.fullmatch(pattern, said)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
async def test_every_method_arrives_as_it_is_with_its_body(gateway: TestGateway, method: str):
    gateway.deploy(http_api("ANY /x"))
    answer(gateway, f"{method} /x", lambda one: Reply(200, f"{one.method} {one.body.decode()}".encode()))
    one = request("/prod/x", "pets.localhost", body=b"body", method=method)
    end = request("/prod/x", "pets.localhost", [("Connection", "close")], b"body", method=method)
    received = await talk(gateway.url, one + end)
    if method == "HEAD":
        assert received.count(b"HTTP/1.1 200 OK") == 2
        assert received.count(b"Content-Length: 9") == 2
        assert not received.partition(b"\r\n\r\n")[2].startswith(b"HEAD")
    else:
        responses = split_responses(received)
        assert [response.body for response in responses] == [f"{method} body".encode()] * 2
        assert [response.header("connection") for response in responses] == ["keep-alive", "close"]


async def test_a_header_never_starts_another_line(gateway: TestGateway):
    """S-05: whatever made the header; those around it arrive."""
    gateway.deploy(http_api("GET /x"))
    bad = [("a", "1"), ("b", "2\r\nSet-Cookie: x"), ("c", "3\n"), ("d\r\ne", "4"), ("f", "5\0"), ("g", "6")]
    answer(gateway, "GET /x", lambda invocation: Reply(200, b"body", bad))
    response = await ask(gateway, "/prod/x")
    names = [name for name, _ in response.headers]
    assert {"a", "g"} <= set(names)
    assert not {"b", "c", "d", "e", "f", "set-cookie"}.intersection(names)
    assert response.body == b"body"


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection", "Trailer", "Upgrade"])
async def test_where_an_answer_ends_is_the_edges_to_say(gateway: TestGateway, name: str):
    gateway.deploy(http_api("GET /x"))
    answer(gateway, "GET /x", lambda invocation: Reply(200, b"body", [(name, "3"), ("a", "1")]))
    data = request("/prod/x", "pets.localhost", [("Connection", "close")])
    (response,) = split_responses(await talk(gateway.url, data))
    assert (response.body, response.header("a")) == (b"body", "1")
    assert [value for key, value in response.headers if key == name.lower()] in ([], ["4"], ["close"])


@pytest.mark.parametrize(
    ("reply", "length"),
    [
        (Reply(200), None),
        (Reply(200, b"", [("Content-Length", "7")]), "7"),
        (Reply(200, b"pet"), "3"),
        (Reply(304, b"", [("Content-Length", "7")]), None),
    ],
    ids=["nobody knows", "as the backend says", "as long as it is", "not modified"],
)
async def test_the_answer_to_a_head_says_how_long_the_body_would_be_if_anybody_knows(
    gateway: TestGateway, reply: Reply, length: str | None
):
    gateway.deploy(http_api("HEAD /pets"))
    answer(gateway, "HEAD /pets", lambda invocation: reply)
    sent = b"HEAD /prod/pets HTTP/1.1\r\nHost: pets.localhost\r\nConnection: close\r\n\r\n"
    received = await talk(gateway.url, sent)
    assert received.endswith(b"\r\n\r\n")
    found = re.search(rb"\r\ncontent-length: (\S+)", received, re.IGNORECASE)
    assert (None if found is None else found[1].decode()) == length


@pytest.mark.parametrize(("limit", "status"), [(3, 200), (2, 500), (0, 200)], ids=["as large", "larger", "no limit"])
async def test_a_whole_answer_above_the_payload_limit_is_a_500(gateway: TestGateway, limit: int, status: int):
    gateway.deploy(http_api("GET /pets", limits=StageLimits(payload_bytes=limit)))
    answer(gateway, "GET /pets", lambda invocation: Reply(200, b"pet"))
    assert (await ask(gateway, "/prod/pets")).status == status


async def test_a_bug_in_wording_an_answer_is_a_500_and_not_silence(
    gateway: TestGateway, caplog: pytest.LogCaptureFixture
):
    gateway.deploy(http_api("GET /x"))

    def refuse(error: GatewayError, invocation: HttpInvocation) -> Reply:
        raise ValueError("a bug")

    slot = dict(gateway.app.stages.slots())["pets", "prod"]
    slot.live.refuse = refuse
    answer(gateway, "GET /x", lambda invocation: 1 / 0)  # type: ignore[arg-type,return-value]
    for path in ("/prod/x", "/prod/none"):
        response = await ask(gateway, path)
        assert (response.status, response.body) == (500, b'{"message":"Internal server error"}')
        assert response.header("connection") == "close"
    assert "an answer could not be made" in caplog.text


async def test_a_bug_in_a_line_of_the_access_log_writes_no_second_answer(
    make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    gateway = await make_gateway(access_log=str(tmp_path / "access.log"))
    gateway.deploy(http_api("GET /x"))
    slot = dict(gateway.app.stages.slots())["pets", "prod"]
    slot.live.log_line = lambda invocation: 1 / 0
    answer(gateway, "GET /x", lambda invocation: Reply(200, b"body"))
    first = request("/prod/x", "pets.localhost")
    last = request("/prod/x", "pets.localhost", [("Connection", "close")])
    responses = split_responses(await talk(gateway.url, first + last))
    assert [(one.status, one.body) for one in responses] == [(200, b"body")] * 2
    assert "a line of the access log could not be made" in caplog.text


async def test_the_domain_name_is_not_what_an_unknown_host_says(gateway: TestGateway):
    """S-41"""
    gateway.deploy(http_api("GET /x"))
    answer(gateway, "GET /x", lambda one: Reply(200, f"{one.caller.domain_name} {one.domain_prefix}".encode()))
    assert (await ask(gateway, "/pets/prod/x", "evil.example")).body.startswith(b"127.0.0.1:")
    assert (await ask(gateway, "/prod/x", "pets.localhost")).body == b"pets.localhost pets"
    host = "pets.execute-api.us-east-1.amazonaws.com"
    assert (await ask(gateway, "/prod/x", host)).body == f"{host} pets".encode()


async def test_header_lines_that_repeat_are_known_and_still_one_callers_alone(gateway: TestGateway):
    """Lanes know lines again to the byte: another value, or another path, is another request."""
    gateway.deploy(http_api("GET /{id}"))
    answer(gateway, "GET /1", lambda one: Reply(200, f"{one.rest} {dict(one.headers).get('X')}".encode()))
    said = []
    for target, value in [("/1", "a"), ("/2", "a"), ("/1", "b"), ("/1", "a"), ("/1?q", "a")]:
        said.append((await ask(gateway, "/prod" + target, headers=[("X", value)])).body.decode())
    assert said == ["/1 a", "/2 a", "/1 b", "/1 a", "/1 a"]


async def test_what_is_known_is_bounded_and_never_a_signature(gateway: TestGateway):
    gateway.deploy(http_api("GET /x"))
    answer(gateway, "GET /x", lambda invocation: Reply(200))
    signed = ("Authorization", "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/execute-api/aws4_request")
    await ask(gateway, "/prod/x", headers=[signed])
    await ask(gateway, "/prod/x", headers=[("X", "y" * 3000)])
    known = gateway.app._lanes.known
    assert not any(b"AWS4-HMAC-SHA256" in lines or len(lines) > 2_048 for lines in known)
    one = [request("/prod/x", "pets.localhost", [("X", str(number))]) for number in range(1_100)]
    last = request("/prod/x", "pets.localhost", [("Connection", "close")])
    assert len(split_responses(await talk(gateway.url, b"".join(one) + last))) == 1_101
    assert len(known) <= 512
