"""A subscription that stays, and says when something may have been missed."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet
from tests.harness.until import until
from tests.stores.redis.links import Notes, opened
from wsgw.stores.redis.link import Link, Subscription


def listen(link: Link, channel: str = "channel", **options: bool) -> tuple[Subscription, Notes]:
    notes = Notes()
    return link.subscribe(channel, notes.messages.append, notes.subscribed.append, **options), notes


async def test_messages_arrive_in_order_and_publish_counts_receivers(redis: RedisServer):
    async with opened(redis.url) as link:
        assert await link.publish("channel", b"nobody") == 0
        _, one = listen(link)
        _, other = listen(link)
        await until(lambda: one.subscribed and other.subscribed)
        for count in await asyncio.gather(*(link.publish("channel", b"\xff%d" % number) for number in range(3000))):
            assert count == 2
        await until(lambda: len(one.messages) == len(other.messages) == 3000)
        assert one.messages == other.messages == [b"\xff%d" % number for number in range(3000)]
        assert one.subscribed == [True]


async def test_a_killed_connection_is_a_gap_that_is_told(own_redis: RedisServer):
    """R-04, as far as the Link goes."""
    async with opened(own_redis.url) as link:
        subscription, notes = listen(link)
        await until(lambda: notes.subscribed)
        for kill in range(1, 4):
            assert await own_redis.kill_pubsub() == 1
            await until(lambda seen=kill + 1: len(notes.subscribed) == seen)
            assert subscription.alive
        assert notes.subscribed == [True, False, False, False]
        assert await link.publish("channel", b"after") == 1
        await until(lambda: notes.messages == [b"after"])
        assert not link.losses


async def test_it_is_not_alive_while_redis_is_down_and_comes_back_by_itself(own_redis: RedisServer):
    async with opened(own_redis.url) as link:
        subscription, notes = listen(link)
        await until(lambda: notes.subscribed)
        await own_redis.stop()
        await until(lambda: not subscription.alive)
        await own_redis.restart()
        await until(lambda: subscription.alive)
        assert notes.subscribed == [True, False]


async def test_dropping_a_connection_that_is_deaf_subscribes_over_another(own_redis: RedisServer):
    async with opened(own_redis.url) as link:
        subscription, notes = listen(link)
        await until(lambda: notes.subscribed)
        own_redis.freeze()
        subscription.drop()
        assert not subscription.alive
        own_redis.thaw()
        await until(lambda: subscription.alive)
        assert notes.subscribed == [True, False]
        await until_async(lambda: link.publish("channel", b"once"), 1)
        await until(lambda: notes.messages == [b"once"])


async def test_a_flapping_redis_gets_no_storm_of_subscriptions(own_redis: RedisServer):
    async with opened(own_redis.url) as link:
        _, notes = listen(link)
        before = link.connects
        ends = time.monotonic() + 2.5
        while time.monotonic() < ends:
            await own_redis.kill_pubsub()
            await asyncio.sleep(0.01)
        assert len(notes.subscribed) > 1
        assert link.connects - before <= 40


async def test_a_closed_one_hears_nothing_and_leaves_no_connection(own_redis: RedisServer):
    async with opened(own_redis.url) as link:
        subscription, notes = listen(link)
        await until(lambda: notes.subscribed)
        await subscription.close()
        assert not subscription.alive
        await until_async(lambda: link.publish("channel", b"late"), 0)
        assert notes.messages == []


async def test_it_may_be_closed_before_it_has_begun(own_redis: RedisServer):
    async with opened(own_redis.url) as link:
        subscription, notes = listen(link)
        await subscription.close()
        await subscription.close()
        assert notes.subscribed == []


async def test_a_listener_that_fails_hears_the_next_message(redis: RedisServer, caplog: pytest.LogCaptureFixture):
    async with opened(redis.url) as link:
        messages: list[bytes] = []
        subscribed: list[bool] = []

        def take(message: bytes) -> None:
            messages.append(message)
            raise ValueError("cannot read that")

        link.subscribe("channel", take, subscribed.append)
        await until(lambda: subscribed)
        await asyncio.gather(link.publish("channel", b"one"), link.publish("channel", b"two"))
        await until(lambda: messages == [b"one", b"two"])
        assert "could not be taken" in caplog.text


async def test_on_a_cluster_a_sharded_one_hears_sharded_messages_wherever_its_slot_is(redis_cluster: RedisClusterSet):
    async with opened(redis_cluster.url) as link:
        heard = []
        for number in range(12):
            _, notes = listen(link, f"{{{number}}}:bus")
            heard.append(notes)
        await until(lambda: all(notes.subscribed for notes in heard))
        counts = await asyncio.gather(*(link.publish(f"{{{number}}}:bus", b"%d" % number) for number in range(12)))
        assert counts == [1] * 12
        await until(lambda: all(notes.messages for notes in heard))
        assert [notes.messages for notes in heard] == [[b"%d" % number] for number in range(12)]


async def test_on_a_cluster_one_for_announcements_hears_them_from_any_node(redis_cluster: RedisClusterSet):
    async with opened(redis_cluster.url) as link:
        _, one = listen(link, "announcements", sharded=False)
        _, other = listen(link, "announcements", sharded=False)
        await until(lambda: one.subscribed and other.subscribed)
        await link.send("PUBLISH", "announcements", b"news")
        await until(lambda: one.messages == other.messages == [b"news"])


async def until_async(count: object, expected: int) -> None:
    """Ask until the receivers are as many as expected."""
    async with asyncio.timeout(5 * SLOWER):
        while await count() != expected:  # type: ignore[operator]
            await asyncio.sleep(0.005)
