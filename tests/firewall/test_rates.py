"""Rate-based rules: what is counted, over which time, for whom, and over several nodes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.firewall.web_acls import blocking, contains, is_blocked, ready, rule, web_acl
from tests.mapping.request_samples import request
from wsgw.errors import StoreUnavailable
from wsgw.firewall import rates
from wsgw.firewall.compile import Firewall
from wsgw.firewall.firewalls import Firewalls
from wsgw.firewall.rates import Rate, share_all
from wsgw.stores.memory_quota import MemoryQuota


class Time:
    """A clock that the test sets."""

    def __init__(self, now: float = 6_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def rate_based(limit: int, **members: Any) -> dict[str, Any]:
    return {"RateBasedStatement": {"Limit": limit, "AggregateKeyType": "IP", "EvaluationWindowSec": 60, **members}}


def limited(time: Time, limit: int, **members: Any) -> Firewall:
    return ready(blocking(rate_based(limit, **members)), now=time)


def caller(address: str, **members: Any) -> Any:
    made = request(**members)
    made.caller.source_ip = address
    return made


def outcomes(firewall: Firewall, times: int, **members: Any) -> str:
    """A digit for each of so many equal requests: 1 for one that is blocked."""
    return "".join(str(int(is_blocked(firewall, **members))) for _ in range(times))


# ---- over time


def test_requests_beyond_the_limit_are_blocked(time: Time):
    assert outcomes(limited(time, 3), 6) == "000111"


def test_blocked_requests_count_too(time: Time):
    firewall = limited(time, 3)
    outcomes(firewall, 40)
    time.now += 60
    # Half of the span before, in which there were 40.
    time.now += 30
    assert is_blocked(firewall)


def test_a_caller_passes_again_when_the_window_has_moved_on(time: Time):
    firewall = limited(time, 3)
    assert outcomes(firewall, 4) == "0001"
    time.now += 59
    assert is_blocked(firewall)
    time.now += 120
    assert not is_blocked(firewall)


def test_what_was_counted_before_fades_as_the_window_moves(time: Time):
    rate = Rate("it", 10, 60, time)
    for _ in range(10):
        assert not rate.exceeded((b"k",))
    time.now += 60
    assert rate.exceeded((b"k",))  # all of the span before counts still
    time.now += 30
    # Half of ten, and two of this span: seven.
    assert not rate.exceeded((b"k",))


def test_after_a_long_silence_nothing_counts(time: Time):
    rate = Rate("it", 1, 60, time)
    rate.exceeded((b"k",))
    time.now += 3_600
    assert not rate.exceeded((b"k",))


def test_a_clock_that_was_set_back_starts_anew(time: Time):
    rate = Rate("it", 1, 60, time)
    rate.exceeded((b"k",))
    time.now -= 3_600
    assert not rate.exceeded((b"k",))


@given(gaps=st.lists(st.floats(0, 40), min_size=1, max_size=60), limit=st.integers(1, 20))
def test_a_steady_caller_below_the_limit_is_never_blocked_and_a_burst_above_always_is(gaps: list[float], limit: int):
    clock = Time(0.0)
    rate = Rate("it", limit, 60, clock)
    sent: list[float] = []
    for gap in gaps:
        clock.now += gap
        sent.append(clock.now)
        blocked = rate.exceeded((b"k",))
        span = clock.now // 60 * 60
        in_two_spans = sum(at >= span - 60 for at in sent)
        in_this_span = sum(at >= span for at in sent)
        # The exact count of the window is between these; so is the estimate.
        assert not (blocked and in_two_spans <= limit)
        assert not (not blocked and in_this_span > limit)


@pytest.mark.parametrize("window", [60, 120, 300, 600])
def test_the_window_is_as_long_as_it_says(time: Time, window: int):
    time.now = 60_000.0
    firewall = limited(time, 1, EvaluationWindowSec=window)
    assert outcomes(firewall, 2) == "01"
    time.now += 2 * window - 1
    assert not is_blocked(firewall)


# ---- for whom


def test_addresses_are_counted_apart(time: Time):
    firewall = limited(time, 1)
    assert [is_blocked(firewall, caller(one)) for one in ("192.0.2.1", "192.0.2.2", "192.0.2.1")] == [
        False,
        False,
        True,
    ]


def test_a_network_of_ipv6_hosts_is_one_caller(time: Time):
    firewall = limited(time, 1)
    addresses = ("2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1")
    assert [is_blocked(firewall, caller(one)) for one in addresses] == [False, True, False]


def test_callers_without_an_address_are_one(time: Time):
    firewall = limited(time, 1)
    assert [is_blocked(firewall, caller(one)) for one in ("", "")] == [False, True]


def test_the_address_may_stand_in_a_header(time: Time):
    config = {"HeaderName": "ip", "FallbackBehavior": "NO_MATCH"}
    firewall = limited(time, 1, AggregateKeyType="FORWARDED_IP", ForwardedIPConfig=config)
    assert outcomes(firewall, 2, headers=[("IP", "192.0.2.1")]) == "01"
    assert outcomes(firewall, 2, headers=[("IP", "192.0.2.2")]) == "01"
    assert outcomes(firewall, 3, headers=[("IP", "nonsense")]) == "000"
    assert outcomes(firewall, 3) == "000"


def test_malformed_addresses_are_one_caller_where_they_match(time: Time):
    config = {"HeaderName": "ip", "FallbackBehavior": "MATCH"}
    firewall = limited(time, 1, AggregateKeyType="FORWARDED_IP", ForwardedIPConfig=config)
    assert outcomes(firewall, 2, headers=[("IP", "nonsense")]) == "01"


def test_constant_counts_what_the_scope_finds(time: Time):
    scope = contains("/login", "UriPath", position="ENDS_WITH")
    firewall = limited(time, 1, AggregateKeyType="CONSTANT", ScopeDownStatement=scope)
    assert outcomes(firewall, 3, rest="/a") == "000"
    assert [is_blocked(firewall, caller(one, rest="/login")) for one in ("192.0.2.1", "192.0.2.2")] == [False, True]


KEYS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any] | None]] = [
    ({"Header": {"Name": "X-Id"}}, {"headers": [("x-id", "a")]}, {"headers": [("x-id", "b")]}, {}),
    ({"Cookie": {"Name": "sid"}}, {"headers": [("cookie", "sid=a")]}, {"headers": [("cookie", "sid=b")]}, {}),
    ({"QueryArgument": {"Name": "Q"}}, {"raw_query": "q=a"}, {"raw_query": "q=b"}, {}),
    ({"QueryString": {}}, {"raw_query": "a"}, {"raw_query": "b"}, None),
    ({"HTTPMethod": {}}, {"method": "GET"}, {"method": "PUT"}, None),
    ({"UriPath": {}}, {"rest": "/a"}, {"rest": "/b"}, None),
]


@pytest.mark.parametrize(("key", "one", "other", "without"), KEYS, ids=lambda value: str(value)[:24])
def test_custom_keys_tell_requests_apart(time: Time, key: Any, one: Any, other: Any, without: Any):
    firewall = limited(time, 1, AggregateKeyType="CUSTOM_KEYS", CustomKeys=[key, {"IP": {}}])
    assert outcomes(firewall, 2, **one) == "01"
    assert outcomes(firewall, 2, **other) == "01"
    if without is not None:
        assert outcomes(firewall, 3, **without) == "000"


def test_custom_keys_are_transformed(time: Time):
    key = {"Header": {"Name": "X-Id", "TextTransformations": [{"Priority": 0, "Type": "LOWERCASE"}]}}
    firewall = limited(time, 1, AggregateKeyType="CUSTOM_KEYS", CustomKeys=[key])
    assert outcomes(firewall, 1, headers=[("x-id", "A")]) + outcomes(firewall, 1, headers=[("x-id", "a")]) == "01"


def test_two_rules_count_apart(time: Time):
    first = rule("first", rate_based(1), "Count", RuleLabels=[{"Name": "often"}])
    firewall = ready(web_acl(first, rule("second", rate_based(2))), now=time)
    assert outcomes(firewall, 3) == "001"


def test_a_deployment_does_not_forget_what_was_counted(time: Time):
    firewalls = Firewalls(time)
    acl = blocking(rate_based(2))
    before = ready(acl, firewalls=firewalls)
    assert outcomes(before, 2) == "00"
    assert outcomes(ready(acl, firewalls=firewalls), 1) == "1"


# ---- memory


def test_callers_beyond_the_most_make_the_quiet_ones_forgotten(time: Time, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rates, "MOST_KEYS", 100)
    rate = Rate("it", 5, 60, time)
    for _ in range(6):
        rate.exceeded((b"often",))
    for number in range(1_000):
        rate.exceeded((b"%d" % number,))
        assert len(rate) <= 100
    assert rate.exceeded((b"often",))


# ---- over several nodes


class Away(MemoryQuota):
    async def add(self, *args: Any, **members: Any) -> int:
        raise StoreUnavailable("away")


async def test_nodes_learn_what_others_have_counted(time: Time):
    quota = MemoryQuota(time)
    here, there = Rate("it", 10, 60, time), Rate("it", 10, 60, time)
    for _ in range(6):
        here.exceeded((b"k",))
        assert not there.exceeded((b"k",))
    for one in (here, there, here):
        await one.share(quota)
        await one.share(quota)  # what is known is not told again
    # Twelve over both; the one that told last but once knows of them when it has something to tell.
    assert there.exceeded((b"k",))
    here.exceeded((b"k",))
    await here.share(quota)
    assert here.exceeded((b"k",))


async def test_what_others_have_counted_fades_with_the_rest(time: Time):
    quota = MemoryQuota(time)
    here, there = Rate("it", 10, 60, time), Rate("it", 10, 60, time)
    for _ in range(10):
        there.exceeded((b"k",))
    await there.share(quota)
    here.exceeded((b"k",))
    await here.share(quota)
    time.now += 60
    assert here.exceeded((b"k",))
    time.now += 60
    assert not here.exceeded((b"k",))


async def test_a_caller_that_comes_seldom_is_not_told_of(time: Time):
    quota = MemoryQuota(time)
    rate = Rate("it", 1_000, 60, time)
    for _ in range(19):
        rate.exceeded((b"k",))
    await rate.share(quota)
    assert quota._sums == {}
    rate.exceeded((b"k",))
    await rate.share(quota)
    assert [total for total, _ in quota._sums.values()] == [20]


async def test_no_name_of_a_caller_leaves_the_node(time: Time):
    quota = MemoryQuota(time)
    rate = Rate("it", 1, 60, time)
    rate.exceeded((b"a-secret",))
    await rate.share(quota)
    assert quota._sums
    assert "a-secret" not in str(quota._sums)


async def test_without_the_store_a_node_counts_alone(time: Time):
    rate = Rate("it", 2, 60, time)
    for _ in range(2):
        assert not rate.exceeded((b"k",))
        await share_all([rate], Away(time))
    assert rate.exceeded((b"k",))


async def test_the_sweep_shares_once_a_second_and_one_at_a_time(time: Time):
    quota = MemoryQuota(time)
    firewalls = Firewalls(time)
    rate = firewalls.rate("it", 1, 60)
    begun = []

    def begin(work: Any) -> asyncio.Task[None]:
        begun.append(asyncio.get_running_loop().create_task(work))
        return begun[-1]

    rate.exceeded((b"k",))
    firewalls.sweep(quota, begin)
    firewalls.sweep(quota, begin)
    await asyncio.gather(*begun)
    assert len(begun) == 1
    time.now += 0.9
    firewalls.sweep(quota, begin)
    assert len(begun) == 1
    time.now += 0.2
    firewalls.sweep(quota, begin)
    await asyncio.gather(*begun)
    assert len(begun) == 2


def test_a_rule_that_no_stage_has_any_more_is_forgotten(time: Time):
    firewalls = Firewalls(time)
    firewalls.rate("it", 1, 60).exceeded((b"k",))
    assert not firewalls.rate("it", 1, 60).exceeded((b"k",))
