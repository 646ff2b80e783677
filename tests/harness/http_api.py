"""REST and HTTP APIs for tests of the edge: routes whose steps are functions of the test, no mapping and no backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from tests.harness.gateway import TestGateway
from wsgw.definitions.api import Api, Stage, StageLimits
from wsgw.definitions.route import Integration, Route
from wsgw.invocation import HttpInvocation, Invocation, Reply

Answer = Callable[[HttpInvocation], Reply | Awaitable[Reply]]


def http_api(*keys: str, id: str = "pets", protocol: Any = "REST", stage: str = "prod", **members: Any) -> Api:
    """An API with routes of these keys, each a proxy to nowhere. members: of Api, and `limits` of its stage."""
    proxy = Integration(type="HTTP_PROXY", uri="http://127.0.0.1:9/", method="ANY")
    limits = members.pop("limits", StageLimits())
    members.setdefault("stages", {stage: Stage(name=stage, limits=limits)})
    routes = {key: Route(key=key, integration=proxy) for key in keys}
    return Api(id=id, name=id, protocol=protocol, routes=routes, **members)


def answer(gateway: TestGateway, key: str, answer: Answer, *, api: str = "pets", stage: str = "prod") -> None:
    """Have the route `key` answer what `answer` gives, instead of what its definition says."""

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        reply = answer(invocation)
        invocation.reply = reply if isinstance(reply, Reply) else await reply

    slot = dict(gateway.app.stages.slots())[api, stage]
    method, _, path = key.partition(" ")
    match = slot.live.paths.find(method, path) if path else None
    route = match.route if match is not None else slot.live.default
    assert route is not None, key
    route.steps, route.needs_task, route.streams = (step,), False, True


class Pieces:
    """A Stream of what the test says, by `put` and `end`; `taken` counts what was asked for."""

    def __init__(self, *pieces: bytes | Exception, length: int | None = None) -> None:
        self._pieces = pieces
        self.length = length
        self.taken = 0
        self.cancelled = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            self.taken += 1
            yield piece

    def cancel(self) -> None:
        self.cancelled += 1
