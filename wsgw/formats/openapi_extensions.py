"""Extensions (`x-…`) of an OpenAPI document that nobody reads: reported, and kept for whoever writes it out again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from wsgw.definitions.finding import Path, pointer
from wsgw.formats.openapi_place import Notes, Place

_AWS = "x-amazon-apigateway-"
_OURS = "x-wsgw-"
# Whoever wrote one of these asked for a guard, and must not find the API open.
_GUARDS = frozenset(f"{_AWS}{name}" for name in ("auth", "authorizer", "authtype", "policy"))
# What stands there is data of the author's, not of the document's.
_DATA = frozenset({"example", "examples", "default", "enum", "const", "properties"})


def kept(place: Place, known: Collection[str] = ()) -> dict[str, Any]:
    """The extensions of the object at `place` that are not `known` there; each is reported."""
    if not isinstance(place.value, dict):
        return {}
    found = {key: value for key, value in place.value.items() if key.startswith("x-") and key not in known}
    for key in found:
        report(place.at(key), key)
    return found


def extended(**members: Any) -> dict[str, Any]:
    """`x-wsgw` with the `members` that are not empty, for an object of a document."""
    filled = {name: value for name, value in members.items() if value}
    return {"x-wsgw": filled} if filled else {}


def elsewhere(notes: Notes) -> dict[str, Any]:
    """By JSON pointer: API Gateway's extensions at places where none is known; each is reported."""
    found = {}
    for path, value in _unread(notes.document, (), notes.read):
        place = Place(value, path, notes)
        report(place, str(path[-1]))
        found[pointer(path)] = value
    return found


def report(place: Place, key: str) -> None:
    """Say that the extension `key` at `place` is not known there."""
    if key in _GUARDS:
        place.error("this extension guards nothing here", "move it to where it does, or remove it")
    elif key.startswith((_AWS, _OURS)):
        place.warn("this extension is not known here: it is kept, and has no effect")
    else:
        place.inform("this extension is kept, and has no effect")


def _unread(value: Any, path: Path, read: Collection[Path]) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        for key, member in value.items():
            at = (*path, key)
            if at in read or key in _DATA:
                continue
            if key.startswith(_AWS):
                yield at, member
            else:
                yield from _unread(member, at, read)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _unread(member, (*path, index), read)
