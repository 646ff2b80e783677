"""Commands that wait for the batch before them: bounded, in order, and not for ever."""

from __future__ import annotations

from collections import deque

from wsgw.errors import StoreUnavailable
from wsgw.stores.redis.command import Command

#: A batch is at most this many commands and about this many bytes, and this much may wait.
BATCH, BATCH_BYTES = 1000, 1_000_000
WAITING, WAITING_BYTES = 100_000, 64_000_000


class Waiting:
    """The queue. `late`: commands given up before they were sent; `seconds`: how long one may wait for others."""

    def __init__(self, seconds: float) -> None:
        self.late = 0
        self._seconds = seconds
        self._commands: deque[Command] = deque()
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._commands)

    def put(self, command: Command) -> None:
        """Let `command` wait, or fail it if too much waits already."""
        if len(self._commands) >= WAITING or self._bytes + len(command.packed) > WAITING_BYTES:
            self.late += 1
            command.fail(StoreUnavailable("too many commands wait for Redis"))
            return
        self._commands.append(command)
        self._bytes += len(command.packed)

    def batch(self, now: float) -> list[Command]:
        """The next commands to send. `now` is on the clock of their `since`; those that waited too long are failed."""
        batch: list[Command] = []
        size = 0
        while self._commands and len(batch) < BATCH and size < BATCH_BYTES:
            command = self._commands.popleft()
            self._bytes -= len(command.packed)
            if command.future.done():
                continue
            if now - command.since > self._seconds:
                self.late += 1
                command.fail(StoreUnavailable("Redis does not keep up"))
                continue
            size += len(command.packed)
            batch.append(command)
        return batch

    def taken(self) -> list[Command]:
        """All of them: nothing waits any more."""
        taken = list(self._commands)
        self._commands.clear()
        self._bytes = 0
        return taken
