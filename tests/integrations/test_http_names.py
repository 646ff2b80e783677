"""Addresses of a name: asked for once, remembered for a while; the clock and the resolver are the test's."""

from __future__ import annotations

import asyncio
import socket

import pytest

from wsgw.integrations.http_names import Addresses


class Resolver:
    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0
        self.error: Exception | None = None

    async def __call__(self, host: str, port: int, *, type: int) -> list[tuple[object, ...]]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return [(socket.AF_INET, type, 0, "", (address, port)) for address in self.addresses]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def names(resolver: Resolver, clock: Clock) -> Addresses:
    return Addresses("backend.test", 80, resolver, 30.0, clock)


async def test_an_answer_is_remembered_until_its_time_is_up():
    resolver, clock = Resolver("10.0.0.1"), Clock()
    addresses = names(resolver, clock)
    assert await addresses.all() == ["10.0.0.1"]
    resolver.addresses = ["10.0.0.2"]
    clock.now = 29.9
    assert await addresses.all() == ["10.0.0.1"]
    clock.now = 30.0
    assert await addresses.all() == ["10.0.0.2"]
    assert resolver.asked == 2


async def test_many_at_once_ask_once():
    resolver = Resolver("10.0.0.1")
    addresses = names(resolver, Clock())
    await asyncio.gather(*(addresses.all() for _ in range(50)))
    assert resolver.asked == 1


async def test_a_failure_is_remembered_for_a_second():
    resolver, clock = Resolver("10.0.0.1"), Clock()
    resolver.error = socket.gaierror(socket.EAI_AGAIN, "later")
    addresses = names(resolver, clock)
    for _ in range(3):
        with pytest.raises(socket.gaierror):
            await addresses.all()
    assert resolver.asked == 1
    resolver.error, clock.now = None, 1.0
    assert await addresses.all() == ["10.0.0.1"]


@pytest.mark.parametrize("error", [OSError("no network"), UnicodeError("label too long"), None])
async def test_whatever_goes_wrong_is_a_name_that_has_no_address(error):
    resolver = Resolver()
    resolver.error = error
    with pytest.raises(socket.gaierror):
        await names(resolver, Clock()).all()


async def test_the_address_that_answered_is_tried_first():
    addresses = names(Resolver("10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.3"), Clock())
    assert await addresses.all() == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    addresses.prefer("10.0.0.3")
    addresses.prefer("10.9.9.9")
    assert await addresses.all() == ["10.0.0.3", "10.0.0.1", "10.0.0.2"]


async def test_what_is_forgotten_is_asked_for_again():
    resolver = Resolver("10.0.0.1")
    addresses = names(resolver, Clock())
    await addresses.all()
    addresses.forget()
    await addresses.all()
    assert resolver.asked == 2
