"""Who may use the control port: every route of it, also those that are added after this was written."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from tests.harness.gateway import TestGateway
from wsgw.control.guard import guard

FOR_ALL = {"/healthz", "/readyz", "/metrics"}
ELSEWHERE = ("203.0.113.9", "10.0.0.7", "::ffff:10.0.0.7", None)


@pytest.fixture
def lanes() -> bool:
    """The control port has no lanes: once is enough."""
    return True


async def reached(method: str, path: str, peer: str | None) -> bool:
    """Whether a request from `peer` gets through to whatever answers `path`."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="reached")

    request = make_mocked_request(method, path, headers={"Host": "10.0.0.1:8081"}).clone(remote=peer)
    response = await guard("0.0.0.0")(request, handler)
    assert response.status in (200, 403)
    return response.status == 200


async def test_from_another_machine_nothing_but_health_and_metrics_is_reached(gateway: TestGateway):
    """Samples of requests and the flush of authorizers' results, too, and whatever comes next."""
    runner = gateway.app._control
    assert runner is not None
    assert runner.app is not None
    routes = [(one.method, one.resource.canonical) for one in runner.app.router.routes() if one.resource is not None]
    assert len(routes) > 20
    for method, path in routes:
        for peer in ELSEWHERE:
            assert await reached(method, path, peer) is (path in FOR_ALL), (method, path, peer)
        assert await reached(method, path, "127.0.0.1")


@pytest.mark.parametrize(
    "path",
    ["/%63onnections", "//connections", "/connections/", "/Connections", "/metrics/../connections", "/healthz;/x", "/"],
)
async def test_no_other_spelling_of_a_path_is_a_way_around(path: str):
    assert not await reached("GET", path, "203.0.113.9")
