"""Results of authorizers that are kept: bounds, waiters that go away, flushes, and stores that are away or lie."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.until import until
from wsgw.authorizers import results_cache
from wsgw.authorizers.results import ResultForm, read_result
from wsgw.authorizers.results_cache import Asked, Results, ResultsCache
from wsgw.errors import AuthorizerFailure, StoreUnavailable
from wsgw.stores.memory_cache import MemoryCache

POLICY = {
    "principalId": "somebody",
    "policyDocument": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
}
DENIED = {**POLICY, "principalId": "nobody"}


def read(document: Any) -> Any:
    return read_result(document, ResultForm())


class Time:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Authorizer:
    """Answers `result` once `gate` is open, and counts who was called."""

    def __init__(self, result: Any = POLICY) -> None:
        self.result = result
        self.calls = 0
        self.ended = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Asked:
        self.calls += 1
        try:
            await self.gate.wait()
        finally:
            self.ended += 1
        if isinstance(self.result, AuthorizerFailure):
            return Asked(error=self.result)
        return Asked(self.result, 100, 200, "id", 5)


class Away(MemoryCache):
    """A store that does not answer."""

    async def get(self, group: str, key: str) -> bytes | None:
        raise StoreUnavailable("cache")

    async def put(self, group: str, key: str, value: bytes, seconds: float) -> None:
        raise StoreUnavailable("cache")


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def store(time: Time) -> MemoryCache:
    return MemoryCache(time)


@pytest.fixture
def kept(store: MemoryCache, time: Time) -> ResultsCache:
    return ResultsCache(store, "group", time)


KEY = b"\x01" * 32


async def test_what_was_found_is_ready_from_then_on(kept: ResultsCache):
    authorizer = Authorizer()
    verdict, asked = await kept.found(KEY, 60, read, authorizer)
    assert kept.kept(KEY) is verdict
    assert (asked.status, asked.request_id, asked.latency) == (200, "id", 5)


async def test_what_another_node_has_found_is_taken_from_the_store(store: MemoryCache, time: Time):
    here, there, authorizer = ResultsCache(store, "g", time), ResultsCache(store, "g", time), Authorizer()
    await there.found(KEY, 60, read, authorizer)
    time.now += 50
    verdict, asked = await here.found(KEY, 60, read, authorizer)
    assert verdict is not None
    assert verdict.principal is not None
    assert (verdict.principal.id, asked.status, authorizer.calls) == ("somebody", 0, 1)
    # It ends when it would have there.
    time.now += 11
    assert here.kept(KEY) is None


async def test_a_result_that_cannot_be_shared_is_good_for_this_node(store: MemoryCache, time: Time):
    deep: Any = "unread"
    for _ in range(300):
        deep = [deep]
    here, there, authorizer = ResultsCache(store, "g", time), ResultsCache(store, "g", time), Authorizer()
    authorizer.result = {**POLICY, "unread": deep}
    verdict, _ = await here.found(KEY, 60, read, authorizer)
    assert verdict is not None
    assert here.kept(KEY) is verdict
    await there.found(KEY, 60, read, authorizer)
    assert authorizer.calls == 2


async def test_a_waiter_that_goes_away_breaks_nobody_else(kept: ResultsCache):
    authorizer = Authorizer()
    authorizer.gate.clear()
    waiters = [asyncio.create_task(kept.found(KEY, 60, read, authorizer)) for _ in range(3)]
    await until(lambda: authorizer.calls)
    waiters[0].cancel()
    waiters[2].cancel()
    await asyncio.gather(waiters[0], waiters[2], return_exceptions=True)
    authorizer.gate.set()
    verdict, _ = await waiters[1]
    assert verdict is not None
    assert authorizer.calls == 1


async def test_a_call_that_nobody_waits_for_any_more_ends(kept: ResultsCache):
    authorizer = Authorizer()
    authorizer.gate.clear()
    waiters = [asyncio.create_task(kept.found(KEY, 60, read, authorizer)) for _ in range(2)]
    await until(lambda: authorizer.calls)
    for waiter in waiters:
        waiter.cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    # Whoever comes now does not wait for what is being ended.
    authorizer.gate.set()
    verdict, _ = await kept.found(KEY, 60, read, authorizer)
    assert verdict is not None
    await until(lambda: authorizer.ended == 2)


async def test_a_failure_goes_to_all_who_wait_and_is_not_kept(kept: ResultsCache):
    authorizer = Authorizer(AuthorizerFailure(detail="no"))
    ends = await asyncio.gather(*(kept.found(KEY, 60, read, authorizer) for _ in range(3)))
    assert [verdict for verdict, _ in ends] == [None] * 3
    assert authorizer.calls == 1
    assert kept.kept(KEY) is None
    authorizer.result = POLICY
    verdict, _ = await kept.found(KEY, 60, read, authorizer)
    assert verdict is not None


async def test_an_unusable_result_is_a_failure(kept: ResultsCache):
    verdict, asked = await kept.found(KEY, 60, read, Authorizer({"principalId": 1}))
    assert verdict is None
    assert asked.error is not None
    assert asked.error.response_type == "AUTHORIZER_CONFIGURATION_ERROR"
    assert (asked.status, asked.latency) == (200, 5)


async def test_what_was_asked_before_a_flush_is_not_kept_after_it(kept: ResultsCache, store: MemoryCache):
    authorizer = Authorizer()
    authorizer.gate.clear()
    waiter = asyncio.create_task(kept.found(KEY, 60, read, authorizer))
    await until(lambda: authorizer.calls)
    await kept.flush()
    authorizer.gate.set()
    verdict, _ = await waiter
    assert verdict is not None  # who asked before may have the old answer
    assert kept.kept(KEY) is None
    assert await store.get("group", KEY.hex()) is None


async def test_who_asks_after_a_flush_does_not_wait_for_a_call_of_before(kept: ResultsCache):
    authorizer, later = Authorizer(), Authorizer(DENIED)
    authorizer.gate.clear()
    waiter = asyncio.create_task(kept.found(KEY, 60, read, authorizer))
    await until(lambda: authorizer.calls)
    await kept.flush()
    verdict, _ = await kept.found(KEY, 60, read, later)
    authorizer.gate.set()
    await waiter
    assert verdict is not None
    assert verdict.principal is not None
    assert verdict.principal.id == "nobody"
    assert kept.kept(KEY) is verdict


async def test_a_store_that_is_away_costs_a_call(time: Time):
    kept, authorizer = ResultsCache(Away(time), "group", time), Authorizer()
    verdict, _ = await kept.found(KEY, 60, read, authorizer)
    assert verdict is not None
    assert kept.kept(KEY) is verdict


LIES: list[bytes] = [
    b"",
    b"nonsense",
    b"null",
    b"[]",
    b"[1]",
    b'{"a": 1}',
    b'["x", {}]',
    b"[1e12, {}]",
    b'[1e12, {"principalId": "root"}]',
    orjson.dumps([999.0, POLICY]),  # its time is over
    orjson.dumps([None, POLICY]),
    orjson.dumps([2000.0, POLICY, 1]),
    b"\xff" * 100,
    b"[" * 5_000,
]


@pytest.mark.parametrize("entry", LIES, ids=range(len(LIES)))
async def test_an_entry_that_cannot_be_used_is_as_none(kept: ResultsCache, store: MemoryCache, entry: bytes):
    """S-61: what stands in the store is not believed to be well-formed."""
    await store.put("group", KEY.hex(), entry, 60)
    authorizer = Authorizer(DENIED)
    verdict, _ = await kept.found(KEY, 60, read, authorizer)
    assert verdict is not None
    assert verdict.principal is not None
    assert (verdict.principal.id, authorizer.calls) == ("nobody", 1)


async def test_an_entry_is_not_kept_longer_than_the_authorizer_says(kept: ResultsCache, store: MemoryCache, time: Time):
    """S-61: whatever the entry says."""
    await store.put("group", KEY.hex(), orjson.dumps([1e12, POLICY]), 1e9)
    await kept.found(KEY, 60, read, Authorizer())
    time.now += 61
    assert kept.kept(KEY) is None


async def test_the_oldest_make_room(kept: ResultsCache, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(results_cache, "MOST_KEPT", 3)
    keys = [bytes([at]) * 32 for at in range(4)]
    for key in keys[:3]:
        await kept.found(key, 60, read, Authorizer())
    kept.kept(keys[0])  # used last
    await kept.found(keys[3], 60, read, Authorizer())
    assert [kept.kept(key) is not None for key in keys] == [True, False, True, True]


async def test_large_results_make_room_by_their_size(kept: ResultsCache, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(results_cache, "MOST_BYTES", 6_000)
    keys = [bytes([at]) * 32 for at in range(3)]
    for key in keys:
        await kept.found(key, 60, read, Authorizer())
    assert [kept.kept(key) is not None for key in keys] == [False, True, True]


async def test_the_size_is_right_whatever_happens(kept: ResultsCache, time: Time):
    for at in range(20):
        key = bytes([at % 5]) * 32
        if kept.kept(key) is None:
            await kept.found(key, 1 + at % 3, read, Authorizer())
        time.now += 0.7
    time.now += 10
    for at in range(5):
        kept.kept(bytes([at]) * 32)
    assert (len(kept._kept), kept._size) == (0, 0)


# ---- all stages


@pytest.fixture
def announced() -> list[str]:
    return []


def results(store: MemoryCache, time: Time, announce: Callable[[str], None] | None = None) -> Results:
    one = Results(store, time)
    one.announce = announce
    return one


async def test_a_flush_is_announced_and_heard(store: MemoryCache, time: Time, announced: list[str]):
    here, there = results(store, time, announced.append), results(store, time)
    dev_here, dev, prod = here.of("a", "dev"), there.of("a", "dev"), there.of("a", "prod")
    for kept in (dev_here, dev, prod):
        await kept.found(KEY, 60, read, Authorizer())
    assert await here.flush("a", "dev")
    assert dev_here.kept(KEY) is None
    topic, again = announced
    assert topic == again
    there.announced("definitions")
    assert dev.kept(KEY) is not None
    there.announced(topic)
    assert dev.kept(KEY) is None
    assert prod.kept(KEY) is not None
    there.announced("")  # something may have been missed
    assert prod.kept(KEY) is None


async def test_the_results_of_a_stage_go_with_it(store: MemoryCache, time: Time):
    """They may be 64 MiB, and definitions come and go."""
    one = results(store, time)
    before = one.of("a", "dev")
    await before.found(KEY, 60, read, Authorizer())
    after = one.of("a", "dev")  # its next deployment
    del before
    gc.collect()
    assert after.kept(KEY) is not None
    gone = weakref.ref(after)
    del after
    gc.collect()
    assert gone() is None
    assert not await one.flush("a", "dev")


async def test_what_a_node_was_told_just_before_a_flush_is_not_shared_after_it(store: MemoryCache, time: Time):
    """It hears of the flush some milliseconds later, when its authorizer has answered."""
    loop = asyncio.get_running_loop()
    there = results(store, time)
    here = results(store, time, lambda topic: void(loop.call_later(0.02, there.announced, topic)))
    stages = {one: one.of("a", "dev") for one in (here, there)}
    asked = Authorizer()
    asked.gate.clear()
    late = asyncio.create_task(stages[there].found(KEY, 60, read, asked))
    await until(lambda: asked.calls)
    flush = asyncio.create_task(here.flush("a", "dev"))
    await asyncio.sleep(0)
    asked.gate.set()
    assert (await late)[0] is not None
    assert await flush
    await asyncio.sleep(0.04)
    for one in (here, there):
        asked_anew = Authorizer(DENIED)
        await stages[one].found(KEY, 60, read, asked_anew)
        assert asked_anew.calls == (one is here)


def void(_: object) -> None:
    """Says that nobody wants it."""


async def test_stages_share_nothing(store: MemoryCache, time: Time):
    one = results(store, time)
    authorizer = Authorizer()
    stages = [one.of(api, stage) for api, stage in (("a", "dev"), ("a", "prod"), ("b", "dev"))]
    for kept in stages:
        await kept.found(KEY, 60, read, authorizer)
    assert authorizer.calls == 3


# ---- reading results

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ("principalId", "policyDocument", "context", "usageIdentifierKey", "expiresAt", "isAuthorized")


@given(
    result=st.dictionaries(st.sampled_from(MEMBERS), JSON) | JSON,
    form=st.builds(ResultForm, st.booleans(), st.booleans(), st.booleans()),
)
def test_whatever_is_answered_is_read_or_refused(result: Any, form: ResultForm):
    """Nothing but an AuthorizerConfigurationError comes of a bad result, and nobody is let in without being allowed."""
    try:
        principal = read_result(result, form)
    except results_cache.AuthorizerConfigurationError:
        return
    if principal is not None:
        assert isinstance(result, dict)
        assert (result.get("isAuthorized") is True) if form.simple else principal.grants is not None
        assert all(isinstance(text, str) for text in principal.context.values())


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return {**POLICY, "context": {"a": value}}


@pytest.mark.parametrize("depth", [250, 300, 900])
def test_a_context_that_no_event_could_show_is_refused(depth: int):
    with pytest.raises(results_cache.AuthorizerConfigurationError, match="nested too deeply"):
        read_result(nested(depth), ResultForm(nested=True))
    assert read_result(nested(200), ResultForm(nested=True)) is not None


async def test_a_flush_is_of_the_store_too(store: MemoryCache, time: Time):
    one = results(store, time)
    kept = one.of("a", "dev")
    await kept.found(KEY, 60, read, Authorizer())
    await one.flush("a", "dev")
    authorizer = Authorizer()
    await kept.found(KEY, 60, read, authorizer)
    assert authorizer.calls == 1
