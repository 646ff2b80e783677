"""A WebSocket API behind an authorizer whose tokens the test makes up, and what its parts got to see."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.harness.gateway import TestGateway, api, mock, route
from tests.harness.management import call
from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket, Response, exchange
from wsgw.definitions.access import TokenPlaces
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.route import Integration, Route

PLACES = TokenPlaces(subprotocol=True, query="token", cookie="session", ticket="ticket")


def allowed(principal: str, *resources: str, **members: Any) -> dict[str, Any]:
    """An authorizer's result that allows `resources`, everything by default."""
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": list(resources) or "*"}
    return {"principalId": principal, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}, **members}


class Authority:
    """Python functions: an authorizer that knows `tokens`, and routes that keep the events that come to them."""

    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, Any]] = {"good": allowed("ada"), "hers": allowed("eve")}
        self.asked: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []

    async def authorize(self, event: dict[str, Any], context: Any) -> Any:
        self.asked.append(event)
        given = {name.lower(): value for name, value in event["headers"].items()}.get("authorization", "")
        result = self.tokens.get(given.removeprefix("Bearer "))
        if result is None:
            raise Exception("Unauthorized")
        if "raises" in result:
            raise Exception(result["raises"])
        return result

    async def route(self, event: dict[str, Any], context: Any) -> Any:
        self.events.append(event)
        return {"statusCode": 200, "body": json.dumps(event.get("body"))}

    @property
    def handlers(self) -> Mapping[str, Any]:
        return {"authorize": self.authorize, "route": self.route}


CALLED = Integration(type="PYTHON", uri="route")
WHO = Authorizer(
    id="who",
    name="who",
    type="REQUEST",
    called="PYTHON",
    uri="authorize",
    identity_sources=("route.request.header.Authorization",),
)
CONNECT = Route(key="$connect", integration=CALLED, authorization_type="CUSTOM", authorizer="who")
ROUTES = (
    CONNECT,
    route("$default", CALLED, two_way=True),
    route("ping", mock('{"pong":true}'), two_way=True),
    route("who", mock('{"who":"$context.authorizer.principalId"}'), two_way=True),
    route("$disconnect", CALLED),
)


def guarded(*routes: Route, tokens: TokenPlaces = PLACES, id: str = "chat", **stage: Any) -> Api:
    """The API, its stage `prod` with these members."""
    return api(
        *(routes or ROUTES),
        id=id,
        stage=Stage(name="prod", tokens=tokens, **stage),
        authorizers={"who": WHO},
    )


def serve(gateway: TestGateway, *routes: Route, **stage: Any) -> Authority:
    """Have `gateway` serve it; gives its functions."""
    authority = Authority()
    gateway.deploy(guarded(*routes, **stage), handlers=authority.handlers)
    return authority


async def refused(gateway: TestGateway, path: str = "/prod", **options: Any) -> Response:
    """The answer to a handshake that must be refused."""
    try:
        await gateway.connect(path, **options)
    except HandshakeRefused as refusal:
        return refusal.response
    raise AssertionError("the handshake was accepted")


def bearer(token: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}")]


async def ticket_for(gateway: TestGateway, principal: str, *, stage: str = "/prod", **members: Any) -> str:
    """A connect ticket, over the management API."""
    response = await order(gateway, {"principalId": principal, **members}, stage=stage)
    assert response.status == 200, response.body
    text: str = json.loads(response.body)["ticket"]
    return text


async def order(
    gateway: TestGateway, document: Any, *, stage: str = "/prod", headers: list[tuple[str, str]] | None = None
) -> Response:
    """The answer to an order of a ticket."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return await exchange(gateway.url, call(gateway, "POST", f"{stage}/@tickets", body, headers or ()))


async def who(client: RawWebSocket) -> str:
    """As whom the gateway knows `client`."""
    await client.send_json({"action": "who"})
    name: str = (await client.receive_json())["who"]
    return name
