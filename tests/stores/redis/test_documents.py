"""Documents and counters in Redis, beyond their contract: a Redis Cluster, Redis away, keys of another type."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet
from wsgw.errors import StoreUnavailable
from wsgw.settings import Settings
from wsgw.stores.document_store import document_store
from wsgw.stores.redis.documents import RedisDocuments
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.quota import RedisQuota

KEYS = Keys("test")


@pytest.fixture
async def link(own_redis: RedisServer) -> AsyncIterator[Link]:
    one = Link(Settings(redis=own_redis.url, redis_seconds=1))
    await one.open()
    yield one
    await one.close()


@pytest.mark.slow
async def test_on_a_redis_cluster_documents_and_counters_work_as_on_one_server(redis_cluster: RedisClusterSet):
    settings = Settings(redis=redis_cluster.url)
    async with document_store(settings) as store:
        assert await store.documents.write("api", {f"api{n}": b"%d" % n for n in range(100)}) == 1
        assert await store.documents.write("accessKey", {"AKID": b"key"}) == 2
        assert await store.documents.all("api") == {f"api{n}": b"%d" % n for n in range(100)}
        await store.announce("definitions")
    link = Link(settings)
    await link.open()
    quota = RedisQuota(link, KEYS)
    await asyncio.gather(*(quota.add(f"key{n}", "2026-11", n, time.time() + 60) for n in range(50)))
    assert await quota.used([f"key{n}" for n in range(50)], "2026-11") == {f"key{n}": n for n in range(50)}
    await link.close()


async def test_while_redis_does_not_answer_both_are_unavailable_in_less_than_a_second(
    own_redis: RedisServer, link: Link
):
    documents, quota = RedisDocuments(link, KEYS), RedisQuota(link, KEYS)
    await documents.write("api", {"chat": b"1"})
    own_redis.freeze()
    began = time.monotonic()
    for asked in (
        documents.all("api"),
        documents.write("api", {}),
        quota.add("key", "p", 1, 2e9),
        quota.used("k", "p"),
    ):
        with pytest.raises(StoreUnavailable):
            await asked
    assert time.monotonic() - began < SLOWER
    own_redis.thaw()


async def test_keys_of_another_type_are_unavailable_and_stay_as_they_are(own_redis: RedisServer, link: Link):
    documents = RedisDocuments(link, KEYS)
    await own_redis.cli("SET", KEYS.documents("api"), "somebody else's")
    for asked in (documents.all("api"), documents.write("api", {"chat": b"1"})):
        with pytest.raises(StoreUnavailable):
            await asked
    assert await own_redis.cli("GET", KEYS.documents("api")) == "somebody else's"
    assert await documents.revision() == 0


async def test_every_counter_expires(own_redis: RedisServer, link: Link):
    quota = RedisQuota(link, KEYS)
    await asyncio.gather(*(quota.add(f"key{n}", "2026-11", 1, time.time() + 60) for n in range(20)))
    assert {0 < await own_redis.cli("TTL", key) <= 61 for key in await own_redis.cli("KEYS", "*")} == {True}
