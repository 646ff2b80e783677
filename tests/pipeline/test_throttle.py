"""Throttle steps: levels in their order, buckets of single callers, and stores that are away."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import re
import sys
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway, api, mock, route
from tests.harness.redis_server import RedisServer
from tests.harness.until import until
from tests.mapping.request_samples import request
from wsgw.caller import ConnectionFacts, Principal
from wsgw.definitions.access import ThrottleSettings, in_force
from wsgw.definitions.api import Stage
from wsgw.errors import StoreUnavailable, Throttled
from wsgw.invocation import Invocation
from wsgw.pipeline.run import Step
from wsgw.pipeline.throttle import (
    Level,
    network_of,
    principal_key,
    source_key,
    throttle_connection,
    throttle_each,
)
from wsgw.stores.memory import MemoryThrottle

LIMIT = ThrottleSettings(rate_limit=4, burst_limit=1)


def counted(gateway: TestGateway) -> float:
    line = re.search(
        rb'^wsgw_events_total\{event="throttle_unavailable"\} (.*)$', gateway.app.metrics.exposition(), re.MULTILINE
    )
    return float(line[1]) if line else 0


@pytest.mark.parametrize("mode", ["exact", "sliced"])
async def test_while_redis_is_away_nothing_is_throttled_and_it_is_counted(
    make_gateway: MakeGateway, own_redis: RedisServer, mode: str
):
    gateway = await make_gateway(redis=own_redis.url, throttle_mode=mode)
    gateway.deploy(api(route("hi", mock("hello"), two_way=True), stage=Stage(name="prod", throttle=LIMIT)))
    client = await gateway.connect()

    async def says() -> str:
        await client.send_json({"action": "hi"})
        return await client.receive_text()

    async with asyncio.timeout(5):
        while "Too Many Requests" not in await says():
            pass
    await own_redis.stop()
    await until(lambda: gateway.app._stores.away())
    # What Redis has said of the next token still holds until it is due.
    async with asyncio.timeout(5):
        while await says() != "hello":
            await asyncio.sleep(0.01)
    before = counted(gateway)
    assert [await says() for _ in range(20)] == ["hello"] * 20
    assert counted(gateway) == before + 20


# ---- single callers


SOURCES = [
    ("192.0.2.1", "192.0.2.1"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ("2001:db8:1:2::", "2001:db8:1:2::/64"),
    ("2001:DB8:1:2:ffff::1", "2001:db8:1:2::/64"),
    ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
    ("::1", "::/64"),
    ("::ffff:192.0.2.1", "192.0.2.1"),
    ("fe80::1%eth0", "fe80::/64"),
    ("", ""),
    ("unix:", "unix:"),
]


@pytest.mark.parametrize(("address", "source"), SOURCES)
def test_whoever_has_one_ipv6_address_has_all_of_its_network(address: str, source: str):
    """Ours: 64 bits are what a subscriber gets; an IPv4 address in an IPv6 one is itself."""
    invocation = request()
    invocation.caller.source_ip = address
    assert source_key("source/a/prod/")(invocation) == f"source/a/prod/{source}"


@given(st.ip_addresses(v=6))
def test_every_ipv6_address_is_of_the_network_that_counts_for_it(address: ipaddress.IPv6Address):
    source = network_of(str(address))
    assert (str(address.ipv4_mapped) == source) if address.ipv4_mapped else address in ipaddress.ip_network(source)


def test_principals_are_told_apart_by_who_named_them_and_long_names_are_cut():
    key = principal_key("principal/a/prod/")
    invocation = request()
    assert key(invocation) is None
    invocation.caller.principal = Principal("", {})
    assert key(invocation) is None, "all whom an authorizer lets in without a name would share a bucket"
    found = set()
    for principal in (
        Principal("ann", {}),
        Principal("ann", {}, kind="JWT"),
        Principal("x" * 5000, {}),
        Principal("x" * 5001, {}),
        Principal("\ud800" * 200, {}),
    ):
        invocation.caller.principal = principal
        found.add(key(invocation))
    assert len(found) == 5
    assert "principal/a/prod/LAMBDA/ann" in found
    assert all(one is not None and len(one) < 150 for one in found)


IN_FORCE = [
    (None, None),
    ((-1, 5), None),
    ((5, -1), None),
    ((0, 5), (0, 0)),
    ((5, 0), (0, 0)),
    ((5, 5), (5, 5)),
    ((0.5, 1), (0.5, 1)),
    # 0 blocks, and -1 is no limit: the limit that is off is off as a whole.
    ((0, -1), None),
]


@pytest.mark.parametrize(("limit", "means"), IN_FORCE)
def test_0_blocks_and_minus_1_is_no_limit(limit: tuple[float, int] | None, means: tuple[float, int] | None):
    """rateLimit 0 or burstLimit 0 blocks everything; -1 means unlimited (unconfirmed)."""
    found = in_force(None if limit is None else ThrottleSettings(rate_limit=limit[0], burst_limit=limit[1]))
    assert (None if found is None else (found.rate_limit, found.burst_limit)) == means


def slow(burst: int) -> ThrottleSettings:
    return ThrottleSettings(rate_limit=0.001, burst_limit=burst)


async def outcomes(step: Step, count: int) -> list[str]:
    """What refuses each of `count` requests: "" for none."""
    found = []
    for _ in range(count):
        try:
            await step(request())
            found.append("")
        except Throttled as error:
            found.append(error.detail)
    return found


async def test_who_is_refused_at_one_level_has_spent_the_levels_before_and_none_behind():
    buckets = MemoryThrottle(lambda: 0.0)
    levels = [Level("source", lambda _: "s", slow(4)), Level("route", "r", slow(2)), Level("account", "a", slow(9))]
    assert await outcomes(throttle_each(buckets, levels), 5) == ["", "", "route", "route", "source"]
    assert await outcomes(throttle_each(buckets, levels[2:]), 8) == [""] * 7 + ["account"] * 1


async def test_a_caller_without_a_bucket_of_its_own_is_asked_for_the_others():
    buckets = MemoryThrottle(lambda: 0.0)
    levels = [Level("principal", principal_key("p/"), slow(1)), Level("route", "r", slow(3))]
    assert await outcomes(throttle_each(buckets, levels), 4) == ["", "", "", "route"]
    nobody = [Level("principal", principal_key("p/"), slow(1))]
    assert await outcomes(throttle_each(buckets, nobody), 3) == [""] * 3


class Away:
    async def take(self, key: str, limit: ThrottleSettings) -> bool:
        raise StoreUnavailable("away")

    async def take_each(self, wanted: Sequence[tuple[str, ThrottleSettings]]) -> int:
        raise StoreUnavailable("away")


async def test_several_levels_whose_store_is_away_let_everything_through(monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    monkeypatch.setattr("wsgw.pipeline.throttle.count", said.append)
    levels = [Level("route", "r", slow(1)), Level("account", "a", slow(1))]
    assert await outcomes(throttle_each(Away(), levels), 3) == [""] * 3
    assert said == ["throttle_unavailable"] * 3


class _Site:
    api_id = stage = account_id = deployment_id = ""
    stage_variables: Mapping[str, str] = {}
    log_line = None


def message(connection: ConnectionFacts) -> Invocation:
    return Invocation(_Site(), "MESSAGE", "send", connection, "id", 0)


async def test_each_connection_has_a_bucket_of_its_own_which_ends_with_it():
    now = 0.0
    step = throttle_connection(ThrottleSettings(rate_limit=1, burst_limit=2), lambda: now)
    one, other = ConnectionFacts(), ConnectionFacts()
    for connection in (one, other):
        await step(message(connection))
        await step(message(connection))
        with pytest.raises(Throttled):
            await step(message(connection))
    now = 1.0
    await step(message(one))
    with pytest.raises(Throttled):
        await step(message(one))
    # Nothing but the connection holds it: there is nothing to forget.
    assert gc.get_referrers(one.bucket) == [one] or sys.getrefcount(one.bucket) == 2
    blocked = throttle_connection(ThrottleSettings(rate_limit=0, burst_limit=0), lambda: now)
    with pytest.raises(Throttled):
        await blocked(message(ConnectionFacts()))
