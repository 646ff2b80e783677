"""What strangers can make a node remember: tokens, addresses and signatures that they make up, 100,000 of each."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import orjson
import pytest

from tests.authorizers.sigv4_signing import KEY, NOW, sign, with_header
from tests.harness.authorizers import policy
from tests.harness.memory import resident
from wsgw.authorizers import results_cache
from wsgw.authorizers.iam import SignatureVerifier, UsedSignatures
from wsgw.authorizers.results import ResultForm, read_result
from wsgw.authorizers.results_cache import Asked, ResultsCache
from wsgw.definitions.access import AccessKey, ThrottleSettings
from wsgw.errors import GatewayError
from wsgw.firewall.rates import MOST_KEYS, Rate
from wsgw.stores.memory import MemoryThrottle
from wsgw.stores.memory_cache import MemoryCache

MANY = 100_000
MB = 1024 * 1024
MANY_RESOURCES = [f"arn:aws:execute-api:us-east-1:000000000000:pets/dev/GET/*/a{number}" for number in range(80)]


async def grown(act: Callable[[int], Awaitable[Any]], many: int = MANY) -> int:
    """By how much this process grows while `act` is done so often, the first thousand not counted."""
    for number in range(1_000):
        await act(number)
    gc.collect()
    before = resident()
    for number in range(1_000, many):
        await act(number)
    gc.collect()
    return resident() - before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("result", "many", "room", "most"),
    [
        pytest.param(policy("Deny"), MANY, results_cache.MOST_BYTES, 160 * MB, id="small", marks=pytest.mark.soak),
        # A quarter of the room, for it takes seconds to fill.
        pytest.param(policy("Allow", MANY_RESOURCES), 5_000, results_cache.MOST_BYTES // 4, 65 * MB, id="large"),
    ],
)
async def test_tokens_whose_results_are_kept(
    result: dict[str, Any], many: int, room: int, most: int, monkeypatch: pytest.MonkeyPatch
):
    """On one node: what is compiled, and behind it what nodes would share."""
    monkeypatch.setattr(results_cache, "MOST_BYTES", room)
    document = orjson.dumps(result)
    cache = ResultsCache(MemoryCache(lambda: 0.0, most_bytes=room), "authorizer/pets/dev", lambda: 0.0)
    read = partial(read_result, form=ResultForm())

    async def ask() -> Asked:
        return Asked(orjson.loads(document), len(document), 200)

    assert await grown(lambda _: cache.found(os.urandom(32), 300, read, ask), many) < most


@pytest.mark.slow
async def test_addresses_that_are_throttled():
    throttle, limit = MemoryThrottle(lambda: 0.0), ThrottleSettings(rate_limit=0.001, burst_limit=5)
    assert (
        await grown(lambda number: throttle.take(f"source/pets/dev/2001:db8:{number:x}::/64", limit), 2 * MANY)
        < 60 * MB
    )
    assert len(throttle._buckets) <= MANY


@pytest.mark.slow
async def test_addresses_that_a_rate_based_rule_counts():
    rate = Rate("r", 100, 300, lambda: 0.0)

    async def exceeded(number: int) -> bool:
        return rate.exceeded((number.to_bytes(16, "big"),))

    assert await grown(exceeded) < 10 * MB
    assert len(rate) <= MOST_KEYS


@pytest.mark.slow
async def test_signatures_of_nobody_are_not_remembered():
    """Nor the keys, regions and dates that they name."""
    used = UsedSignatures()
    checked = SignatureVerifier({KEY.access_key_id: KEY}.get, now=lambda: NOW, used=used)
    request = sign("GET", body=b"")
    line = next(value for name, value in request.headers if name.lower() == "authorization")

    async def verify(number: int) -> None:
        made_up = line.replace("us-east-1", f"r-{number}").replace(KEY.access_key_id, f"AKID{number}")
        with pytest.raises(GatewayError):
            checked.verify(with_header(request, "Authorization", made_up))

    assert await grown(verify, 20_000) < 5 * MB
    assert used._until == {}
    assert len(checked._signing_keys) <= 1_024


def test_a_head_full_of_signed_headers_costs_no_more_than_its_size():
    """A header of 4,000 bytes, named 2,500 times: ten megabytes to hash, for a request of ten kilobytes, of anybody."""
    key = AccessKey(access_key_id="AKIDNOBODY", secret="s")
    request = sign("GET", "/a//b%20c?d=%41+e", body=b"", headers={"X-Custom": "z" * 4_000}, key=key)
    line = next(value for name, value in request.headers if name.lower() == "authorization")
    many = with_header(request, "Authorization", line.replace("x-custom", ";".join(["x-custom"] * 2_500)))
    checked = SignatureVerifier({}.get, now=lambda: NOW)

    def cost(one: Any) -> float:
        began = time.process_time()
        for _ in range(5):
            with pytest.raises(GatewayError):
                checked.verify(one)
        return time.process_time() - began

    cost(request)
    assert min(cost(many) for _ in range(3)) < 20 * min(cost(request) for _ in range(3))
