"""What asking about a caller costs per request, when the answer is kept: `python loadtest/micro/authorizers.py`.

Of REQUEST and TOKEN authorizers, whoever is asked: identity sources, the key, the result that this node has ready, and
whether its policy allows the route. Other lines are of requests whose result is not ready: taken from the store that
nodes share (here the memory of this process), and asked for, of a Python function, without and with keeping it. Prints
the median of several rounds in microseconds; nothing else should run on the machine. A route without an authorizer has
no such step.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtest.micro.mappings import request
from wsgw.app import App
from wsgw.authorizers.results_cache import results_of
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.route import Integration, IntegrationResponse, Route, RouteResponse
from wsgw.header_fields import HeaderFields
from wsgw.invocation import HttpInvocation
from wsgw.pipeline.run import Step
from wsgw.settings import Settings

ROUNDS, OPERATIONS, TOKENS = 9, 2_000, 1_000
TOKEN = "Bearer " + "eyJhbGciOiJSUzI1NiJ9." * 40
RESULT = {
    "principalId": "somebody",
    "policyDocument": {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*:*:pets/prod/*"},
            {"Effect": "Deny", "Action": "execute-api:Invoke", "Resource": "*/prod/DELETE/*"},
        ],
    },
    "context": {"tenant": "t1", "level": 7},
}
SOURCES = {
    "TOKEN": ("method.request.header.Authorization",),
    "REQUEST": ("method.request.header.Authorization", "method.request.querystring.tenant", "context.httpMethod"),
}


async def authorize(event: dict[str, Any], context: Any) -> Any:
    return RESULT


def api(kind: str, ttl: int) -> Api:
    mocked = Integration(
        type="MOCK",
        request_templates={"application/json": '{"statusCode": 200}'},
        responses=(IntegrationResponse(key="200", status_code="200"),),
    )
    declared = {"200": RouteResponse(status_code="200")}
    members: dict[str, Any] = {"authorization_type": "CUSTOM", "authorizer": "who"} if kind else {}
    who: Any = Authorizer(
        id="who",
        name="who",
        type=kind or "TOKEN",  # type: ignore[arg-type]
        called="PYTHON",
        uri="authorize",
        identity_sources=SOURCES[kind or "TOKEN"],
        result_ttl=ttl,
    )
    route = Route(key="GET /mock", integration=mocked, responses=declared, **members)
    stage = Stage(name="prod", access_log_format=None, variables={"tier": "gold"})
    return Api(
        id="pets",
        name="pets",
        protocol="REST",
        routes={route.key: route},
        stages={"prod": stage},
        authorizers={"who": who},
    )


def asked(number: int) -> HttpInvocation:
    made = request()
    made.fields = HeaderFields([*made.fields.lines, ("Authorization", f"{TOKEN}{number}")])
    made.raw_query, made._query = "tenant=t1", None
    return made


async def walk(steps: Sequence[Step], invocation: HttpInvocation) -> None:
    for step in steps:
        await step(invocation)


async def measured(name: str, steps: Sequence[Step], before: Callable[[], Awaitable[None]] | None = None) -> None:
    """Each round has new invocations; `before` comes before each round and is not measured."""
    tries = []
    for _ in range(ROUNDS):
        if before is not None:
            await before()
        invocations = [asked(number % TOKENS) for number in range(OPERATIONS if before is None else TOKENS)]
        for invocation in invocations:
            invocation.query  # noqa: B018  # decoded when first asked for
        started = time.perf_counter()
        for invocation in invocations:
            await walk(steps, invocation)
        tries.append((time.perf_counter() - started) / len(invocations))
    print(f"{name:60} {median(tries) * 1e6:8.2f} µs")


def guards_of(app: App, one: Api) -> Sequence[Step]:
    """The steps of the route of `one` before those that it has without an authorizer."""
    app.deploy([msgspec.structs.replace(one, authorizers={}, routes=api("", 0).routes)])
    bare = len(_steps(app))
    app.deploy([one], handlers={"authorize": authorize})
    steps = _steps(app)
    return steps[: len(steps) - bare]


def _steps(app: App) -> tuple[Step, ...]:
    place = app.stages.find("", "/pets/prod/")
    assert place is not None
    steps: tuple[Step, ...] = place.live.paths.find("GET", "/mock").route.steps
    return steps


async def main() -> None:
    app = App(Settings(port=0, control_port=0, access_log=""))
    await app.start()
    results = results_of(app.access)

    async def flush() -> None:
        await results.flush("pets", "prod")

    async def forget() -> None:
        results.announced("")

    for kind in ("TOKEN", "REQUEST"):
        steps = guards_of(app, api(kind, 300))
        await measured(f"{kind}, kept: the authorizer's step alone", steps[:1])
        await measured(f"{kind}, kept: with its policy asked", steps)
    await measured("REQUEST, from the store that nodes share", steps, forget)
    await measured("REQUEST, asked of a Python function and kept", steps, flush)
    await measured("REQUEST, asked of a Python function each time", guards_of(app, api("REQUEST", 0)))
    await app.stop(drain=0)
    await asyncio.sleep(0)


if __name__ == "__main__":
    uvloop.run(main())
