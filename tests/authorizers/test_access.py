"""What outlives deployments, and for how long."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from wsgw.authorizers.access import Access
from wsgw.definitions.access import AccessKey
from wsgw.definitions.usage import ApiKey, PlanStage, UsagePlan
from wsgw.stores.memory import MemoryThrottle
from wsgw.stores.memory_cache import MemoryCache
from wsgw.stores.memory_quota import MemoryQuota


class Thing:
    """Something that a deployment has made."""


@pytest.fixture
def access() -> Access:
    return Access(MemoryCache(), MemoryQuota(), MemoryThrottle(), lambda: 1_000.0)


def test_what_is_kept_is_made_once_and_stays(access: Access):
    first = id(access.kept("key", Thing))
    gc.collect()
    assert id(access.kept("key", list)) == first
    assert access.kept("other", list) == []


def test_what_is_shared_is_made_once_and_goes_with_the_last_who_uses_it(access: Access):
    first = access.shared("key", Thing)
    assert access.shared("key", Thing) is first
    del first
    gc.collect()
    assert len(access._shared) == 0
    assert isinstance(access.shared("key", Thing), Thing)


def test_what_was_admitted_takes_the_place_of_all_before(access: Access):
    access.admit([AccessKey(access_key_id=name, secret="s") for name in ("a", "b")])
    access.admit([AccessKey(access_key_id="b", secret="s")])
    assert set(access.access_keys) == {"b"}
    plan = UsagePlan(id="p", name="p", stages=(PlanStage(api_id="api", stage="prod"),), keys=("k",))
    access.admit_keys([ApiKey(id="k", name="k", value="v" * 20)], [plan])
    held = access.key_ring.find("v" * 20)
    assert held is not None
    assert ("api", "prod") in held.stages
    access.admit_keys([], [])
    assert access.key_ring.find("v" * 20) is None
    assert (access.api_keys, access.usage_plans) == ({}, {})


async def test_what_was_begun_ends_with_the_node(access: Access):
    ended: list[Any] = []

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("work")

    access.begin(work())
    await asyncio.sleep(0)
    await access.close()
    assert ended == ["work"]
