"""Reading the documents of a web ACL: whatever nobody has asked for in one is an error, so that nothing is overlooked.

AWS writes the same member as `FieldToMatch` and as `fieldToMatch`: names are compared without their case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wsgw.definitions.firewall import Problem

Path = tuple[str | int, ...]


class Unreadable(Exception):
    """`problem` says what is wrong, and where."""

    def __init__(self, path: Path, message: str, remedy: str = "") -> None:
        self.problem = Problem(path, message, remedy)
        super().__init__(message)


class Members:
    """One object at `path`. Each method takes a member out and raises Unreadable; `done` does if any is left."""

    def __init__(self, value: Any, path: Path) -> None:
        if not isinstance(value, Mapping):
            raise Unreadable(path, "an object is expected here", "write its members")
        self.path = path
        self._left: dict[str, tuple[str, Any]] = {}
        for name, member in value.items():
            lower = str(name).lower()
            if lower in self._left:
                raise Unreadable((*path, name), "the same member stands here twice", "remove one of them")
            self._left[lower] = (str(name), member)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._left

    def names(self) -> list[str]:
        """What is left, as written."""
        return [name for name, _ in self._left.values()]

    def at(self, name: str) -> Path:
        """Where the member is, or would be."""
        return (*self.path, self._left.get(name.lower(), (name, None))[0])

    def take(self, name: str, default: Any = ...) -> tuple[Any, Path]:
        """The member's value and its place. Without a default it must be there."""
        at = self.at(name)
        found = self._left.pop(name.lower(), None)
        if found is not None and found[1] is not None:
            return found[1], at
        if default is ...:
            raise Unreadable(at, "it is missing", "add it")
        return default, at

    def ignore(self, *names: str) -> None:
        """Members that change nothing of what is allowed."""
        for name in names:
            self._left.pop(name.lower(), None)

    def text(self, name: str, default: Any = ...) -> str:
        value, at = self.take(name, default)
        if not isinstance(value, str) or (default is ... and not value):
            raise Unreadable(at, "a text is expected here", "write one")
        return value

    def integer(self, name: str, least: int, most: int, default: Any = ...) -> int:
        value, at = self.take(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Unreadable(at, f"a whole number from {least} to {most} is expected here", "write one")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value, at = self.take(name, default)
        if not isinstance(value, bool):
            raise Unreadable(at, "true or false is expected here", "write one of them")
        return value

    def choice(self, name: str, allowed: tuple[Any, ...], default: Any = ...) -> Any:
        value, at = self.take(name, default)
        if value not in allowed:
            raise Unreadable(at, f"{value!r} is none of those that there are", f"write {', '.join(map(str, allowed))}")
        return value

    def object(self, name: str) -> Members:
        value, at = self.take(name)
        return Members(value, at)

    def optional(self, name: str) -> Members | None:
        value, at = self.take(name, None)
        return None if value is None else Members(value, at)

    def array(self, name: str, default: Any = ...) -> Iterator[tuple[Any, Path]]:
        """Its elements with their places."""
        value, at = self.take(name, default)
        if not isinstance(value, list | tuple):
            raise Unreadable(at, "an array is expected here", "write one in brackets")
        return iter([(one, (*at, index)) for index, one in enumerate(value)])

    def texts(self, name: str, default: Any = ...) -> tuple[str, ...]:
        found = []
        for value, at in self.array(name, default):
            if not isinstance(value, str) or not value:
                raise Unreadable(at, "a text is expected here", "write one")
            found.append(value)
        return tuple(found)

    def one(self, what: str) -> tuple[str, Any, Path]:
        """The only member: its name in lower case, its value and its place."""
        if len(self._left) != 1:
            raise Unreadable(self.path, f"exactly one {what} is expected here", "write one")
        (lower,) = self._left
        name, value = self._left.pop(lower)
        return lower, value, (*self.path, name)

    def done(self) -> None:
        """Raises Unreadable for a member that nobody has taken: it would be without an effect."""
        for name, _ in self._left.values():
            raise Unreadable((*self.path, name), "no such member is known here", "remove it, or see docs/firewall.md")
