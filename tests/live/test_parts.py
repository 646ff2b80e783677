"""What stages are built with: of functions, what calls them is ready before anybody asks for it."""

from __future__ import annotations

import pytest

from tests.conftest import MakeGateway
from tests.harness.lambda_endpoint import LambdaEndpoint
from tests.harness.until import until
from wsgw.definitions.api import Api, Protocol, Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.route import Integration, Route

BACKEND = Integration(type="HTTP_PROXY", uri="http://127.0.0.1:9/", method="POST")
FUNCTION = Integration(type="AWS_PROXY", uri="who", method="POST", payload_format_version="2.0")


def api(protocol: Protocol, integration: Integration = FUNCTION, **members: str) -> Api:
    """An API with one route."""
    key = "$connect" if protocol == "WEBSOCKET" else "GET /a"
    return Api(
        id="c",
        name="c",
        protocol=protocol,
        route_selection_expression="$request.body.action",
        routes={key: Route(key=key, integration=integration, **members)},
        authorizers={"f": Authorizer(id="f", name="f", type="REQUEST", uri="who", identity_sources=())},
        stages={"prod": Stage(name="prod")},
    )


DEPLOYED = {
    "a function of a REST API": api("REST"),
    "a function of an HTTP API": api("HTTP"),
    "a function of a WebSocket API": api("WEBSOCKET"),
    "an authorizer": api("WEBSOCKET", BACKEND, authorization_type="CUSTOM", authorizer="f"),
}


@pytest.fixture
def lanes() -> bool:
    return True


@pytest.mark.parametrize("what", DEPLOYED)
async def test_what_calls_functions_is_made_ready_with_the_deployment(
    what: str, make_gateway: MakeGateway, functions: LambdaEndpoint
):
    """A client takes some tenths of a second, more than some authorizers have."""
    gateway = await make_gateway()
    gateway.deploy(DEPLOYED[what])
    await until(lambda: gateway.app._lambda._clients)
    assert functions.calls == []


async def test_a_gateway_without_functions_has_nothing_that_calls_them(make_gateway: MakeGateway):
    gateway = await make_gateway()
    gateway.deploy(api("HTTP", BACKEND))
    assert gateway.app._lambda._making == {}
