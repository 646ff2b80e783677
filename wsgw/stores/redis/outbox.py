"""What this node says to others, gathered: what is issued for one node in one turn of the loop leaves as one parcel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wsgw.stores.base import Answer, Question

#: A parcel as full as this leaves before the turn ends: a larger one would hold up what Redis does for others.
_MOST_BYTES = 256 << 10
_MOST_ITEMS = 1000
#: What a question or an answer takes besides its data.
_ITEM = 64


class Parcel:
    """Questions and answers for one node, in the order in which they were issued."""

    __slots__ = ("answers", "questions", "size")

    def __init__(self) -> None:
        self.questions: list[tuple[int, Question]] = []
        self.answers: list[tuple[int, Answer]] = []
        self.size = 0


class Outbox:
    """`send(node, parcel)` is called with each parcel, in order for each node."""

    def __init__(self, send: Callable[[str, Parcel], None]) -> None:
        self._send = send
        self._parcels: dict[str, Parcel] = {}

    def ask(self, node: str, number: int, question: Question) -> None:
        parcel = self._parcel(node, _ITEM + len(question.data))
        parcel.questions.append((number, question))

    def answer(self, node: str, number: int, answer: Answer) -> None:
        parcel = self._parcel(node, _ITEM + len(answer.data))
        parcel.answers.append((number, answer))

    def forget_questions(self) -> None:
        """Drop those that have not left yet: their askers have been told that they failed."""
        for parcel in self._parcels.values():
            parcel.questions.clear()

    def _parcel(self, node: str, size: int) -> Parcel:
        parcel = self._parcels.get(node)
        if parcel is not None and (
            parcel.size + size > _MOST_BYTES or len(parcel.questions) + len(parcel.answers) >= _MOST_ITEMS
        ):
            del self._parcels[node]
            self._send(node, parcel)
            parcel = None
        if parcel is None:
            if not self._parcels:
                asyncio.get_running_loop().call_soon(self._flush)
            parcel = self._parcels[node] = Parcel()
        parcel.size += size
        return parcel

    def _flush(self) -> None:
        parcels, self._parcels = self._parcels, {}
        for node, parcel in parcels.items():
            if parcel.questions or parcel.answers:
                self._send(node, parcel)
