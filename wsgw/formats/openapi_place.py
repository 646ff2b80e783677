"""A value of an OpenAPI document and where it stands: reads members by type, and notes what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from wsgw.definitions.finding import Finding, Path, error, pointer, warning

_MOST_HOPS = 32
_INDEX = re.compile(r"[0-9]{1,9}")
_BESIDE_REFERENCE = frozenset({"$ref", "summary", "description"})
# An operation of a path item, or what guards one.
_CALLED = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "security"})
_NAMES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}


class Notes:
    """What is found while a document is read. `info` is what API Gateway leaves out without a warning."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.findings: list[Finding] = []
        self.info: list[Finding] = []
        #: Extensions that were read, or kept where they belong.
        self.read: set[Path] = set()
        #: What is kept as a whole, with the extensions in it.
        self.kept: set[Path] = set()


class Place:
    """`value` stands at `path` of the document that `notes` are of; a wrong type is noted, and taken for absence."""

    __slots__ = ("notes", "path", "value")

    def __init__(self, value: Any, path: Path, notes: Notes) -> None:
        self.value = value
        self.path = path
        self.notes = notes

    def error(self, message: str, remedy: str = "") -> None:
        self.notes.findings.append(_pointed(error(self.path, message, remedy)))

    def warn(self, message: str, remedy: str = "") -> None:
        self.notes.findings.append(_pointed(warning(self.path, message, remedy)))

    def inform(self, message: str) -> None:
        self.notes.info.append(_pointed(warning(self.path, message)))

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, dict) and key in self.value

    def at(self, key: str | int) -> Place:
        """The member `key`, which may be missing (then its value is None)."""
        if isinstance(key, str) and key.startswith("x-"):
            self.notes.read.add((*self.path, key))
        value: Any = None
        if isinstance(self.value, dict):
            value = self.value.get(key)
        elif isinstance(self.value, list) and isinstance(key, int) and key < len(self.value):
            value = self.value[key]
        return Place(value, (*self.path, key), self.notes)

    def within(self, path: Path) -> Place:
        """What `path` leads to from here, which may be missing."""
        place = self
        for part in path:
            place = place.at(part)
        return place

    def members(self) -> Iterator[tuple[str, Place]]:
        """The members of a mapping by key; an error if it is none."""
        if self.value is None:
            return
        if not isinstance(self.value, dict):
            self.error(f"this must be a mapping, not {_worded(self.value)}")
            return
        for key, value in self.value.items():
            yield key, Place(value, (*self.path, key), self.notes)

    def items(self) -> Iterator[Place]:
        """The values of a list; an error if it is none."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            self.error(f"this must be a list, not {_worded(self.value)}")
            return
        for index in range(len(self.value)):
            yield self.at(index)

    def is_mapping(self) -> bool:
        """Whether this is a mapping; an error if it is anything else, absence too."""
        if not isinstance(self.value, dict):
            self.error(f"this must be a mapping, not {_worded(self.value)}")
        return isinstance(self.value, dict)

    def text(self, key: str) -> str | None:
        """The text `key`; numbers are written out."""
        place = self.at(key)
        value = place.value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        text: str | None = place._typed(str, "a text")
        return text

    def flag(self, key: str) -> bool | None:
        """The boolean `key`, which may be written as a text."""
        place = self.at(key)
        if isinstance(place.value, str) and place.value.lower() in ("true", "false"):
            return place.value.lower() == "true"
        flag: bool | None = place._typed(bool, "true or false")
        return flag

    def number(self, key: str, least: int, most: int) -> int | None:
        """The whole number `key`, which may be written as a text; one that is out of bounds is an error."""
        place = self.at(key)
        value = place.value
        if value is None:
            return None
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            place.error(f"this must be a whole number from {least} to {most}")
            return None
        return value

    def texts(self, key: str) -> list[str] | None:
        """The list of texts `key`; one that is none is left out with a warning."""
        place = self.at(key)
        if place.value is None:
            return None
        found = []
        for item in place.items():
            if isinstance(item.value, str):
                found.append(item.value)
            else:
                item.warn(f"this must be a text, not {_worded(item.value)}: it is left out")
        return found

    def text_map(self, key: str, owner: str = "") -> dict[str, str] | None:
        """The mapping of texts `key`; `owner` says whose it is, as API Gateway's warnings do."""
        place = self.at(key)
        if place.value is None:
            return None
        found = {}
        for name, member in place.members():
            if isinstance(member.value, str):
                found[name] = member.value
            else:
                shown = _shown(member.value)
                what = f"Expected type string for property '{name}'{owner} but got '{shown}'"
                member.warn(f"Invalid format for '{key}'. {what}", "write a text")
        return found

    def choice(self, key: str, known: Mapping[str, str] | frozenset[str]) -> str | None:
        """One of the upper-case values `known`, which may be written in lower case; anything else is an error."""
        text = self.text(key)
        if text is None:
            return None
        if text.upper() in known:
            return text.upper()
        self.at(key).error(f"{text[:100]!r} is not known here", f"known are {', '.join(sorted(known)).lower()}")
        return None

    def has_only(self, known: Collection[str], what: str) -> None:
        """Warn of each member that is not `known` of `what`; extensions (`x-…`) are a matter of their own."""
        for key in self.value if isinstance(self.value, dict) else ():
            if key not in known and not key.startswith("x-"):
                near = get_close_matches(key, known, 1)
                remedy = f"did you mean {near[0]!r}?" if near else ""
                # A slip of the pen must not open what somebody wanted guarded.
                say = self.at(key).error if near == ["security"] else self.at(key).warn
                say(f"{what} has no member {key[:100]!r}: it is left out", remedy)

    def resolved(self) -> Place:
        """This, or what its `$ref` leads to in the document; the value None, and an error, where that is nothing."""
        place = self
        for _ in range(_MOST_HOPS):
            if not isinstance(place.value, dict) or "$ref" not in place.value:
                return place
            reference = place.value["$ref"]
            path = _path_of(reference) if isinstance(reference, str) else None
            if path is None:
                place.at("$ref").error("only references into this document are followed, as #/components/…")
                return Place(None, place.path, self.notes)
            place._beside_reference()
            found = Place(self.notes.document, (), self.notes)
            for part in path:
                found = found.at(int(part) if isinstance(found.value, list) and _INDEX.fullmatch(part) else part)
            if found.value is None:
                place.at("$ref").error(f"there is no {reference[:200]}")
                return Place(None, place.path, self.notes)
            place = found
        self.at("$ref").error("this reference leads in a circle")
        return Place(None, self.path, self.notes)

    def _beside_reference(self) -> None:
        """What stands beside a `$ref` has no effect; an error where that is what is called, or guards it."""
        for key in self.value.keys() - _BESIDE_REFERENCE:
            place = self.at(key)
            if key.startswith("x-amazon-apigateway-") or key in _CALLED:
                place.error(
                    "what stands beside a $ref is not read", "move it to where the $ref leads, or write that out"
                )
            elif not key.startswith("x-"):
                place.warn("what stands beside a $ref is not read: it is left out")

    def _typed(self, kind: type[Any], wanted: str) -> Any:
        if self.value is None or isinstance(self.value, kind):
            return self.value
        alone = isinstance(self.value, dict) and len(self.value) == 1
        function = str(next(iter(self.value))) if alone else ""
        if function == "Ref" or function.startswith("Fn::"):
            remedy = "write what it stands for: only ${AWS::Region} and the like are replaced in texts"
            self.error(f"CloudFormation's {function} is not known here", remedy)
        else:
            self.warn(f"this must be {wanted}, not {_worded(self.value)}: it is left out")
        return None


def present(**members: Any) -> dict[str, Any]:
    """The `members` that are there."""
    return {name: value for name, value in members.items() if value is not None}


def _path_of(reference: str) -> list[str] | None:
    if reference == "#":
        return []
    if not reference.startswith("#/"):
        return None
    return [part.replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/")]


def _pointed(finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, pointer=pointer(finding.path))


def _worded(value: Any) -> str:
    return "nothing" if value is None else _NAMES.get(type(value), "this")


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()[:100]
