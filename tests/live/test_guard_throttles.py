"""Which buckets a route asks, and in which order; and throttles that nobody would ever be held to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import groupby
from typing import Any

import pytest

from tests.harness.gateway import TestGateway, api, mock, route
from tests.harness.rest_api import method, rest_api
from wsgw.definitions.access import CallerThrottles, ThrottleSettings, TokenPlaces
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.check import check
from wsgw.definitions.route import Integration, Route
from wsgw.errors import DefinitionError
from wsgw.invocation import Invocation
from wsgw.live import guards as guards_module
from wsgw.live.guards import guards
from wsgw.live.parts import Parts
from wsgw.pipeline.run import Step

SOME = ThrottleSettings(rate_limit=1, burst_limit=1)
ALL = CallerThrottles(principal=SOME, source_ip=SOME)


@pytest.fixture
async def one() -> AsyncIterator[TestGateway]:
    """A gateway whose account has a throttle."""
    gateway = await TestGateway(lanes=True, account_rate=5, account_burst=5).start()
    yield gateway
    await gateway.stop()


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards that are no throttles are steps that say what they ask about: who is calling, or with which key."""

    def stands_for(name: str) -> Any:
        async def step(invocation: Invocation) -> None: ...

        step.__qualname__ = "keys" if "key" in name else "who"
        return lambda *_: [step]

    for name in vars(guards_module):
        if name.endswith("_steps") or name.startswith("known_"):
            monkeypatch.setattr(guards_module, name, stands_for(name))


def asked(step: Step) -> str:
    """A step's name, and the levels that it asks."""
    name = step.__qualname__.partition(".")[0]
    cells = dict(zip(step.__code__.co_freevars, step.__closure__ or (), strict=True))
    if name == "throttle_each":
        return " ".join(level.name.removesuffix("_throttle") for level in cells["levels"].cell_contents)
    return str(cells["name"].cell_contents).removesuffix("_throttle") if name == "throttle" else name


def order(gateway: TestGateway, protocol: Any, key: str, throttles: CallerThrottles) -> list[str]:
    stage = Stage(name="prod", throttle=SOME, caller_throttles=throttles)
    kind = "NONE" if protocol == "WEBSOCKET" and key != "$connect" else "AWS_IAM"
    one = Route(key=key, integration=Integration(type="MOCK"), authorization_type=kind)
    routes = {one.key: one, "$connect": Route(key="$connect", authorization_type="AWS_IAM")}
    definition = Api(id="a", name="a", protocol=protocol, routes=routes, stages={"prod": stage})
    found = [asked(step) for step in guards(definition, stage, one, _parts(gateway))]
    return [name for name, _ in groupby(found)]


def _parts(gateway: TestGateway) -> Parts:
    found: list[Parts] = []
    real = guards_module.route_throttles

    def catch(api: Api, stage: Stage, route: Route, parts: Parts) -> Any:
        found.append(parts)
        return real(api, stage, route, parts)

    guards_module.route_throttles = catch  # type: ignore[assignment]
    try:
        gateway.deploy(rest_api(method("GET /", "HTTP_PROXY", "http://127.0.0.1:9/")))
    finally:
        guards_module.route_throttles = real  # type: ignore[assignment]
    return found[0]


ORDERS = [
    pytest.param(
        "REST",
        "GET /",
        ALL,
        ["source", "who", "keys", "principal route account"],
        id="rest: plan, then method, then account",
    ),
    pytest.param("HTTP", "GET /", ALL, ["source route account", "who", "principal"], id="http"),
    pytest.param(
        "WEBSOCKET",
        "$connect",
        ALL,
        ["source", "who", "keys", "principal route account"],
        id="handshake: as rest",
    ),
    pytest.param(
        "WEBSOCKET",
        "send",
        CallerThrottles(connection=SOME, principal=SOME, source_ip=SOME),
        ["throttle_connection", "source principal route account", "who"],
        id="message",
    ),
    pytest.param("WEBSOCKET", "$disconnect", ALL, [], id="nobody refuses a disconnect"),
    pytest.param(
        "REST",
        "GET /",
        CallerThrottles(),
        ["who", "keys", "route account"],
        id="without throttles of callers",
    ),
    pytest.param(
        "WEBSOCKET",
        "$connect",
        CallerThrottles(connection=SOME),
        ["who", "keys", "route account"],
        id="a handshake has no connection yet",
    ),
]


@pytest.mark.parametrize(("protocol", "key", "throttles", "expected"), ORDERS)
async def test_buckets_are_asked_in_the_order_of_the_service(
    one: TestGateway, known: None, protocol: Any, key: str, throttles: CallerThrottles, expected: list[str]
):
    assert order(one, protocol, key, throttles) == expected


@pytest.mark.parametrize(("protocol", "key"), [("REST", "GET /"), ("WEBSOCKET", "$connect")])
async def test_of_callers_nobody_asks_about_all_buckets_are_asked_at_once(one: TestGateway, protocol: Any, key: str):
    """Of Redis, one round trip."""
    stage = Stage(name="prod", throttle=SOME, caller_throttles=CallerThrottles(source_ip=SOME))
    open_to_all = Route(key=key, integration=Integration(type="MOCK"))
    definition = Api(id="a", name="a", protocol=protocol, routes={key: open_to_all}, stages={"prod": stage})
    (step,) = guards(definition, stage, open_to_all, _parts(one))
    assert asked(step) == "source route account"


@pytest.mark.parametrize("number", [(-1, 5), (5, -1), (-1, -1)])
async def test_minus_1_is_no_throttle(one: TestGateway, known: None, number: tuple[float, int]):
    """-1 in settings."""
    off = ThrottleSettings(rate_limit=number[0], burst_limit=number[1])
    throttles = CallerThrottles(principal=off, source_ip=off)
    assert order(one, "REST", "GET /", throttles) == order(one, "REST", "GET /", CallerThrottles())


@pytest.mark.parametrize("ticket", [None, "ticket"])
async def test_messages_ask_for_the_principal_where_a_handshake_can_name_one(
    one: TestGateway, known: None, ticket: str | None
):
    """Of a connect ticket, too."""
    stage = Stage(name="prod", caller_throttles=CallerThrottles(principal=SOME), tokens=TokenPlaces(ticket=ticket))
    send = route("send", mock(""))
    definition = api(send, stage=stage)
    levels = [asked(step) for step in guards(definition, stage, send, _parts(one))]
    assert levels == (["principal account", "who"] if ticket else ["account", "who"])


# ---- what could not be enforced


def stage(**members: Any) -> Stage:
    return Stage(name="prod", caller_throttles=CallerThrottles(**members))


IDLE = [
    pytest.param(
        rest_api(method("GET /", "HTTP_PROXY", "http://127.0.0.1:9/"), stage=stage(connection=SOME)),
        "connection: only connections of WebSocket APIs have a throttle of their own (use sourceIp or principal)",
        id="connections of a REST API",
    ),
    pytest.param(
        rest_api(method("GET /", "HTTP_PROXY", "http://127.0.0.1:9/"), stage=stage(principal=SOME)),
        "principal: no route has an authorizer that would say who is calling (add one, or use sourceIp)",
        id="principals that nobody names",
    ),
    pytest.param(
        api(route("send", mock("")), stage=stage(principal=SOME)),
        "principal: no route has an authorizer that would say who is calling (add one, or use sourceIp)",
        id="principals of connections that anybody opens",
    ),
]


@pytest.mark.parametrize(("definition", "says"), IDLE)
async def test_a_throttle_that_nobody_is_held_to_is_not_deployed(one: TestGateway, definition: Api, says: str):
    """S-53: never open by accident."""
    (name,) = definition.stages
    with pytest.raises(DefinitionError) as raised:
        one.deploy(definition)
    assert raised.value.findings == [f"apis.{definition.id}.stages.{name}.callerThrottles.{says}"]
    found = [finding for finding in check(definition) if "callerThrottles" in finding.path]
    assert [finding.severity for finding in found] == ["error"]
    assert found[0].message in says
