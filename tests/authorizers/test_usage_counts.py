"""What keys have used: quotas exact, days in handfuls that count once whatever happens to an answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.usage import quota
from wsgw.authorizers.key_ring import Allowance
from wsgw.authorizers.usage_counts import UsageCounts, counter_of, days_of
from wsgw.errors import StoreUnavailable
from wsgw.stores.memory_quota import MemoryQuota

NOON = 1_795_262_400.0  # 2026-11-21T12:00:00Z
DAY = "2026-11-21"
GOLD = Allowance("gold", None, {}, None)


class Now:
    def __init__(self) -> None:
        self.seconds = NOON

    def __call__(self) -> float:
        return self.seconds


class LossyQuota(MemoryQuota):
    """A store that is away at times: before it has counted, or after it has, so that only the answer is lost.

    It counts an addition of one name once, as the one in Redis does.
    """

    def __init__(self, now: Now) -> None:
        super().__init__(now)
        self.fates: list[str] = []
        self.asked = 0
        self._made: set[Any] = set()

    async def add(self, key: str, period: str, amount: int, expires: float, *, once: str = "") -> int:
        self.asked += 1
        fate = self.fates.pop(0) if self.fates else "works"
        if fate == "away":
            raise StoreUnavailable("away")
        if once and (key, period, once) in self._made:
            amount = 0
        self._made.add((key, period, once))
        total = await super().add(key, period, amount, expires)
        if fate == "answer lost":
            raise StoreUnavailable("answer lost")
        return total


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def store(now: Now) -> LossyQuota:
    return LossyQuota(now)


@pytest.fixture
def counts(store: LossyQuota, now: Now) -> UsageCounts:
    return UsageCounts(store, now)


async def days_used(store: MemoryQuota, keys: Iterable[str] = ("one",), day: str = DAY) -> list[int]:
    names = [days_of("gold", key) for key in keys]
    used = await store.used(names, day)
    return [used[name] for name in names]


async def spent(counts: UsageCounts, number: int, settings: Any) -> list[bool]:
    return [await counts.spend("one", "gold", settings) for _ in range(number)]


# ---- quotas


async def test_a_quota_lets_through_exactly_its_limit(counts: UsageCounts):
    assert await spent(counts, 4, quota(3)) == [True, True, True, False]


async def test_several_nodes_together_let_through_exactly_the_limit(store: LossyQuota, now: Now):
    nodes = [UsageCounts(store, now) for _ in range(3)]
    results = await asyncio.gather(*(nodes[n % 3].spend("one", "gold", quota(50)) for n in range(200)))
    assert sum(results) == 50


async def test_a_flood_that_is_refused_does_not_reach_the_store(counts: UsageCounts, store: LossyQuota, now: Now):
    await spent(counts, 2, quota(1))
    before = store.asked
    assert await spent(counts, 100, quota(1)) == [False] * 100
    assert store.asked == before
    now.seconds += 1
    assert await spent(counts, 10, quota(1)) == [False] * 10
    assert store.asked == before + 1


async def test_a_grant_leaves_what_it_says_whatever_was_used(counts: UsageCounts):
    await spent(counts, 5, quota(3))
    await counts.grant("one", "gold", quota(3), 2)
    assert await spent(counts, 3, quota(3)) == [True, True, False]
    await counts.grant("one", "gold", quota(3), 0)
    assert await spent(counts, 1, quota(3)) == [False]


async def test_a_grant_ends_with_its_period(counts: UsageCounts, now: Now):
    await counts.grant("one", "gold", quota(1), 5)
    assert await spent(counts, 6, quota(1)) == [True] * 5 + [False]
    now.seconds += 86_400
    assert await spent(counts, 2, quota(1)) == [True, False]


async def test_a_grant_before_the_first_request_takes_the_place_of_the_offset(counts: UsageCounts, now: Now):
    await counts.grant("one", "gold", quota(3, offset=2), 3)
    assert await spent(counts, 4, quota(3, offset=2)) == [True, True, True, False]
    now.seconds += 86_400
    assert await spent(counts, 4, quota(3, offset=2)) == [True, True, True, False]


async def test_another_node_learns_of_a_grant_within_a_second(store: LossyQuota, now: Now):
    one, other = UsageCounts(store, now), UsageCounts(store, now)
    assert [await spent(node, 2, quota(1)) for node in (one, other)] == [[True, False], [False, False]]
    await one.grant("one", "gold", quota(1), 1)
    assert await spent(other, 1, quota(1)) == [False]
    now.seconds += 1
    assert await spent(other, 1, quota(1)) == [True]


async def test_a_counter_outlives_its_period_by_a_day(counts: UsageCounts, store: LossyQuota):
    await spent(counts, 1, quota(1))
    _, expires = store._sums[counter_of("gold", "one"), DAY]
    assert expires == NOON + 43_200 + 86_400


# ---- days


async def test_days_are_counted_apart(counts: UsageCounts, store: LossyQuota, now: Now):
    counts.count("one", GOLD)
    counts.count("two", GOLD)
    now.seconds += 43_199
    counts.count("one", GOLD)
    now.seconds += 1
    counts.count("one", GOLD)
    await counts.flush()
    assert await days_used(store, ["one", "two"]) == [2, 1]
    assert await days_used(store, day="2026-11-22") == [1]


async def test_a_clock_that_is_set_back_counts_for_the_day_that_it_says(
    counts: UsageCounts, store: LossyQuota, now: Now
):
    counts.count("one", GOLD)
    now.seconds -= 86_400
    counts.count("one", GOLD)
    await counts.close()
    assert [await days_used(store, day=day) for day in (DAY, "2026-11-20")] == [[1], [1]]


async def test_nothing_is_sent_for_each_request_and_all_of_it_at_the_end(counts: UsageCounts, store: LossyQuota):
    for _ in range(1000):
        counts.count("one", GOLD)
    assert (store.asked, counts.unwritten) == (0, 1000)
    await counts.close()
    assert (store.asked, counts.unwritten, await days_used(store)) == (1, 0, [1000])


async def test_more_counters_than_are_sent_at_once_all_arrive(counts: UsageCounts, store: LossyQuota):
    keys = [f"key{number}" for number in range(1201)]
    for key in keys:
        counts.count(key, GOLD)
    await counts.flush()
    assert await days_used(store, keys) == [1] * 1201


async def test_while_the_store_is_away_days_are_kept(counts: UsageCounts, store: LossyQuota):
    store.fates = ["away", "away"]
    for _ in range(2):
        counts.count("one", GOLD)
        with pytest.raises(StoreUnavailable):
            await counts.flush()
    counts.count("one", GOLD)
    assert counts.unwritten == 3
    await counts.flush()
    assert (await days_used(store), counts.unwritten) == ([3], 0)


async def test_what_waits_for_a_store_that_is_long_away_does_not_grow(counts: UsageCounts, store: LossyQuota):
    """A sum for each key and day waits, however often it was tried to write it."""
    tries = 50
    store.fates = ["away"] * tries
    for _ in range(tries):
        counts.count("one", GOLD)
        with pytest.raises(StoreUnavailable):
            await counts.flush()
    store.asked = 0
    await counts.flush()
    assert (await days_used(store), store.asked) == ([tries], 2)


async def test_a_handful_whose_answer_was_lost_counts_once(counts: UsageCounts, store: LossyQuota):
    store.fates = ["answer lost"]
    counts.count("one", GOLD)
    with pytest.raises(StoreUnavailable):
        await counts.flush()
    counts.count("one", GOLD)
    await counts.flush()
    assert await days_used(store) == [2]


async def test_of_several_who_flush_at_once_none_loses_what_another_has_not_written(
    counts: UsageCounts, store: LossyQuota
):
    counts.count("one", GOLD)
    first = asyncio.create_task(counts.flush())
    await asyncio.sleep(0)  # the first is at the store
    counts.count("two", GOLD)
    await asyncio.gather(first, counts.flush(), counts.flush())
    assert (await days_used(store, ["one", "two"]), counts.unwritten) == ([1, 1], 0)
    await counts.close()


async def test_what_cannot_be_written_at_the_end_is_said(
    counts: UsageCounts, store: LossyQuota, caplog: pytest.LogCaptureFixture
):
    store.fates = ["away"]
    counts.count("one", GOLD)
    await counts.close()
    assert "usage of 1 requests could not be written" in caplog.text


FATES = st.lists(st.sampled_from(["works", "away", "answer lost"]), max_size=40)
STEPS = st.lists(st.one_of(st.sampled_from(["one", "two", "three"]), st.just("flush")), max_size=40)


@settings(max_examples=100, deadline=None)
@given(FATES, STEPS)
async def test_whatever_happens_to_the_store_each_request_counts_once(fates: list[str], steps: list[str]):
    now = Now()
    store = LossyQuota(now)
    store.fates = list(fates)
    counts = UsageCounts(store, now)
    expected: Counter[str] = Counter()
    for step in steps:
        if step != "flush":
            counts.count(step, GOLD)
            expected[step] += 1
            continue
        try:
            await counts.flush()
        except StoreUnavailable:
            assert counts.unwritten
    store.fates = []
    await counts.flush()
    keys = ["one", "two", "three"]
    assert await days_used(store, keys) == [expected[key] for key in keys]
