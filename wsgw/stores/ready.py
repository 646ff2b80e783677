"""Answers that are there already, for stores that need not wait."""

from __future__ import annotations

from collections.abc import Generator


class Ready:
    """Awaited, it gives its value at once; as often as you like, and outside of tasks too."""

    __slots__ = ("_value",)

    def __init__(self, value: bool) -> None:
        self._value = value

    def __await__(self) -> Generator[None, None, bool]:
        yield from ()
        return self._value


YES = Ready(True)
NO = Ready(False)
