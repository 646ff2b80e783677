"""Redis that stops, vanishes, comes back empty, flaps, or is no master any more."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.harness.machine_lag import MachineLag
from tests.harness.pace import SLOWER
from tests.harness.redis_server import RedisServer
from tests.harness.until import until
from tests.stores.redis.links import Notes, opened
from wsgw.errors import StoreUnavailable
from wsgw.stores.redis.link import Script


async def test_a_frozen_redis_fails_commands_in_time_and_never_holds_the_loop_up(own_redis: RedisServer):
    """R-05, as far as the Link goes."""
    async with opened(own_redis.url, redis_seconds=0.25) as link:
        notes = Notes(link)
        own_redis.freeze()
        with MachineLag() as machine:
            lag = asyncio.create_task(_lag())
            began = time.monotonic()
            early = [asyncio.ensure_future(_seconds(link.send("INCR", "count"))) for _ in range(1500)]
            await asyncio.sleep(0.2)
            late = asyncio.ensure_future(_seconds(link.send("PING")))
            for took in await asyncio.gather(*early, late):
                assert took < 0.5 * SLOWER + machine.worst
            assert link.away
            assert time.monotonic() - began < 0.6 * SLOWER + machine.worst

            assert link.send("PING").done()
            await asyncio.sleep(0.5)  # the probe tries meanwhile
            assert len(notes.away) == 1
            assert "in time" in notes.away[0]
            lag.cancel()
            assert await lag < 0.1 * SLOWER + machine.worst

        own_redis.thaw()
        await until(lambda: notes.back)
        assert await link.send("PING") == b"PONG"
        assert len(notes.away) == 1


async def test_a_redis_that_restarts_empty_is_found_again_and_scripts_work(own_redis: RedisServer):
    script = Script("return {KEYS[1], ARGV[1]}")
    async with opened(own_redis.url) as link:
        notes = Notes(link)
        await link.run(script, ["key"], ["value"])
        await own_redis.restart(empty=True)
        with pytest.raises(StoreUnavailable):
            await link.send("PING")
        await until(lambda: notes.back)
        assert await link.run(script, ["key"], ["value"]) == [b"key", b"value"]
        assert (len(notes.away), notes.back) == (1, 1)


async def test_commands_sent_on_return_come_before_all_others(own_redis: RedisServer):
    async with opened(own_redis.url) as link:
        notes = Notes(link)
        link.on_back.append(lambda: (link.send("RPUSH", "list", "mine"), None)[1])
        await own_redis.cli("CLIENT", "KILL", "TYPE", "normal")
        await _lost(link.send("PING"))
        while not notes.back:
            link.send("RPUSH", "list", "other")
            await asyncio.sleep(0)
        link.send("RPUSH", "list", "other")
        assert (await link.send("LRANGE", "list", 0, 0)) == [b"mine"]


async def test_one_who_is_told_and_fails_keeps_nobody_from_being_told(own_redis: RedisServer):
    async with opened(own_redis.url) as link:
        link.on_away.append(lambda reason: 1 / 0)
        link.on_back.append(lambda: 1 / 0)
        notes = Notes(link)
        await own_redis.cli("CLIENT", "KILL", "TYPE", "normal")
        await _lost(link.send("PING"))
        await until(lambda: notes.back)
        assert len(notes.away) == 1


async def test_a_flapping_redis_gets_no_storm_of_connections(own_redis: RedisServer):
    async with opened(own_redis.url) as link:
        ends = time.monotonic() + 2.5
        while time.monotonic() < ends:
            await own_redis.cli("CLIENT", "KILL", "TYPE", "normal")
            await _lost(link.send("PING"))
            await asyncio.sleep(0.01)
        # 250 deaths; pauses of 25, 50, 100 … ms on average
        assert 3 <= link.connects <= 40
        assert link.connects <= link.losses + 1


async def test_no_more_than_one_probe_knocks_at_a_dead_redis(own_redis: RedisServer):
    async with opened(own_redis.url) as link:
        await own_redis.stop()
        await _lost(link.send("PING"))
        for _ in range(200):
            await _lost(link.send("PING"))
            await asyncio.sleep(0.005)
        assert link.connects <= 40
        assert "cannot be reached" in link.reason


async def test_a_master_that_became_a_replica_is_away_until_it_is_one_again(own_redis: RedisServer):
    async with opened(own_redis.url) as link:
        notes = Notes(link)
        await own_redis.cli("REPLICAOF", "127.0.0.1", "1")
        await _lost(link.send("SET", "key", "value"))
        assert link.away
        await until(lambda: "not the master" in link.reason)
        assert not notes.back
        await own_redis.cli("REPLICAOF", "NO", "ONE")
        await until(lambda: notes.back)
        assert await link.send("SET", "key", "value") == b"OK"


async def test_a_loop_that_was_held_up_does_not_blame_redis(own_redis: RedisServer):
    async with opened(own_redis.url, redis_seconds=0.25) as link:
        waits = [asyncio.ensure_future(link.send("PING")) for _ in range(100)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(0.6)
        assert await asyncio.gather(*waits) == [b"PONG"] * 100
        assert not link.losses


async def test_a_machine_that_stood_still_does_not_blame_redis(own_redis: RedisServer):
    """Redis stood still, too, and needs a moment."""
    async with opened(own_redis.url, redis_seconds=0.5) as link:
        own_redis.freeze()
        answer = link.send("PING")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(0.9)
        asyncio.get_running_loop().call_later(0.2, own_redis.thaw)
        assert await answer == b"PONG"
        assert not link.losses


async def test_commands_that_wait_behind_slow_ones_are_given_up_in_time_and_the_next_ones_work(own_redis: RedisServer):
    async with opened(own_redis.url, redis_seconds=0.5) as link:
        busy = Script(
            "local t = redis.call('TIME') repeat local n = redis.call('TIME') until "
            "(n[1] - t[1]) * 1e6 + n[2] - t[2] > 300000"
        )
        link.run(busy, [], [])
        await until(lambda: link.batches == 3)
        # Each of these is a batch of its own, by its size.
        slow = [link.send("ECHO", b"x" * 1_000_000), link.run(busy, [], [b"x" * 1_000_000])]
        last = asyncio.ensure_future(_seconds(link.run(busy, [], [])))
        again = asyncio.ensure_future(_seconds(link.send("PING")))
        assert await slow[0]
        assert await last < SLOWER
        assert await again < SLOWER
        assert link.counts()["redis_late"]
        assert not link.away
        assert await link.send("PING") == b"PONG"


async def test_closing_while_redis_is_frozen_does_not_hang(own_redis: RedisServer):
    async with opened(own_redis.url, redis_seconds=0.25) as link:
        own_redis.freeze()
        waits = link.send("PING")
        began = time.monotonic()
        await link.close()
        assert time.monotonic() - began < SLOWER
        with pytest.raises(StoreUnavailable):
            await waits


async def test_what_waits_when_it_is_closed_is_still_sent(redis: RedisServer):
    async with opened(redis.url, redis_seconds=1) as link:
        sent = [link.send("INCR", "count") for _ in range(3000)]
        await link.close()
        assert await sent[-1] == 3000


async def _seconds(future: asyncio.Future[object]) -> float:
    began = time.monotonic()
    await _lost(future)
    return time.monotonic() - began


async def _lost(future: asyncio.Future[object]) -> None:
    try:
        await future
    except StoreUnavailable:
        pass


async def _lag() -> float:
    """The longest that the loop was held up, once cancelled."""
    worst = 0.0
    try:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            worst = max(worst, time.monotonic() - before - 0.005)
    except asyncio.CancelledError:
        return worst
