"""A document against a JSON Schema → every finding, in words of the document instead of the schema's.

No message repeats a value: the document may hold secrets.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

import jsonschema_rs
import msgspec
from jsonschema_rs import ValidationError, ValidationErrorKind

from wsgw.definitions.finding import Finding, Path, error

_MARK = "\0"
_TYPES = {
    "string": "text",
    "object": "a mapping",
    "array": "a list",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "nothing",
}


class ShapeCheck:
    """Checks documents against one JSON Schema (draft 2020-12) whose `$ref`s stay inside it."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._validator = jsonschema_rs.Draft202012Validator(schema)

    def findings(self, document: Any) -> list[Finding]:
        """All that is wrong with the shape of `document`, in document order of the paths."""
        faults = self._validator.iter_errors(_marked(document))
        found = [_unmarked(finding) for fault in faults for finding in self._worded(fault)]
        return list(dict.fromkeys(found))

    def _worded(self, fault: ValidationError) -> Iterator[Finding]:
        path: Path = tuple(fault.instance_path)
        kind = fault.kind
        if isinstance(kind, ValidationErrorKind.AnyOf):
            beside = self._beside(fault.schema_path)
            if "discriminator" in beside and isinstance(fault.instance, dict):
                yield from self._tagged(path, kind, fault.instance, beside["discriminator"])
            else:
                yield from self._any_of(path, kind, fault.instance)
        elif isinstance(kind, ValidationErrorKind.AdditionalProperties):
            known = self._beside(fault.schema_path).get("properties", {})
            for key in kind.unexpected:
                yield error((*path, key), "there is no such key", _nearest(key, list(known), "known here"))
        elif isinstance(kind, ValidationErrorKind.Required):
            yield error(path, f"the key {kind.property!r} is missing", "add it")
        elif isinstance(kind, ValidationErrorKind.Type):
            yield _wrong_type(path, list(kind.types), fault.instance)
        elif isinstance(kind, ValidationErrorKind.Enum):
            options = [str(option) for option in self._beside(fault.schema_path)["enum"]]
            yield error(path, "not a value that is known here", _nearest(str(fault.instance), options, "known"))
        elif isinstance(kind, ValidationErrorKind.Minimum):
            yield error(path, f"less than {kind.limit}", f"use {kind.limit} or more")
        elif isinstance(kind, ValidationErrorKind.Maximum):
            yield error(path, f"more than {kind.limit}", f"use {kind.limit} or less")
        elif isinstance(kind, ValidationErrorKind.MinLength):
            yield error(path, "an empty text", "fill it in")
        else:
            yield error(path, f"does not keep to {kind.name!r} of the schema", "see the published schema")

    def _tagged(
        self, path: Path, kind: ValidationErrorKind.AnyOf, instance: dict[str, Any], discriminator: dict[str, Any]
    ) -> Iterator[Finding]:
        """The faults of the alternative that the value names itself."""
        name, tags = discriminator["propertyName"], list(discriminator["mapping"])
        tag = instance.get(name)
        if tag in tags:
            for fault in kind.context[tags.index(tag)]:
                yield from self._worded(fault)
        elif name not in instance:
            alike = get_close_matches(name, instance, 1)
            if alike:
                yield error((*path, alike[0]), "there is no such key", f"did you mean {name}: {' or '.join(tags)}?")
            else:
                yield error(path, f"the key {name!r} is missing", f"add it: {' or '.join(tags)}")
        elif isinstance(tag, str):
            yield error((*path, name), "not a value that is known here", _nearest(tag, tags, "known"))
        else:
            yield _wrong_type((*path, name), ["string"], tag)

    def _any_of(self, path: Path, kind: ValidationErrorKind.AnyOf, instance: Any) -> Iterator[Finding]:
        """The faults of the alternative that was meant: the one whose type the value has."""
        expected: list[str] = []
        for alternative in kind.context:
            types = [
                fault.kind.types
                for fault in alternative
                if isinstance(fault.kind, ValidationErrorKind.Type) and tuple(fault.instance_path) == path
            ]
            if not types:
                for fault in alternative:
                    yield from self._worded(fault)
                return
            expected += types[0]
        yield _wrong_type(path, expected, instance)

    def _beside(self, schema_path: list[str | int]) -> Any:
        """The part of the schema that holds the keyword at `schema_path`."""
        part: Any = self._schema
        for step in schema_path[:-1]:
            part = part[step]
        return part


def _marked(value: Any) -> Any:
    """`value` with a mark before keys that a fault's path would give as numbers, or leave out where they are empty."""
    if isinstance(value, dict):
        return {_MARK + key if _needs_mark(key) else key: _marked(member) for key, member in value.items()}
    return [_marked(member) for member in value] if isinstance(value, list) else value


def _needs_mark(key: Any) -> bool:
    return isinstance(key, str) and (not key or key[0] == _MARK or key[0] in "+-0123456789")


def _unmarked(finding: Finding) -> Finding:
    path = tuple(part.removeprefix(_MARK) if isinstance(part, str) else part for part in finding.path)
    return finding if path == finding.path else msgspec.structs.replace(finding, path=path)


def _wrong_type(path: Path, expected: list[str], value: Any) -> Finding:
    wanted = " or ".join(_TYPES[kind] for kind in dict.fromkeys(expected))
    remedy = "put it into quotes" if expected == ["string"] and isinstance(value, (bool, int, float)) else ""
    return error(path, f"{_name(value)} where {wanted} is expected", remedy)


def _name(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    for kind, name in ((str, "text"), (dict, "a mapping"), (list, "a list"), ((int, float), "a number")):
        if isinstance(value, kind):
            return name
    return "nothing"


def _nearest(word: str, options: list[str], otherwise: str) -> str:
    near = get_close_matches(word, options, 1, 0.6) or [o for o in options if o.lower() == word.lower()]
    return f"did you mean {near[0]!r}?" if near else f"{otherwise}: {', '.join(options)}"
