"""How long one run of a JSONPath may go on: a budget of looked-at values, shared by all parts of the path."""

from __future__ import annotations

from typing import Any, Final

#: `$..*..*`, or a filter that looks into everything, multiplies; the client chooses the message.
MAX_VISITS: Final = 500_000


class TooMuch(Exception):
    """The run has used up its budget."""


class Run:
    """One evaluation: the document that `$` means, and what is left of the budget."""

    __slots__ = ("_left", "root")

    def __init__(self, root: Any) -> None:
        self.root = root
        self._left = MAX_VISITS

    def spend(self, visits: int) -> None:
        """Raises TooMuch when nothing is left."""
        self._left -= visits
        if self._left < 0:
            raise TooMuch
