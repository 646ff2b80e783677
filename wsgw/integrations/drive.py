"""Coroutines run without a task, as long as they wait for nothing but our own HTTP pool.

A task, its future and the two turns of the event loop that they take cost a message 5 µs, a third of what our own code
costs it. A Drive steps a coroutine by hand: when the pool has the answer, the coroutine goes on at once, within the
`data_received` of the backend's connection. It can wait for futures too; but whatever asks for the current task
(`asyncio.timeout` and others) needs `apart`, which runs it in a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

log = logging.getLogger("wsgw.drive")

Result = TypeVar("Result")

_current: Drive | None = None


def current() -> Drive | None:
    """The Drive whose coroutine runs right now; None in a task or a callback."""
    return _current


async def apart(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work` in a task, where it may ask for the current one; in a task already, run it here."""
    if _current is None:
        return await work
    return await asyncio.get_running_loop().create_task(work)


class Parked(Generic[Result]):
    """What a driven coroutine waits for, in a future's place: a result continues it at once, an exception soon."""

    __slots__ = ("_done", "_drive", "_loop")

    def __init__(self, drive: Drive, loop: asyncio.AbstractEventLoop) -> None:
        self._drive = drive
        self._loop = loop
        self._done = False

    def __await__(self) -> Generator[Parked[Result], Result, Result]:
        return (yield self)

    def done(self) -> bool:
        return self._done

    def set_result(self, result: Result) -> None:
        """Continue the coroutine, here and now: the caller has nothing left to do that it could disturb."""
        self._done = True
        self._drive.step(result)

    def set_exception(self, error: BaseException) -> None:
        # Who fails calls often fails several in a loop, which a coroutine that goes on would disturb.
        self._done = True
        self._loop.call_soon(self._drive.throw, error)

    def abandon(self) -> bool:
        """The coroutine does not wait any more. False if it was done before."""
        was_done, self._done = self._done, True
        return not was_done


class Drive:
    """Runs one coroutine to its end. `ended` is called with the Drive then; the coroutine should not raise."""

    __slots__ = ("_coroutine", "_ended", "_waits_for", "done")

    def __init__(self, coroutine: Coroutine[Any, Any, None], ended: Callable[[Drive], None]) -> None:
        self._coroutine = coroutine
        self._ended = ended
        self._waits_for: asyncio.Future[Any] | Parked[Any] | None = None
        self.done = False

    def step(self, value: Any = None) -> None:
        """Run the coroutine until it waits again or ends; `value` is what it waited for."""
        global _current
        if self.done:
            return  # cancelled since this turn was asked for
        outer, _current = _current, self
        try:
            waits_for = self._coroutine.send(value)
        except StopIteration:
            self._end()
        except BaseException as error:
            self._failed(error)
        else:
            self._wait(waits_for)
        finally:
            _current = outer

    def throw(self, error: BaseException) -> None:
        """Let what the coroutine waits for raise `error`."""
        global _current
        if self.done:
            return
        outer, _current = _current, self
        try:
            waits_for = self._coroutine.throw(error)
        except StopIteration:
            self._end()
        except BaseException as raised:
            self._failed(raised)
        else:
            self._wait(waits_for)
        finally:
            _current = outer

    def cancel(self) -> None:
        """End the coroutine with CancelledError, as a task's would."""
        waits_for = self._waits_for
        if isinstance(waits_for, asyncio.Future):
            waits_for.cancel()
        elif waits_for is None or waits_for.abandon():
            self.throw(asyncio.CancelledError())

    def _wait(self, waits_for: Any) -> None:
        self._waits_for = waits_for
        if isinstance(waits_for, Parked):
            return
        if waits_for is None:  # asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(self.step)
            return
        waits_for._asyncio_future_blocking = False
        waits_for.add_done_callback(self._woken)

    def _woken(self, future: asyncio.Future[Any]) -> None:
        # Whatever it brought, the coroutine reads from the future itself.
        self.step()

    def _end(self) -> None:
        self.done = True
        self._waits_for = None
        self._ended(self)

    def _failed(self, error: BaseException) -> None:
        self._end()
        if not isinstance(error, asyncio.CancelledError):
            log.error("a driven coroutine failed", exc_info=error)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
