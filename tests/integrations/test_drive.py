"""Coroutines without a task: they run at once, wait for the pool, for futures, and end like tasks do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from wsgw.integrations.drive import Drive, Parked, apart, current


def driven(make: Callable[[list[Any]], Coroutine[Any, Any, None]]) -> tuple[Drive, list[Any]]:
    """A started Drive of `make(seen)`, and what it has seen; "ended" is added at its end."""
    seen: list[Any] = []
    drive = Drive(make(seen), lambda _drive: seen.append("ended"))
    drive.step()
    return drive, seen


async def test_what_waits_for_nothing_is_done_when_start_returns():
    async def work(seen: list[Any]) -> None:
        seen.append(current() is not None)

    drive, seen = driven(work)
    assert seen == [True, "ended"]
    assert drive.done
    assert current() is None


async def test_a_result_continues_it_at_once_and_an_exception_in_the_next_turn():
    places: list[Parked[int]] = []

    async def work(seen: list[Any]) -> None:
        drive = current()
        assert drive is not None
        places.append(Parked(drive, asyncio.get_running_loop()))
        seen.append(await places[-1])
        places.append(Parked(drive, asyncio.get_running_loop()))
        try:
            await places[-1]
        except ValueError as error:
            seen.append(str(error))

    _, seen = driven(work)
    assert seen == []
    places[0].set_result(7)
    assert seen == [7]
    places[1].set_exception(ValueError("no"))
    assert seen == [7]
    await asyncio.sleep(0)
    assert seen == [7, "no", "ended"]


async def test_it_waits_for_futures_and_turns_of_the_loop_too():
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def work(seen: list[Any]) -> None:
        seen.append(await future)
        await asyncio.sleep(0)
        seen.append("next turn")

    _, seen = driven(work)
    future.set_result("result")
    for _ in range(4):
        await asyncio.sleep(0)
    assert seen == ["result", "next turn", "ended"]


async def test_a_future_that_fails_raises_in_it():
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def work(seen: list[Any]) -> None:
        with pytest.raises(ValueError, match="no"):
            await future

    drive, seen = driven(work)
    future.set_exception(ValueError("no"))
    await asyncio.sleep(0)
    assert seen == ["ended"]
    assert drive.done


async def test_apart_gives_a_task_to_what_asks_for_one():
    async def timed() -> str:
        async with asyncio.timeout(5):
            return "in time"

    async def work(seen: list[Any]) -> None:
        seen.append(await apart(timed()))

    _, seen = driven(work)
    while "ended" not in seen:
        await asyncio.sleep(0)
    assert seen == ["in time", "ended"]
    assert await apart(timed()) == "in time"


@pytest.mark.parametrize("what", ["parked", "future", "apart"])
async def test_cancelled_it_raises_where_it_waits(what: str, caplog: pytest.LogCaptureFixture):
    forever: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await forever

    async def work(seen: list[Any]) -> None:
        drive = current()
        assert drive is not None
        try:
            if what == "parked":
                await Parked(drive, asyncio.get_running_loop())
            elif what == "future":
                await forever
            else:
                await apart(wait())
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    drive, seen = driven(work)
    await asyncio.sleep(0)
    drive.cancel()
    for _ in range(4):
        await asyncio.sleep(0)
    assert seen == ["cancelled", "ended"]
    assert not caplog.records


async def test_one_that_raises_is_logged_and_ends(caplog: pytest.LogCaptureFixture):
    async def work(seen: list[Any]) -> None:
        raise RuntimeError("a bug")

    with caplog.at_level(logging.ERROR):
        _, seen = driven(work)
    assert seen == ["ended"]
    assert "a driven coroutine failed" in caplog.text


async def test_one_may_start_another_and_goes_on_as_itself():
    async def inner(seen: list[Any]) -> None:
        seen.append("inner")

    async def work(seen: list[Any]) -> None:
        me = current()
        Drive(inner(seen), lambda _drive: None).step()
        seen.append(current() is me)

    _, seen = driven(work)
    assert seen == ["inner", True, "ended"]
