"""APIs of each kind with one route behind an authorizer, and results that authorizers give."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from tests.harness.gateway import TestGateway, mock, route
from tests.harness.raw_http import split_responses, talk
from tests.harness.raw_websocket import HandshakeRefused
from tests.harness.rest_api import answers, rest_api
from tests.harness.rest_api import mock as rest_mock
from wsgw.definitions.api import Api, Protocol, Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.route import Integration, Route

#: By the kind of API: where its callers put their token.
SOURCES: dict[Protocol, str] = {
    "REST": "method.request.header.X-Token",
    "HTTP": "$request.header.X-Token",
    "WEBSOCKET": "route.request.header.X-Token",
}
PROTOCOLS: tuple[Protocol, ...] = ("REST", "HTTP", "WEBSOCKET")
EVERYTHING = "*"


def policy(effect: str = "Allow", resource: Any = EVERYTHING, **members: Any) -> dict[str, Any]:
    """A result with a policy of one statement; `members` beside it."""
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "somebody", "policyDocument": document, **members}


def authorizer(protocol: Protocol, uri: str = "auth", **members: Any) -> Authorizer:
    """A REQUEST authorizer `who` that calls the Lambda function `auth`, with the token in X-Token."""
    members.setdefault("identity_sources", (SOURCES[protocol],))
    members.setdefault("type", "REQUEST")
    if uri.startswith("http"):
        members.setdefault("called", "HTTP")
    return Authorizer(id="who", name="who", uri=uri, **members)


def guarded(one: Authorizer, protocol: Protocol, *keys: str, stage: Stage | None = None, **members: Any) -> Api:
    """The API with `one` in front of its routes: of REST `GET /a` and `GET /b`, or `keys`."""
    asked = {"authorization_type": "CUSTOM", "authorizer": one.id}
    members["authorizers"] = {one.id: one}
    if protocol == "WEBSOCKET":
        stage = stage or Stage(name="dev")
        return Api(
            id="pets",
            name="pets",
            protocol="WEBSOCKET",
            route_selection_expression="$request.body.action",
            routes={"$connect": route("$connect", **asked), "$default": route("$default", mock("hello"), two_way=True)},
            stages={stage.name: stage},
            **members,
        )
    keys = keys or ("GET /a", "GET /b")
    if protocol == "REST":
        routes = [rest_mock(key, answers(template='"$context.authorizer.principalId"')) for key in keys]
        with_asked = [_with(one, asked) for one in routes]
        return rest_api(*with_asked, stage=stage, **members)
    integration = Integration(type="PYTHON", uri="hello", payload_format_version="2.0")
    named = {key: Route(key=key, integration=integration, **asked) for key in keys}
    stages = {"dev": stage or Stage(name="dev")}
    return Api(id="pets", name="pets", protocol="HTTP", routes=named, stages=stages, **members)


def _with(one: Route, members: dict[str, Any]) -> Route:
    return msgspec.structs.replace(one, **members)


async def hello(event: dict[str, Any], context: Any) -> Any:
    """What is behind an HTTP API's routes: says how the caller was authorized."""
    return json.dumps(event["requestContext"].get("authorizer"))


class Answer(NamedTuple):
    """What a caller got: 101 is a connection that was let in."""

    status: int
    body: bytes
    headers: dict[str, str]

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> Any:
        """The text of a refusal, whatever the kind of API."""
        said = self.json()
        return said.get("message", said.get("Message"))


async def call(
    gateway: TestGateway, protocol: Protocol, *lines: str, path: str = "/a", verb: str = "GET", query: str = ""
) -> Answer:
    """One request, or handshake, with these header lines, to the stage `dev` of the API `pets`."""
    if protocol == "WEBSOCKET":
        pairs = [tuple(line.split(": ", 1)) for line in lines]
        try:
            await gateway.connect(f"/pets/dev{query}", headers=pairs)
        except HandshakeRefused as refused:
            response = refused.response
        else:
            return Answer(101, b"", {})
    else:
        head = [f"{verb} /pets/dev{path}{query} HTTP/1.1", "Host: gateway.example", *lines, "Connection: close"]
        received = await talk(gateway.url, "\r\n".join(head).encode("latin-1") + b"\r\n\r\n")
        (response,) = split_responses(received)
    return Answer(response.status, response.body, {name.lower(): value for name, value in response.headers})
