"""S-61: whatever somebody else writes to the keys of gateways, they live, count it, and serve their own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.cluster.hostility import KEYS, lives, names, reach_each_other, said
from tests.harness.cluster import ClusterUnderTest
from tests.harness.history import Closed
from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.serving import DidNotStart, serving
from tests.harness.until import until
from wsgw.stores.redis.wire import Announcement, Wire


def of_the_first(key: str, cluster: ClusterUnderTest) -> str:
    """A key by its name in Keys: that of the first node, where it is a node's."""
    if key in ("nodes", "revision", "announcements"):
        return str(getattr(KEYS, key))
    if key in ("api", "accessKey", "managementToken"):
        return KEYS.documents(key)
    return str(getattr(KEYS, key)(names(cluster)[0]))


OWN = ["nodes", "lease", "open", "owed"]
SHARED = ["revision", "announcements", "api", "accessKey", "managementToken"]


@pytest.mark.slow
async def test_keys_of_another_type_are_replaced_or_left_alone(own_redis: RedisServer, tmp_path: Path):
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2) as cluster:
        await cluster.connect(4)
        for key in (*OWN, *SHARED):
            name = of_the_first(key, cluster)
            await own_redis.cli("DEL", name)
            await own_redis.cli("RPUSH", name, "x", "y")
            await cluster.connect(2)
            await lives(cluster)
            await reach_each_other(cluster)
            async with asyncio.timeout(5 * SLOWER):
                while key in OWN and await own_redis.cli("TYPE", name) == "list":
                    await asyncio.sleep(0.02)
            if key in OWN:
                await cluster.rebuilt(own_redis, 5)
        assert not [event for event in cluster.history if isinstance(event, Closed)]
        assert sum([await node.metric("wsgw_redis_refused_total") for node in cluster.nodes]) > 0
        assert await cluster.verdict(own_redis) == []


@pytest.mark.parametrize("key", ["fence", "fallen"])
async def test_whoever_can_write_a_fence_can_have_a_node_begin_anew_but_not_end(
    own_redis: RedisServer, tmp_path: Path, key: str
):
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2) as cluster:
        await cluster.connect(4)
        fenced = cluster.clients_of(cluster.nodes[0])
        cluster.nodes[0].is_lost()
        await own_redis.cli("RPUSH", of_the_first(key, cluster), "x")
        await until(lambda: all(client.ended for client in fenced))
        assert {event.code for event in cluster.history if isinstance(event, Closed)} == {1012}
        await said(cluster.nodes[0], "joined again as node")
        await cluster.connect(2, cluster.nodes[0])
        await lives(cluster)
        await reach_each_other(cluster)


@pytest.mark.slow
async def test_values_of_50_mb_do_not_keep_nodes_from_serving(own_redis: RedisServer, tmp_path: Path):
    huge = b"x" * 50_000_000
    definitions = Wire("").write(KEYS.announcements, Announcement("definitions"))
    # Redis itself takes 150 ms, and more where it has no core of its own, to look at one.
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2, "--redis-seconds", "1", lease=5) as cluster:
        await cluster.connect(4)
        for key in ("nodes", "open", "owed"):
            await own_redis.cli("HSET", of_the_first(key, cluster), "huge", huge)
            await lives(cluster)
        async with asyncio.timeout(5 * SLOWER):
            while await own_redis.cli("HLEN", KEYS.nodes) > 2:
                await asyncio.sleep(0.1)
        for number, key in enumerate(("api", "accessKey"), 1):
            await own_redis.cli("HSET", of_the_first(key, cluster), "huge", huge)
            await own_redis.cli("INCR", KEYS.revision)
            await own_redis.cli("PUBLISH", KEYS.announcements, definitions)
            for node in cluster.nodes:
                await said(node, f"{of_the_first(key, cluster)} huge in Redis is larger than any document")
            await lives(cluster)
            await own_redis.cli("DEL", of_the_first(key, cluster))
            # What is read again, and is no other than before, would not be deployed.
            api_key = f'{{"id": "k{number}", "value": "a-value-of-its-own-{number}", "enabled": true}}'
            await own_redis.cli("HSET", KEYS.documents("apiKey"), f"k{number}", api_key.encode())
            await own_redis.cli("INCR", KEYS.revision)
            await own_redis.cli("PUBLISH", KEYS.announcements, definitions)
            for node in cluster.nodes:
                await said(node, "wsgw: deployed", number)
        await own_redis.cli("SET", KEYS.revision, huge)
        await own_redis.cli("PUBLISH", KEYS.announcements, definitions)
        for node in cluster.nodes:
            await said(node, "is no number")
        await cluster.connect(2)
        await lives(cluster)
        await own_redis.cli("DEL", KEYS.revision)
        await reach_each_other(cluster, 10)
        # Whoever lists connections finds what is none, and removes it.
        async with asyncio.timeout(10 * SLOWER):
            while (await cluster.nodes[1].get("/connections"))[0] != 200:
                await asyncio.sleep(0.1)
        await cluster.rebuilt(own_redis, 10)
        assert not [event for event in cluster.history if isinstance(event, Closed)]
        assert await cluster.verdict(own_redis) == []


async def test_a_node_joins_although_the_list_of_nodes_is_no_list(own_redis: RedisServer, tmp_path: Path):
    await own_redis.cli("SET", KEYS.nodes, "x")
    async with ClusterUnderTest(tmp_path, [own_redis.url]) as cluster:
        await cluster.connect(1)
        await lives(cluster)
        assert await own_redis.cli("TYPE", KEYS.nodes) == "hash"


# ---- definitions

DOCUMENTS = {
    "no JSON": "{",
    "of another API": '{"apiId": "other"}',
    "a list": "[1, 2]",
    "no definition": '{"apiId": "chat", "protocolType": 7, "routes": "none"}',
}


@pytest.mark.slow
async def test_documents_that_are_none_leave_what_is_served(own_redis: RedisServer, tmp_path: Path):
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2) as cluster:
        await cluster.connect(4)
        for number, body in enumerate(DOCUMENTS.values()):
            await own_redis.cli("HSET", KEYS.documents("api"), f"chat{number}", body)
        await own_redis.cli("HSET", KEYS.documents("accessKey"), "AKID", b"\xff\xff")
        await own_redis.cli("INCR", KEYS.revision)
        for node in cluster.nodes:
            await said(node, "the stored document cannot be read", len(DOCUMENTS) + 1)
        await lives(cluster)
        await own_redis.cli("SET", KEYS.revision, "no number")
        for node in cluster.nodes:
            await said(node, "revision in Redis is no number")
        await lives(cluster)
        assert not [event for event in cluster.history if isinstance(event, Closed)]


@pytest.mark.parametrize(
    ("kind", "key", "words"),
    [
        ("SET", KEYS.revision, "is no number"),
        ("SET", KEYS.documents("api"), "WRONGTYPE"),
        ("HSET", KEYS.documents("api"), "the stored document cannot be read"),
    ],
)
async def test_a_node_that_starts_says_which_documents_are_none(
    own_redis: RedisServer, kind: str, key: str, words: str, tmp_path: Path
):
    await own_redis.cli(kind, key, *(["chat"] if kind == "HSET" else []), "no JSON")
    file = tmp_path / "none.yaml"
    file.write_text("apis: {}")
    with pytest.raises(DidNotStart) as ended:
        async with serving(file, "--redis", own_redis.url):
            pass
    assert (ended.value.code, words in ended.value.said) == (1, True)
    assert "Traceback" not in ended.value.said
