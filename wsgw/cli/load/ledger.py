"""What a connection waits for: every answer must be one that is due, on this connection, once, and in order."""

from __future__ import annotations

import re

from wsgw.cli.load.plan import IDS_PER_CONNECTION, Verification, message_id
from wsgw.cli.load.tally import Tally, excerpt

# Backends wrap what they were sent, as an object or as a string with its quotes escaped.
_ID = re.compile(rb'\bid\\*"\s*:\s*(\d+)')


class Ledger:
    """The messages of the connection `index` that have no answer yet. `ordered` is for answers, not for pushes."""

    __slots__ = ("_by_id", "_first", "_next", "_ordered", "_tally", "_waiting")

    def __init__(self, index: int, tally: Tally, *, ordered: bool = True, verify: Verification = "id") -> None:
        self._tally = tally
        self._ordered = ordered
        self._by_id = verify == "id"
        self._first = self._next = message_id(index, 0)
        self._waiting: dict[int, float] = {}  # id: due at; a dict keeps the order in which they were sent

    def expect(self, due: float) -> int:
        """A new message that is (or was) to be sent at `due`; gives its id."""
        id = self._next
        self._next += 1
        self._waiting[id] = due
        self._tally.sent += 1
        self._tally.now.sent += 1
        self._tally.waiting += 1
        return id

    def take(self, payload: bytes, at: float) -> int | None:
        """Count a message that came in at `at`. Gives the id that it settles, None if it settles nothing."""
        if self._by_id:
            found = _ID.search(payload)
            if found is None:
                return self._without_id(payload)
            id = int(found[1])
        elif self._waiting:
            id = next(iter(self._waiting))
        else:
            return self._without_id(payload)
        if id not in self._waiting:
            self._unexpected(id)
            return None
        if self._ordered and id != next(iter(self._waiting)):
            self._tally.misordered += 1
            self._tally.fault("out of order")
        self._tally.finish(self._settle(id), at)
        return id

    def withdraw(self, id: int, reason: str) -> bool:
        """The message `id` was refused: count an error, and expect no answer. False if it waited no longer."""
        if id not in self._waiting:
            return False
        self._settle(id)
        self._tally.errors += 1
        self._tally.fault(reason)
        return True

    def abandon(self) -> list[int]:
        """Nothing comes any more: what still waits is lost. Gives the ids of that."""
        lost = list(self._waiting)
        for id in lost:
            self._settle(id)
            self._tally.lost += 1
            self._tally.fault("no answer")
        return lost

    def _settle(self, id: int) -> float:
        self._tally.waiting -= 1
        return self._waiting.pop(id)

    def _without_id(self, payload: bytes) -> int | None:
        text = f"answered {excerpt(payload)}"
        if self._ordered and self._waiting:
            # An error frame takes the place of the answer.
            id = next(iter(self._waiting))
            self.withdraw(id, text)
            return id
        self._tally.errors += 1
        self._tally.fault(text)
        return None

    def _unexpected(self, id: int) -> None:
        if self._first <= id < min(self._next, self._first + IDS_PER_CONNECTION):
            self._tally.duplicated += 1
            self._tally.fault("came twice")
        else:
            self._tally.wrong += 1
            self._tally.fault("not for this connection")
