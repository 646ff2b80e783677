"""S-61: whatever somebody else publishes in the channels of gateways, they live, count it, and serve their own."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.hostility import KEYS, counted, lives, name_of, names, reach_each_other
from tests.cluster.steps import push_elsewhere
from tests.harness.cluster import ClusterUnderTest
from tests.harness.fleet import Client
from tests.harness.history import Closed
from tests.harness.redis_server import RedisServer
from tests.harness.until import until
from wsgw.stores.base import Question
from wsgw.stores.redis.wire import Announcement, Batch, Wire

SECRET = "what the nodes share"
#: Well-formed but for its version, which is not ours.
OF_ANOTHER_VERSION = b"\x02" + Wire("").write("", Announcement("definitions"))[1:]


class Bomb:
    def __reduce__(self) -> Any:
        return (print, ("unpickled",))


NO_MESSAGES = [
    b"\x01",
    b"not a message",
    b"\x01\x00",
    b"\x01\x00\xc1",
    b"\x01\x00" + b"\x91" * 5000,
    b"\x01\x01" + b"x" * 8,
    pickle.dumps(Bomb()),
    b"\x01\x00" + json.dumps(["definitions"]).encode(),
    OF_ANOTHER_VERSION,
    b"\x01\x00" + b"x" * 17_000_000,
]


def question(cluster: ClusterUnderTest, client: Client, sequence: int = 1) -> tuple[str, Batch]:
    """A push to `client` as the other node would ask for it, and the channel to send it on."""
    asked = (1, Question("POST", client.id, "", b'{"forged":true}'))
    return KEYS.channel(name_of(client)), Batch(names(cluster)[0], 4711, sequence, 1.0, 60.0, [asked])


@pytest.mark.parametrize("secret", ["", SECRET], ids=["without a secret", "with a secret"])
async def test_what_is_no_message_is_counted(own_redis: RedisServer, tmp_path: Path, secret: str):
    options = ("--cluster-secret", secret) if secret else ()
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2, *options) as cluster:
        await cluster.connect(4)
        for channel in (*map(KEYS.channel, names(cluster)), KEYS.announcements):
            for data in NO_MESSAGES:
                assert await own_redis.cli("PUBLISH", channel, data) == (2 if channel == KEYS.announcements else 1)
        await lives(cluster)
        # Those of another version, and those that are too long, are not looked at for a signature.
        forged = 2 * sum(data[:2] in (b"\x01\0", b"\x01\1") and len(data) < 1_000_000 for data in NO_MESSAGES)
        expected = {"garbage": 2 * len(NO_MESSAGES) - (forged if secret else 0), "forged": forged if secret else 0}
        for kind, number in expected.items():
            await counted(cluster.nodes, f"wsgw_bus_{kind}_total", number)
            assert [await node.metric(f"wsgw_bus_{kind}_total") for node in cluster.nodes] == [number] * 2
        assert (await push_elsewhere(cluster)).status == 200
        assert await cluster.verdict(own_redis) == []


async def test_without_a_secret_whoever_writes_to_redis_can_push(own_redis: RedisServer, tmp_path: Path):
    """As docs/operations.md says: this is what the secret is for."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2) as cluster:
        await cluster.connect(2)
        (client,) = cluster.clients_of(cluster.nodes[1])
        channel, batch = question(cluster, client)
        await own_redis.cli("PUBLISH", channel, Wire("").write(channel, batch))
        await until(lambda: client.replies == [b'{"forged":true}'])
        await lives(cluster)


async def test_with_a_secret_what_is_forged_is_neither_done_nor_answered(own_redis: RedisServer, tmp_path: Path):
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2, "--cluster-secret", SECRET) as cluster:
        await cluster.connect(2)
        (client,) = cluster.clients_of(cluster.nodes[1])
        channel, batch = question(cluster, client)
        other_channel = KEYS.channel(names(cluster)[0])
        for data in (
            Wire("").write(channel, batch),
            Wire("another secret").write(channel, batch),
            Wire(SECRET).write(other_channel, batch),  # to the other node, it said
            Wire(SECRET).write(channel, batch)[:-1] + b"\0",
        ):
            await own_redis.cli("PUBLISH", channel, data)
        await own_redis.cli("PUBLISH", KEYS.announcements, Wire("").write(KEYS.announcements, Announcement("x")))
        await counted(cluster.nodes[1:], "wsgw_bus_forged_total", 5)
        await counted(cluster.nodes[:1], "wsgw_bus_forged_total", 1)
        await lives(cluster)
        assert b'{"forged":true}' not in client.replies
        assert (await push_elsewhere(cluster)).status == 200


async def test_with_a_secret_what_was_overheard_is_done_once(own_redis: RedisServer, tmp_path: Path):
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2, "--cluster-secret", SECRET) as cluster:
        await cluster.connect(2)
        (client,) = cluster.clients_of(cluster.nodes[1])
        channel = KEYS.channel(name_of(client))
        async with own_redis.client() as listening, listening.pubsub() as heard:
            await heard.subscribe(channel)
            assert (await push_elsewhere(cluster)).status == 200
            messages = []
            while not any(client.id.encode() in data for data in messages):
                if (message := await heard.get_message(ignore_subscribe_messages=True, timeout=1)) is not None:
                    messages.append(message["data"])
        for data in messages:
            assert await own_redis.cli("PUBLISH", channel, data) == 1
        await counted(cluster.nodes[1:], "wsgw_bus_stale_total", 1)
        await lives(cluster)
        assert client.replies.count(b"{}") == 2  # the push, and the one that `lives` has sent


async def test_a_message_of_50_mb_is_nothing_that_a_node_waits_for(own_redis: RedisServer, tmp_path: Path):
    """Redis ends the subscription of whoever has more than 32 MB to read: the node subscribes anew."""
    async with ClusterUnderTest(tmp_path, [own_redis.url] * 2, lease=3) as cluster:
        await cluster.connect(4)
        for name in names(cluster):
            await own_redis.cli("PUBLISH", KEYS.channel(name), b"x" * 50_000_000)
        await lives(cluster)
        await reach_each_other(cluster)
        assert not [event for event in cluster.history if isinstance(event, Closed)]
        assert await cluster.verdict(own_redis) == []
