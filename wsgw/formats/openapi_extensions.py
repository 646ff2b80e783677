"""Extensions (`x-…`) of an OpenAPI document that nobody reads: reported, and kept for whoever writes it out again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Any

from wsgw.definitions.finding import Path, pointer
from wsgw.formats.openapi_place import Notes, Place

_AWS = "x-amazon-apigateway-"
_OURS = "x-wsgw-"
# Whoever wrote one of these asked for a guard, and must not find the API open.
_GUARDS = frozenset(f"{_AWS}{name}" for name in ("auth", "authorizer", "authtype", "policy"))
# What has a place somewhere: what a misspelt one may have been meant for.
_KNOWN = (
    *_GUARDS,
    *(
        f"{_AWS}{name}"
        for name in (
            "any-method",
            "api-key-source",
            "binary-media-types",
            "cors",
            "documentation",
            "endpoint-configuration",
            "gateway-responses",
            "importexport-version",
            "integration",
            "integrations",
            "minimum-compression-size",
            "request-validator",
            "request-validators",
        )
    ),
    *(f"{_OURS}{name}" for name in ("api-id", "protocol", "stages", "throttle")),
)
# What stands there is data of the author's, not of the document's.
_DATA = frozenset({"example", "examples", "default", "enum", "const", "properties"})
_SCHEMAS = frozenset({"schema", "schemas", "definitions"})
# Mappings of names, which may begin with x- as headers do.
_NAMED = frozenset(
    {"headers", "variables", "content", "callbacks", "links", "encoding", "scopes", "mapping", "securityDefinitions"}
)
_ROOT_NAMED = frozenset({"parameters", "responses"})
#: Of an export: by JSON pointer, extensions whose place it does not have.
MISPLACED = "x-wsgw-extensions"


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
    """By JSON pointer: extensions at places where none is known; each is reported.

    Those inside of what is kept as a whole are reported only, if they are API Gateway's.
    """
    found = {}
    notes.read.add((MISPLACED,))
    for path, value, is_kept in _unread(notes.document, (), notes, False):
        key = str(path[-1])
        if not is_kept:
            found[pointer(path)] = value
        if not is_kept or key.startswith(_AWS):
            report(Place(value, path, notes), key)
    misplaced = notes.document.get(MISPLACED)
    return {**found, **(misplaced if isinstance(misplaced, dict) else {})}


def report(place: Place, key: str) -> None:
    """Say that the extension `key` at `place` is not known there."""
    if key in _GUARDS:
        place.error("this extension guards nothing here", "move it to where it does, or remove it")
    elif key.startswith((_AWS, _OURS)):
        near = get_close_matches(key, _KNOWN, 1, 0.8)
        remedy = f"did you mean {near[0]!r}?" if near and near[0] != key else ""
        place.warn("this extension is not known here: it is kept, and has no effect", remedy)
    else:
        place.inform("this extension is kept, and has no effect")


def _unread(value: Any, path: Path, notes: Notes, is_kept: bool) -> Iterator[tuple[Path, Any, bool]]:
    """Path and value of each extension that nobody has read, and whether it is part of what is kept as a whole."""
    if isinstance(value, list):
        for index, member in enumerate(value):
            yield from _unread(member, (*path, index), notes, is_kept)
    if not isinstance(value, dict):
        return
    are_names = _are_names(path)
    for key, member in value.items():
        at = (*path, key)
        if at in notes.read or (key in _DATA and path[-1:] != ("responses",)):
            continue
        if key.startswith(_AWS) or (key.startswith("x-") and not are_names):
            yield at, member, is_kept
        else:
            inside = is_kept or at in notes.kept or (key in _SCHEMAS and not are_names)
            yield from _unread(member, at, notes, inside)


def _are_names(path: Path) -> bool:
    """Whether the keys of the mapping at `path` are names that somebody chose."""
    if not path:
        return False
    if len(path) == 1:
        return path[0] in _ROOT_NAMED | _NAMED
    return path[-1] in _NAMED or path[-2] == "security" or (path[0] == "components" and len(path) == 2)
