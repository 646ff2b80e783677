"""Commands over a Link: together, in order, each answer to whom it belongs."""

from __future__ import annotations

import asyncio
import gc
import logging
import random

import pytest

from tests.harness.redis_server import RedisServer
from tests.harness.until import until
from tests.stores.redis.links import opened
from wsgw.errors import StoreUnavailable
from wsgw.integrations.drive import Drive
from wsgw.stores.redis import waiting
from wsgw.stores.redis.link import Script

PUSH = Script("return redis.call('RPUSH', KEYS[1], ARGV[1])")
ECHO = Script("return ARGV[1]")


async def test_replies_come_as_redis_gives_them(redis: RedisServer):
    async with opened(redis.url) as link:
        assert await link.send("SET", "key", b"\xff\x00") == b"OK"
        assert await link.send("GET", b"key") == b"\xff\x00"
        assert await link.send("GET", "no such key") is None
        assert await link.send("INCRBY", "count", 3) == 3
        assert await link.send("HSET", "hash", "one", 1, "half", 0.5) == 2
        assert await link.send("HGETALL", "hash") == [b"one", b"1", b"half", b"0.5"]
        assert await link.run(ECHO, [], ["ünï"]) == "ünï".encode()


async def test_commands_of_one_turn_are_one_batch_and_few_packets(own_redis: RedisServer):
    async with opened(own_redis.url) as link:
        await link.run(PUSH, ["list"], ["first"])
        before = link.batches, await _reads(own_redis)
        await asyncio.gather(*(link.send("INCR", "count") for _ in range(500)))
        await asyncio.gather(*(link.run(PUSH, ["list"], [number]) for number in range(500)))
        assert link.batches - before[0] == 2
        assert await _reads(own_redis) - before[1] < 50  # 60 bytes each: some reads of 16 KiB, and ours


async def test_commands_take_effect_in_the_order_in_which_they_were_sent(redis: RedisServer):
    # Under coverage, putting so many in line takes longer than a command may usually wait.
    async with opened(redis.url, redis_seconds=1) as link:
        chance = random.Random(5)
        sent = []
        for number in range(3000):
            # The first use of a script is special on the wire, and must not be overtaken.
            if chance.random() < 0.5:
                sent.append(link.run(PUSH, ["list"], [number]))
            else:
                sent.append(link.send("RPUSH", "list", number))
            if chance.random() < 0.01:
                await asyncio.sleep(0)
        assert await asyncio.gather(*sent) == list(range(1, 3001))
        assert await link.send("LRANGE", "list", 0, -1) == [b"%d" % number for number in range(3000)]


async def test_a_script_that_redis_has_forgotten_is_sent_anew(own_redis: RedisServer):
    async with opened(own_redis.url) as link:
        assert await link.run(ECHO, [], ["one"]) == b"one"
        await own_redis.cli("SCRIPT", "FLUSH")
        assert await asyncio.gather(link.run(ECHO, [], ["two"]), link.run(ECHO, [], ["three"])) == [b"two", b"three"]
        assert not link.refused


async def test_an_error_of_redis_fails_its_command_only(redis: RedisServer):
    async with opened(redis.url) as link:
        pushed, wrong, right, script = (
            link.send("LPUSH", "list", "x"),
            link.send("GET", "list"),
            link.send("SET", "text", "value"),
            link.run(PUSH, ["text"], ["x"]),
        )
        assert await pushed == 1
        with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
            await wrong
        assert await right == b"OK"
        with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
            await script
        with pytest.raises(StoreUnavailable, match="unknown command"):
            await link.send("NOSUCH")
        assert link.refused == {"WRONGTYPE": 2, "ERR": 1}
        assert not link.away


async def test_a_full_redis_refuses_writes_and_answers_reads():
    async with RedisServer("--maxmemory-policy", "noeviction") as redis, opened(redis.url) as link:
        await link.send("SET", "key", "value")
        await redis.cli("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            await link.send("SET", "more", "x")
        assert await link.send("GET", "key") == b"value"
        assert link.refused["OOM"]
        assert not link.away


async def test_a_future_that_nobody_awaits_says_nothing(redis: RedisServer, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.ERROR)
    async with opened(redis.url) as link:
        link.send("NOSUCH")
        await link.send("PING")
        gc.collect()
    link.send("PING")  # closed
    gc.collect()
    assert not caplog.records


async def test_a_coroutine_without_a_task_may_wait_for_it(redis: RedisServer):
    async with opened(redis.url) as link:
        got: list[bytes] = []

        async def work() -> None:
            got.append(await link.send("ECHO", "driven"))

        Drive(work(), lambda drive: None).step()
        await until(lambda: got)
        assert got == [b"driven"]


async def test_a_large_burst_goes_out_in_bounded_batches(redis: RedisServer):
    async with opened(redis.url) as link:
        before = link.batches
        await asyncio.gather(*(link.send("SET", f"key {number}", b"x" * 100_000) for number in range(100)))
        assert 10 <= link.batches - before <= 12


async def test_what_waits_is_bounded(own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waiting, "WAITING", 10)
    async with opened(own_redis.url) as link:
        futures = [link.send("PING") for _ in range(12)]
        done = await asyncio.gather(*futures, return_exceptions=True)
        assert done[:10] == [b"PONG"] * 10
        assert all(isinstance(one, StoreUnavailable) for one in done[10:])
        assert link.counts()["redis_late"] == 2


@pytest.mark.parametrize("cancellations", [2000, pytest.param(50_000, marks=pytest.mark.soak)])
async def test_cancelled_waiters_disturb_no_others(redis: RedisServer, cancellations: int):
    """R-26: a nonce in each command; no answer goes to another caller, and no connection is lost."""
    chance = random.Random(26)
    async with opened(redis.url) as link:
        done = cancelled = 0

        async def one(nonce: str) -> None:
            nonlocal done
            answer = link.send("ECHO", nonce) if chance.random() < 0.5 else link.run(ECHO, [], [nonce])
            assert await answer == nonce.encode()
            done += 1

        while cancelled < cancellations:
            tasks = [asyncio.ensure_future(one(f"{cancelled} {number}")) for number in range(400)]
            for task in chance.sample(tasks, 200):
                for _ in range(chance.randrange(3)):
                    await asyncio.sleep(0)
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, asyncio.CancelledError):
                    cancelled += 1
                elif outcome is not None:
                    raise outcome
        assert done > cancelled / 10
        assert link.connects == 1
        assert not link.losses


async def _reads(redis: RedisServer) -> int:
    return int((await redis.cli("INFO", "stats"))["total_reads_processed"])
