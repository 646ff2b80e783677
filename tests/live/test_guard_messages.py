"""`authorizeMessages`: each message's route must be allowed by the policies that `$connect` was let in by."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import RawWebSocket
from tests.harness.staying import allowed, serve, ticket_for

ARN = "arn:aws:execute-api:us-east-1:000000000000:chat/prod"
FORBIDDEN = "Forbidden"


async def ping(client: RawWebSocket, action: str = "ping") -> Any:
    await client.send_json({"action": action})
    return await client.receive_json()


def denying(*resources: str) -> dict[str, Any]:
    result = allowed("ada")
    deny = {"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": list(resources)}
    result["policyDocument"]["Statement"].append(deny)
    return result


@pytest.mark.parametrize(
    ("result", "answered"),
    [
        pytest.param(allowed("ada"), True, id="everything"),
        pytest.param(allowed("ada", f"{ARN}/$connect", f"{ARN}/ping"), True, id="the-route"),
        pytest.param(allowed("ada", f"{ARN}/*"), True, id="wildcard"),
        pytest.param(allowed("ada", f"{ARN}/$connect"), False, id="connect-alone"),
        pytest.param(denying(f"{ARN}/ping"), False, id="the-route-denied"),
        pytest.param(denying(f"{ARN}/pin?"), False, id="denied-by-wildcard"),
        pytest.param(denying(f"{ARN}/other"), True, id="another-one-denied"),
    ],
)
async def test_a_message_takes_a_route_that_the_policy_of_connect_allows(
    gateway: TestGateway, caplog: pytest.LogCaptureFixture, result: dict[str, Any], answered: bool
):
    authority = serve(gateway, authorize_messages=True)
    authority.tokens["good"] = result
    client = await gateway.connect("/prod?token=good")
    with caplog.at_level(logging.WARNING, "wsgw.reasons"):
        answer = await ping(client)
    if answered:
        assert answer == {"pong": True}
    else:
        assert (answer["message"], set(answer)) == (FORBIDDEN, {"message", "connectionId", "requestId"})
        assert "the policy of $connect does not allow the route" in caplog.text


async def test_the_default_route_goes_by_its_own_key(gateway: TestGateway):
    authority = serve(gateway, authorize_messages=True)
    authority.tokens["good"] = allowed("ada", f"{ARN}/$connect", f"{ARN}/$default")
    client = await gateway.connect("/prod?token=good")
    await client.send_text("hello")
    assert await client.receive_text() == json.dumps("hello")
    assert (await ping(client))["message"] == FORBIDDEN


async def test_the_connection_stays_open(gateway: TestGateway):
    authority = serve(gateway, authorize_messages=True)
    authority.tokens["good"] = denying(f"{ARN}/ping")
    client = await gateway.connect("/prod?token=good")
    assert (await ping(client))["message"] == FORBIDDEN
    assert await ping(client, "who") == {"who": "ada"}


async def test_without_the_setting_connect_alone_decides_as_on_the_service(gateway: TestGateway):
    authority = serve(gateway)
    authority.tokens["good"] = allowed("ada", f"{ARN}/$connect")
    client = await gateway.connect("/prod?token=good")
    assert await ping(client) == {"pong": True}


async def test_a_ticket_has_no_policies_and_may_send_what_there_is_a_route_for(gateway: TestGateway):
    serve(gateway, authorize_messages=True)
    client = await gateway.connect(f"/prod?ticket={await ticket_for(gateway, 'grace')}")
    assert await ping(client) == {"pong": True}


@pytest.mark.parametrize(("address", "answered"), [("127.0.0.1/32", True), ("10.0.0.0/8", False)])
async def test_conditions_see_the_connection(gateway: TestGateway, address: str, answered: bool):
    authority = serve(gateway, authorize_messages=True)
    result = allowed("ada", f"{ARN}/$connect")
    allow = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": f"{ARN}/ping"}
    result["policyDocument"]["Statement"].append({**allow, "Condition": {"IpAddress": {"aws:SourceIp": address}}})
    authority.tokens["good"] = result
    client = await gateway.connect("/prod?token=good")
    assert (await ping(client) == {"pong": True}) is answered
