"""APIs of each kind that an attacker finds, and requests whose every byte is the test's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness.authorizers import PROTOCOLS, authorizer, policy
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.raw_http import authority, split_responses, talk
from tests.harness.raw_websocket import Response
from wsgw.definitions.api import Api, Protocol, Stage
from wsgw.definitions.route import Integration, Route

HTTP: tuple[Protocol, ...] = ("REST", "HTTP")
BOTH = pytest.mark.parametrize("protocol", HTTP)
EACH = pytest.mark.parametrize("protocol", PROTOCOLS)
ARN = "arn:aws:execute-api:us-east-1:000000000000:pets/dev"


class Asked:
    """A Python authorizer that answers `result`, which may be a function of the event, and keeps what it was asked."""

    def __init__(self, result: Any = None) -> None:
        self.result = policy() if result is None else result
        self.events: list[dict[str, Any]] = []

    async def __call__(self, event: dict[str, Any], context: Any) -> Any:
        self.events.append(event)
        result = self.result(event) if callable(self.result) else self.result
        if isinstance(result, Exception):
            raise result
        return result


def proxied(protocol: Protocol, backend: Backend, *keys: str, **members: Any) -> Api:
    """An API whose routes call `backend` with the path as it is. `key!` is open, all others have the authorizer."""
    one = authorizer(protocol, "authorize", called="PYTHON", payload_format_version="1.0", **members.pop("who", {}))
    routes = {}
    for key in keys:
        name = key.rstrip("!")
        asked: dict[str, Any] = {} if key != name else {"authorization_type": "CUSTOM", "authorizer": "who"}
        parameters = {}
        uri = backend.url + name.partition(" ")[2]
        if "{proxy+}" in name:
            uri = f"{backend.url}/{{proxy}}"
            parameters = {"integration.request.path.proxy": "method.request.path.proxy"} if protocol == "REST" else {}
        proxy = Integration(type="HTTP_PROXY", uri=uri, method="ANY", request_parameters=parameters)
        routes[name] = Route(key=name, integration=proxy, resource_id="res1", **asked)
    stages = members.pop("stages", {"dev": Stage(name="dev")})
    return Api(
        id="pets", name="pets", protocol=protocol, routes=routes, stages=stages, authorizers={"who": one}, **members
    )


async def raw(gateway: TestGateway, target: str, *lines: str, verb: str = "GET", host: str = "") -> Response:
    """The answer to one request, whose head is exactly this."""
    head = [f"{verb} {target} HTTP/1.1", f"Host: {host or authority(gateway.url)}", *lines, "Connection: close"]
    received = await talk(gateway.url, "\r\n".join(head).encode("latin-1") + b"\r\n\r\n")
    if verb == "HEAD":
        return Response(int(received.split()[1]), [], b"")
    return split_responses(received)[0]
