"""What API keys cost: the look-up among 100,000 of them, the step with a plan's limits, and a ring made anew.

    python loadtest/micro/api_keys.py

Stores are those of one process: with Redis each limit and each quota is a round trip more, shared by all that goes out
in one turn of the loop.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtest.micro.mappings import request
from wsgw.authorizers.access import Access
from wsgw.authorizers.key_ring import KeyRing
from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.usage import ApiKey, PlanStage, QuotaSettings, UsagePlan
from wsgw.header_fields import HeaderFields
from wsgw.invocation import HttpInvocation
from wsgw.pipeline.meter import header_of_request, meter
from wsgw.pipeline.run import Step
from wsgw.stores.memory import MemoryThrottle
from wsgw.stores.memory_cache import MemoryCache
from wsgw.stores.memory_quota import MemoryQuota

KEYS = 100_000
WHERE = ("pets", "dev")
STAGES = (PlanStage(api_id="pets", stage="dev"),)
LIMIT = ThrottleSettings(rate_limit=1e9, burst_limit=1_000_000_000)
PLANS = {
    "a key of a plan without limits": UsagePlan(id="free", stages=STAGES),
    "with a limit of the key": UsagePlan(id="limited", stages=STAGES, throttle=LIMIT),
    "with a limit and a quota": UsagePlan(
        id="counted", stages=STAGES, throttle=LIMIT, quota=QuotaSettings(limit=2**50, period="MONTH")
    ),
}


def keys() -> list[ApiKey]:
    return [ApiKey(id=f"key{number}", value=secrets.token_hex(20)) for number in range(KEYS)]


def milliseconds(make: Callable[[], object], times: int = 7) -> float:
    """The median of several runs."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        kept = make()
        took.append(1000 * (time.perf_counter() - began))
        del kept
    return sorted(took)[times // 2]


async def microseconds(step: Step, invocations: list[HttpInvocation], runs: int = 7) -> float:
    """A step's time, the median of several runs over all `invocations`."""
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        for invocation in invocations:
            await step(invocation)
        took.append(1e6 * (time.perf_counter() - began) / len(invocations))
    return sorted(took)[runs // 2]


def with_key(key: ApiKey) -> HttpInvocation:
    invocation = request()
    invocation.fields = HeaderFields([*invocation.fields.lines, ("x-api-key", key.value)])
    return invocation


async def main() -> None:
    made = keys()
    ids = tuple(key.id for key in made)
    plan = UsagePlan(id="gold", stages=STAGES, keys=ids, throttle=LIMIT)
    print(f"{KEYS:,} keys in one plan")
    print(f"  made anew          {milliseconds(lambda: KeyRing(made, [plan])):8.1f} ms")
    ring, some = KeyRing(made, [plan]), [key.value for key in made[:: KEYS // 10_000]]

    def look_up() -> None:
        for value in some:
            ring.find(value)

    print(f"  looked up          {1000 * milliseconds(look_up) / len(some):8.3f} µs")
    asked = [with_key(key) for key in made[:: KEYS // 2_000]]
    for name, one in PLANS.items():
        access = Access(MemoryCache(time.monotonic), MemoryQuota(), MemoryThrottle(time.monotonic), time.time)
        access.admit_keys(made, [UsagePlan(id=one.id, stages=STAGES, keys=ids, throttle=one.throttle, quota=one.quota)])
        took = await microseconds(meter(access, header_of_request, WHERE, "GET /pets"), asked)
        print(f"  {name:32} {took:8.2f} µs")
        await access.usage.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
