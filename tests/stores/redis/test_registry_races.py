"""R-23: whatever the order in which nodes act, a connection is never both live and told as gone.

The scripts and the judgement are the real ones, on a real Redis; a seeded schedule decides who moves next, how long it
stood still before, and what it had seen by then.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.harness.redis_server import RedisServer
from tests.stores.redis.links import opened
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.registry_scripts import (
    BEAT,
    CLAIM,
    FENCED,
    FINISH,
    GONE,
    HOLD,
    LEFT,
    OPEN,
    RENEW,
    SCAN,
    TAKE,
    WRITE,
)
from wsgw.stores.redis.watch import Watch

LEASE = 3
TTL = 60_000


class Actor:
    """A node whose every command is one step of the schedule; `yield` hands over to others."""

    def __init__(self, world: World, name: str, number: int) -> None:
        self.world = world
        self.keys = world.keys
        self.name = name
        self.token = f"{number:016d}"
        self.live: set[str] = set()
        self.beats = 0
        self.fenced = False
        self.renewed = 0.0
        self.watch = Watch(LEASE, LEFT)

    def book(self, node: str, guard: str) -> list[str]:
        return [guard, self.keys.open(node), self.keys.owed(node)]

    def life(self) -> Iterator[tuple[object, ...]]:
        """Steps: each gives the script to run, and is sent the answer."""
        world, random = self.world, self.world.random
        yield CLAIM, self.keys.of_node(self.name), [f"{self.token} 0", TTL]
        while not self.fenced:
            if random.random() < 0.5:
                id = f"{self.name}-{len(world.opened)}"
                world.opened.append(id)
                guard = self.keys.lease(self.name)
                written = yield WRITE, self.book(self.name, guard), [self.token, OPEN, id, b"x"]
                if written == 1:
                    self.live.add(id)
            self.beats += 1
            state = yield RENEW, self.keys.of_node(self.name), [self.token, self.beats, TTL]
            if state == FENCED:
                self.live.clear()
                self.fenced = True
                return
            self.renewed = world.now
            found = yield BEAT, [self.keys.nodes], [self.name, f"{self.token} {self.beats}", TTL]
            assert isinstance(found, list)
            beats = {found[at].decode(): found[at + 1] for at in range(1, len(found), 2)}
            beats.pop(self.name)
            for node, lease in self.watch.look(beats, world.now):
                taken = yield TAKE, self.keys.of_node(node), [lease, self.token, TTL, TTL]
                if taken == 1:
                    stood_still = world.now - world.actor(node).renewed
                    assert stood_still >= LEASE, f"{node} was taken over {stood_still} s after it renewed its lease"
                    yield from self.work_through(node)
                elif isinstance(taken, bytes):
                    self.watch.alive(node, taken, world.now)

    def work_through(self, node: str) -> Iterator[tuple[object, ...]]:
        fence = self.keys.fence(node)
        while True:
            found = yield SCAN, [self.keys.open(node)], ["0", 100, 1000]
            assert isinstance(found, list)
            ids = [id.decode() for id in found[2::2]]
            if not ids:
                break
            for id in ids:
                held = yield HOLD, [fence], [self.token, TTL]
                if held != 1:
                    return
                self.world.told.setdefault(id, set()).add(self.name)
                yield WRITE, self.book(node, fence), [self.token, GONE, id, b""]
        yield FINISH, [self.keys.lease(node), fence, self.keys.open(node), self.keys.owed(node)], [self.token]


class World:
    def __init__(self, link: Link, seed: int) -> None:
        self.random = random.Random(seed)
        self.keys = Keys(f"race{seed}")
        self.link = link
        self.now = 0.0
        self.opened: list[str] = []
        self.told: dict[str, set[str]] = {}
        self.actors = [Actor(self, f"{number:04x}", number) for number in range(3)]

    async def run(self, steps: int) -> None:
        lives = {actor.name: actor.life() for actor in self.actors}
        due = {name: next(life) for name, life in lives.items()}
        frozen: dict[str, float] = {}
        for _ in range(steps):
            self.now += self.random.choice((0, 0.05, 0.3))
            awake = [name for name in due if frozen.get(name, 0) <= self.now]
            if not awake:
                continue
            name = self.random.choice(awake)
            if self.random.random() < 0.04:
                # It stops right before its next command, which will come when others have long given it up, or not.
                frozen[name] = self.now + self.random.choice((1, LEASE, LEASE * 2, LEASE * 4))
                continue
            script, keys, args = due[name]
            answer = await self.link.run(script, keys, args)  # type: ignore[arg-type]
            try:
                due[name] = lives[name].send(answer)
            except StopIteration:
                del due[name]

    def actor(self, name: str) -> Actor:
        return next(one for one in self.actors if one.name == name)

    async def finish(self) -> None:
        """All that is frozen thaws and ticks: what it still holds then was never told as gone, by anybody."""
        for actor in self.actors:
            told = {id for id in self.told if id.startswith(actor.name)}
            state = await self.link.run(RENEW, self.keys.of_node(actor.name), [actor.token, "9999", TTL])
            if state != FENCED:
                assert not told, f"{actor.name} lives, yet {told} were told as gone"
                written = set(await self.link.send("HKEYS", self.keys.open(actor.name)))
                assert {id.encode() for id in actor.live} <= written, "a live connection is missing"
            elif not await self.link.send("EXISTS", self.keys.fence(actor.name)):
                ghosts = await self.link.send("HKEYS", self.keys.open(actor.name))
                assert not ghosts, f"{ghosts} are in a book that nobody looks at any more"
        for id, tellers in self.told.items():
            # No fence ran out here: even "at least once" is exactly once.
            assert len(tellers) == 1, f"{id} was told by {tellers}"


async def schedule(redis: RedisServer, seeds: range) -> tuple[int, int]:
    takeovers = told = 0
    async with opened(redis.url, redis_seconds=1) as link:
        for seed in seeds:
            world = World(link, seed)
            await world.run(120)
            await world.finish()
            takeovers += len({id.partition("-")[0] for id in world.told})
            told += len(world.told)
            if seed % 100 == 0:
                await redis.flush()
    return takeovers, told


@pytest.mark.slow
async def test_no_schedule_has_a_connection_both_live_and_gone(redis: RedisServer):
    takeovers, told = await schedule(redis, range(500))
    assert takeovers > 50, "the schedules must reach take-overs"
    assert told > 100


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_no_schedule_of_ten_thousand_has_a_connection_both_live_and_gone(redis: RedisServer):
    await schedule(redis, range(1000, 11_000))
