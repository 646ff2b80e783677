"""One path for everybody: the route that is matched, the event and the backend read the same one.

Check S-53. A client that could make the gateway match one path and the backend serve another would get around what the
matched route asks for. Each spelling goes to a route that calls a backend, and to one that calls a function.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
import pytest_asyncio

from tests.harness.gateway import TestGateway
from tests.harness.raw_http import request, split_responses, talk
from tests.harness.raw_websocket import Response
from tests.harness.strict_backend import StrictBackend, strict_backend
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Integration, Route

pytestmark = pytest.mark.asyncio(loop_scope="module")

GUARDED, OPEN = "/admin", "/{proxy+}"
_PROXY = "integration.request.path.proxy"


class Paths(NamedTuple):
    """`sites`: an API whose routes call `backend`; `events`: one of the same routes, whose function keeps events."""

    gateway: TestGateway
    backend: StrictBackend
    events: list[dict[str, Any]]
    protocol: str

    async def ask(self, api: str, path: str, *headers: tuple[str, str], method: str = "GET") -> Response:
        sent = request(f"/{api}/dev{path}", "a.example", [*headers, ("Connection", "close")], method=method)
        (response,) = split_responses(await talk(self.gateway.url, sent))
        return response


def apis(protocol: Any, url: str) -> list[Api]:
    function = Integration(type="PYTHON", uri="my:handler")
    guarded = Integration(type="HTTP_PROXY", uri=f"{url}/guarded", method="ANY")
    parameters = {_PROXY: "method.request.path.proxy"} if protocol == "REST" else {}
    open_ = Integration(type="HTTP_PROXY", uri=f"{url}/open/{{proxy}}", method="ANY", request_parameters=parameters)
    keys = [f"GET {GUARDED}", f"DELETE {GUARDED}", f"ANY {OPEN}"]
    found = []
    for id, first, rest in (("sites", guarded, open_), ("events", function, function)):
        routes = {
            key: Route(
                key=key,
                integration=rest if OPEN in key else first,
                resource_id="r1",
                request_parameters={"method.request.path.proxy": True} if OPEN in key and protocol == "REST" else {},
            )
            for key in keys
        }
        found.append(Api(id=id, name=id, protocol=protocol, routes=routes, stages={"dev": Stage(name="dev")}))
    return found


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[(lanes, protocol) for lanes in (True, False) for protocol in ("REST", "HTTP")],
    ids=lambda param: f"{'lanes' if param[0] else 'aiohttp'}-{param[1]}",
)
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Paths]:
    lanes, protocol = request.param
    events: list[dict[str, Any]] = []

    def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
        events.append(event)
        return {"statusCode": 200}

    async with strict_backend() as backend:
        gateway = await TestGateway(lanes).start()
        gateway.deploy(*apis(protocol, backend.url), handlers={"my:handler": handler})
        yield Paths(gateway, backend, events, protocol)
        await gateway.stop()


@pytest.fixture
def paths(running: Paths) -> Paths:
    running.backend.clear()
    running.events.clear()
    return running


#: Spelling, and what it is: the guarded route, what the open one takes as `{proxy}`, or None for a refusal.
MATRIX = [
    pytest.param("/admin", GUARDED, id="as-it-is"),
    pytest.param("/%61dmin", GUARDED, id="encoded-letter"),
    pytest.param("/%61%64%6d%69%6e", GUARDED, id="encoded-letters"),
    pytest.param("/Admin", "Admin", id="another-case"),
    pytest.param("/ADMIN", "ADMIN", id="capitals"),
    pytest.param("/admin;x=1", "admin;x=1", id="matrix-parameter"),
    pytest.param("/;x=1/admin", ";x=1/admin", id="matrix-parameter-before"),
    pytest.param("/admin%3Bx", "admin%3Bx", id="encoded-semicolon"),
    pytest.param("/admin%2F", "admin%2F", id="encoded-slash-behind"),
    pytest.param("/%2Fadmin", "%2Fadmin", id="encoded-slash-before"),
    pytest.param("/a%2fadmin", "a%2fadmin", id="encoded-slash-within"),
    pytest.param("/admin%20", "admin%20", id="blank-behind"),
    pytest.param("/admin%09", "admin%09", id="tab-behind"),
    pytest.param("/admin%23x", "admin%23x", id="encoded-fragment"),
    pytest.param("/admin%3Fx", "admin%3Fx", id="encoded-question-mark"),
    pytest.param("/%2561dmin", "%2561dmin", id="encoded-twice"),
    pytest.param("/x/%252e%252e/admin", "x/%252e%252e/admin", id="dot-segment-encoded-twice"),
    pytest.param("/admin.json", "admin.json", id="extension"),
    pytest.param("/x//admin", "x//admin", id="double-slash-within"),
    pytest.param("/.", None, id="dot"),
    pytest.param("/./admin", None, id="dot-segment"),
    pytest.param("/admin/.", None, id="dot-segment-behind"),
    pytest.param("/x/../admin", None, id="dot-dot"),
    pytest.param("/x/%2e%2e/admin", None, id="encoded-dot-dot"),
    pytest.param("/x/.%2E/admin", None, id="half-encoded-dot-dot"),
    pytest.param("/x%2f..%2fadmin", None, id="dot-dot-between-encoded-slashes"),
    pytest.param("/x%2F%2e%2e%2Fadmin", None, id="encoded-dot-dot-between-encoded-slashes"),
    pytest.param("/x%2f..", None, id="dot-dot-behind-an-encoded-slash"),
    pytest.param("/..%2fadmin", None, id="dot-dot-before-an-encoded-slash"),
    pytest.param("/x/..;/admin", None, id="dot-dot-with-a-matrix-parameter"),
    pytest.param("/x/..;a=b/admin", None, id="dot-dot-with-a-named-matrix-parameter"),
    pytest.param("/x\\admin", None, id="backslash"),
    pytest.param("/x\\..\\admin", None, id="dot-dot-between-backslashes"),
    pytest.param("/x%5cadmin", None, id="encoded-backslash"),
    pytest.param("/x%5C..%5Cadmin", None, id="dot-dot-between-encoded-backslashes"),
    pytest.param("/admin%00", None, id="nul"),
    pytest.param("/admin%0d%0aX:%20y", None, id="crlf"),
    pytest.param("/admin%0a", None, id="lf"),
    pytest.param("/admin%", None, id="percent-alone"),
    pytest.param("/admin%2", None, id="half-a-percent-code"),
    pytest.param("/admin%u0061", None, id="percent-u"),
    pytest.param("/admin#x", None, id="fragment"),
]


@pytest.mark.parametrize(("path", "meant"), MATRIX)
async def test_the_backend_gets_the_path_that_was_matched(paths: Paths, path: str, meant: str | None):
    """S-53"""
    response = await paths.ask("sites", path)
    targets = [sent.target for sent in paths.backend.requests]
    if meant is None:
        assert (response.status, targets) == (400, [])
    else:
        assert (response.status, targets) == (200, ["/guarded" if meant == GUARDED else f"/open/{meant}"])


@pytest.mark.parametrize(("path", "meant"), MATRIX)
async def test_a_function_is_told_the_path_that_was_matched(paths: Paths, path: str, meant: str | None):
    """S-53: every member of the event that is a path has the one form."""
    response = await paths.ask("events", path)
    if meant is None:
        assert (response.status, paths.events) == (400, [])
        return
    assert response.status == 200
    (event,) = paths.events
    route = event["resource"] if paths.protocol == "REST" else event["routeKey"].partition(" ")[2]
    form = GUARDED if meant == GUARDED else f"/{meant}"
    assert route == (GUARDED if meant == GUARDED else OPEN)
    if paths.protocol == "REST":
        assert event["path"] == form
        assert event["requestContext"]["path"] == f"/dev{form}"
        assert event["pathParameters"] == (None if meant == GUARDED else {"proxy": meant})
    else:
        assert event["rawPath"] == event["requestContext"]["http"]["path"] == f"/dev{form}"
        assert event.get("pathParameters") == (None if meant == GUARDED else {"proxy": unquote(meant)})


SLASHES = [
    pytest.param("REST", "/admin/", "/guarded", id="REST-trailing"),
    pytest.param("REST", "//admin", "/guarded", id="REST-behind-the-stage"),
    pytest.param("HTTP", "/admin/", "/open/admin", id="HTTP-trailing"),
    pytest.param("HTTP", "//admin", "/open//admin", id="HTTP-behind-the-stage"),
]


@pytest.mark.parametrize(("protocol", "path", "target"), SLASHES)
async def test_slashes_too_many_lead_to_one_place_for_all(paths: Paths, protocol: str, path: str, target: str):
    """S-53"""
    if paths.protocol != protocol:
        pytest.skip("of the other kind of API")
    assert (await paths.ask("sites", path)).status == 200
    assert [sent.target for sent in paths.backend.requests] == [target]


async def test_a_target_in_absolute_form_is_the_same_path(paths: Paths):
    """S-53"""
    line = b"GET http://a.example/sites/dev/%61dmin HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
    (response,) = split_responses(await talk(paths.gateway.url, line))
    assert response.status == 200
    assert [sent.target for sent in paths.backend.requests] == ["/guarded"]


@pytest.mark.parametrize("header", ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-Uri"])
async def test_no_header_changes_the_path(paths: Paths, header: str):
    """S-53"""
    assert (await paths.ask("events", "/public", (header, "/dev/admin"))).status == 200
    (event,) = paths.events
    assert (event.get("path") or event["rawPath"]).endswith("/public")


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
async def test_one_method_is_matched_told_and_sent(paths: Paths, header: str):
    """S-53: REST APIs know one overriding header; what it says is then the method everywhere."""
    changed = paths.protocol == "REST" and header == "X-HTTP-Method-Override"
    for api in ("sites", "events"):
        assert (await paths.ask(api, "/admin", (header, "DELETE"))).status == 200
    (sent,), (event,) = paths.backend.requests, paths.events
    told = event["httpMethod"] if paths.protocol == "REST" else event["requestContext"]["http"]["method"]
    assert sent.method == told == ("DELETE" if changed else "GET")
    # To a route that has no such method it is no way in.
    response = await paths.ask("sites", "/admin", (header, "PATCH"))
    assert [sent.target for sent in paths.backend.requests[1:]] == ["/open/admin" if changed else "/guarded"]
    assert response.status == 200


@pytest.mark.parametrize("override", ["CONNECT", "TRACE"])
async def test_no_method_makes_a_tunnel_or_an_echo_of_the_backend(paths: Paths, override: str):
    """S-53, S-06"""
    for response in (
        await paths.ask("sites", "/x", method=override),
        await paths.ask("sites", "/x", ("X-HTTP-Method-Override", override)),
    ):
        assert response.status in (200, 400, 403, 404, 405, 500)
    assert not {"CONNECT", "TRACE"} & {sent.method for sent in paths.backend.requests}
