"""Questions that wait for an answer, and how many of them one node is asked at a time.

Redis closes a subscriber whose messages it has had to hold 32 MB of, and all of them are lost. So a node is asked no
more than WINDOW bytes at once; what exceeds that waits here, until answers have come or its time is up.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from itertools import count

from wsgw.errors import StoreUnavailable
from wsgw.stores.base import Answer, Question

#: Four nodes may ask a fifth this much at the same time.
WINDOW = 8 << 20
#: More questions fail at once, and so do more bytes that wait for answers to others.
MOST_QUESTIONS = 100_000
MOST_BYTES = 64 << 20
#: What a question takes besides its data.
_ITEM = 64


class _Asked:
    __slots__ = ("answer", "node", "sent", "size", "until")

    def __init__(self, answer: asyncio.Future[Answer], until: float, node: str, size: int) -> None:
        self.answer = answer
        self.until = until
        self.node = node
        self.size = size
        self.sent = False


class Pending:
    """`send(node, number, question)` is called with each question when its node may be asked it, in order."""

    def __init__(self, send: Callable[[str, int, Question], None]) -> None:
        self._send = send
        # Numbers begin anywhere: an answer to an earlier process of the same name is an answer to nobody here.
        self._numbers = count(secrets.randbits(62))
        self._asked: dict[int, _Asked] = {}
        self._open: dict[str, int] = {}  # node: bytes that it was asked and has not answered
        self._held: dict[str, deque[tuple[int, _Asked, Question]]] = {}
        self._held_bytes = 0

    def __len__(self) -> int:
        return len(self._asked)

    @property
    def full(self) -> bool:
        return len(self._asked) >= MOST_QUESTIONS or self._held_bytes > MOST_BYTES

    @property
    def first_until(self) -> float:
        """When the oldest question ends. There must be one."""
        return next(iter(self._asked.values())).until

    def until(self, number: int, otherwise: float) -> float:
        """When this question ends; `otherwise` if it has."""
        asked = self._asked.get(number)
        return otherwise if asked is None else asked.until

    def ask(self, node: str, question: Question, until: float) -> asyncio.Future[Answer]:
        """`until` must not be earlier than that of any question before."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        number = next(self._numbers)
        size = _ITEM + len(question.data)
        asked = self._asked[number] = _Asked(answer, until, node, size)
        open_bytes = self._open.get(node, 0)
        if node in self._held or (open_bytes and open_bytes + size > WINDOW):
            self._held.setdefault(node, deque()).append((number, asked, question))
            self._held_bytes += size
        else:
            asked.sent = True
            self._open[node] = open_bytes + size
            self._send(node, number, question)
        return answer

    def answer(self, number: int, answer: Answer) -> bool:
        """False: nobody waits for it, or no longer."""
        asked = self._end(number)
        if asked is None:
            return False
        if not asked.answer.done():
            asked.answer.set_result(answer)
        return True

    def fail(self, number: int, reason: str) -> None:
        asked = self._end(number)
        if asked is not None:
            refuse(asked.answer, reason)

    def fail_all(self, reason: str) -> None:
        failed, self._asked = self._asked, {}
        self._open.clear()
        self._held.clear()
        self._held_bytes = 0
        for asked in failed.values():
            refuse(asked.answer, reason)

    def expire(self, now: float) -> int:
        """Fail what has waited long enough; gives how many."""
        overdue = []
        for number, asked in self._asked.items():
            if asked.until > now:
                break
            overdue.append(number)
        # All of them first: room that one leaves is not for another that has ended too.
        ended = [self._asked.pop(number) for number in overdue]
        for asked in ended:
            self._leave(asked)
            refuse(asked.answer, "no answer in time")
        return len(ended)

    def _end(self, number: int) -> _Asked | None:
        asked = self._asked.pop(number, None)
        if asked is not None:
            self._leave(asked)
        return asked

    def _leave(self, asked: _Asked) -> None:
        """Make room for what is held. What is held itself stays so, and is passed over when its turn comes."""
        if not asked.sent:
            return
        node = asked.node
        left = self._open[node] - asked.size
        if left:
            self._open[node] = left
        else:
            del self._open[node]
        if node in self._held:
            self._release(node)

    def _release(self, node: str) -> None:
        held = self._held[node]
        while held:
            number, asked, question = held[0]
            open_bytes = self._open.get(node, 0)
            waits = number in self._asked
            if waits and open_bytes and open_bytes + asked.size > WINDOW:
                return
            held.popleft()
            self._held_bytes -= asked.size
            if waits:
                asked.sent = True
                self._open[node] = open_bytes + asked.size
                self._send(node, number, question)
        del self._held[node]


def refuse(answer: asyncio.Future[Answer], reason: str) -> None:
    if not answer.done():
        answer.set_exception(StoreUnavailable(reason))
        # Read once: a caller that has gone away meanwhile is no mistake to log.
        answer.exception()
