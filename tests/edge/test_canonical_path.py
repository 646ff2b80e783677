"""One canonical path for matching, authorization, caching and the upstream (check S-53).

What two readers could take for different paths is brought to one form or refused, so that no spelling of a path gets
around what a route asks for.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.http_api import answer, http_api
from tests.harness.raw_http import request
from tests.harness.raw_websocket import Response, exchange
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Integration, Route
from wsgw.edge.canonical_path import canonical
from wsgw.errors import BadRequest
from wsgw.invocation import HttpInvocation, Reply

ONE_FORM = [
    pytest.param("/admin", "/admin", id="as-it-is"),
    pytest.param("/%61dmin", "/admin", id="encoded-letter"),
    pytest.param("/%2e", None, id="encoded-dot-segment"),
    pytest.param("/a%2Eb", "/a.b", id="encoded-dot"),
    pytest.param("/a%2Fb", "/a%2Fb", id="an-encoded-slash-is-no-slash"),
    pytest.param("/a%2fb", "/a%2fb", id="nor-in-lower-case"),
    pytest.param("/a%25b", "/a%25b", id="encoded-percent"),
    pytest.param("/a%252Fb", "/a%252Fb", id="encoded-twice-stays-so"),
    pytest.param("/test%2Balias@gmail.com", "/test%2Balias@gmail.com", id="reserved-characters-stay-encoded"),
    pytest.param("/a+b", "/a+b", id="plus-is-no-blank-in-a-path"),
    pytest.param("/a;x=1/b", "/a;x=1/b", id="matrix-parameters-are-part-of-the-segment"),
    pytest.param("/a//b", "/a//b", id="inner-slashes"),
    pytest.param("/a/..b/.c/d..", "/a/..b/.c/d..", id="dots-in-names"),
    pytest.param("/a/../b", None, id="dot-dot"),
    pytest.param("/a/./b", None, id="dot"),
    pytest.param("/a/..", None, id="dot-dot-at-the-end"),
    pytest.param("/..;/admin", None, id="dot-dot-with-a-parameter"),
    pytest.param("/.;x=1/admin", None, id="dot-with-a-parameter"),
    pytest.param("/%2e%2e/admin", None, id="encoded-dot-dot"),
    pytest.param("/.%2E;/admin", None, id="half-encoded"),
    pytest.param("/a\\admin", None, id="backslash"),
    pytest.param("/a%5Cadmin", None, id="encoded-backslash"),
    pytest.param("/a%00", None, id="encoded-nul"),
    pytest.param("/a%0d%0aX: y", None, id="encoded-crlf"),
    pytest.param("/a%", None, id="percent-alone"),
    pytest.param("/a%4", None, id="half-a-percent-code"),
    pytest.param("/a%zz", None, id="no-percent-code"),
]


@pytest.mark.parametrize(("path", "form"), ONE_FORM)
def test_a_path_has_one_form(path: str, form: str | None):
    if form is None:
        with pytest.raises(BadRequest):
            canonical(path)
    else:
        assert canonical(path) == form


@given(st.lists(st.sampled_from(["a", "%61", ".", "%2e", "..", "%2F", "/", ";", "%3B", "%5c", "\\", "%25", "%"])))
def test_the_form_is_final_and_means_the_same(pieces: list[str]):
    path = "/" + "".join(pieces)
    try:
        form = canonical(path)
    except BadRequest:
        return
    assert canonical(form) == form
    assert unquote(form) == unquote(path)
    segments = [segment.partition(";")[0] for segment in form.split("/")]
    assert not {".", ".."}.intersection(segments)
    assert "\\" not in unquote(form)


# ---- one for all

ROUTES = ("GET /admin", "DELETE /pets", "GET /pets", "ANY /{proxy+}")
SPELLINGS = [
    pytest.param("/admin", "GET /admin", id="plain"),
    pytest.param("/%61dmin", "GET /admin", id="encoded"),
    pytest.param("/%61d%6Din?x=/other", "GET /admin", id="encoded-with-a-query"),
    pytest.param("/admin;x=1", "ANY /{proxy+}", id="matrix-parameter"),
    pytest.param("/Admin", "ANY /{proxy+}", id="another-case"),
    pytest.param("/admin%2F", "ANY /{proxy+}", id="encoded-slash"),
    pytest.param("/x/../admin", 400, id="dot-segments"),
    pytest.param("/x/%2e%2e/admin", 400, id="encoded-dot-segments"),
    pytest.param("/..;/admin", 400, id="dot-segment-with-a-parameter"),
    pytest.param("/x\\..\\admin", 400, id="backslashes"),
    pytest.param("/x%5c..%5cadmin", 400, id="encoded-backslashes"),
    pytest.param("/admin%00", 400, id="nul"),
]


def what(invocation: HttpInvocation) -> Reply:
    return Reply(200, f"{invocation.route_key} | {invocation.method} {invocation.rest}".encode())


def serve(gateway: TestGateway, protocol: str = "REST") -> None:
    gateway.deploy(http_api(*ROUTES, protocol=protocol))
    for key in ROUTES:
        answer(gateway, key.replace("ANY /{proxy+}", "GET /x"), what)


async def get(gateway: TestGateway, path: str, *headers: tuple[str, str], method: str = "GET") -> Response:
    return await exchange(gateway.url, request("/pets/prod" + path, "x.example", headers, method=method))


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
@pytest.mark.parametrize(("path", "expected"), SPELLINGS)
async def test_no_spelling_gets_around_a_route(gateway: TestGateway, protocol: str, path: str, expected: Any):
    serve(gateway, protocol)
    response = await get(gateway, path)
    if expected == 400:
        assert response.status == 400
    else:
        assert response.body.decode().partition(" | ")[0] == expected


SLASHES = [
    pytest.param("REST", "/admin/", "GET /admin", id="REST-ignores-a-trailing-slash"),
    pytest.param("HTTP", "/admin/", "ANY /{proxy+}", id="HTTP-takes-it-for-another-path"),
    pytest.param("REST", "//admin", "GET /admin", id="REST-takes-slashes-behind-the-stage-for-one"),
]


@pytest.mark.parametrize(("protocol", "path", "key"), SLASHES)
async def test_slashes(gateway: TestGateway, protocol: str, path: str, key: str):
    serve(gateway, protocol)
    assert (await get(gateway, path)).body.decode().partition(" | ")[0] == key


async def test_the_overriding_method_is_the_only_one(gateway: TestGateway):
    serve(gateway)
    response = await get(gateway, "/pets", ("X-HTTP-Method-Override", "DELETE"))
    assert response.body == b"DELETE /pets | DELETE /pets"


@pytest.mark.parametrize("value", ["delete", "DELETE ", "DEL/ETE", "", "GET\x01"])
async def test_what_is_no_method_overrides_none(gateway: TestGateway, value: str):
    serve(gateway)
    response = await get(gateway, "/pets", ("X-HTTP-Method-Override", value))
    if response.status == 200:
        assert response.body in (b"GET /pets | GET /pets", b"DELETE /pets | DELETE /pets")
    else:
        assert response.status == 400


async def test_http_apis_know_no_overriding_method(gateway: TestGateway):
    serve(gateway, "HTTP")
    response = await get(gateway, "/pets", ("X-HTTP-Method-Override", "DELETE"))
    assert response.body == b"GET /pets | GET /pets"


@pytest.mark.parametrize(
    ("asked", "sent"),
    [("/%61dmin", "/up/admin"), ("/a%2Fb", "/up/a%2Fb"), ("/a;x=1", "/up/a;x=1"), ("/a?b=%61", "/up/a?b=%61")],
)
async def test_the_backend_gets_the_path_that_was_matched(
    gateway: TestGateway, backend: Backend, asked: str, sent: str
):
    proxy = Integration(
        type="HTTP_PROXY",
        uri=f"{backend.url}/up/{{proxy}}",
        method="ANY",
        request_parameters={"integration.request.path.proxy": "method.request.path.proxy"},
    )
    route = Route(key="ANY /{proxy+}", integration=proxy, request_parameters={"method.request.path.proxy": True})
    gateway.deploy(
        Api(id="pets", name="pets", protocol="REST", routes={route.key: route}, stages={"prod": Stage(name="prod")})
    )
    assert (await get(gateway, asked)).status == 200
    assert backend.requests[0].target == sent
