"""A model's schema with all that it refers to inside it: references between models become references within one.

A model refers to another as `https://apigateway.amazonaws.com/restapis/{apiId}/models/{Name}`, perhaps with a fragment
(`#/properties/x`), and to its own parts as `#/definitions/X`. Models may refer to each other in circles.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

_MODEL = re.compile(r"https://apigateway\.amazonaws\.com/restapis/[^/]+/models/([A-Za-z0-9]+)(?:#(.*))?")
# Values, not schemas, though a value may look like one.
_VALUES = frozenset({"enum", "default", "example", "const"})
# Schemas by a name, which may be any.
_NAMED = frozenset({"properties", "patternProperties", "definitions", "dependencies"})

Schema = dict[str, Any]


def model_reference(api_id: str, name: str, fragment: str = "") -> str:
    """The `$ref` of the model `name`; `fragment` is a JSON pointer into it."""
    return f"https://apigateway.amazonaws.com/restapis/{api_id}/models/{name}" + (f"#{fragment}" if fragment else "")


def models_in(schema: Any) -> set[str]:
    """The names of the models that `schema` refers to."""
    found = (_MODEL.fullmatch(reference) for reference in references(schema))
    return {match[1] for match in found if match}


def unknown_models(schema: Any, known: Collection[str]) -> list[str]:
    """Models that `schema` refers to and that are not `known`, and references that lead nowhere one can follow."""
    faults: list[str] = []
    for reference in references(schema):
        match = _MODEL.fullmatch(reference)
        if match is None:
            if not reference.startswith("#") or not _leads(schema, reference[1:]):
                faults.append(reference)
        elif match[1] not in known:
            faults.append(match[1])
    return list(dict.fromkeys(faults))


def references(schema: Any) -> Iterator[str]:
    """Every `$ref` in `schema`."""
    found: list[str] = []

    def noted(reference: str) -> str:
        found.append(reference)
        return reference

    rewritten(schema, noted)
    yield from found


def self_contained(name: str, schemas: Mapping[str, Schema]) -> Schema:
    """The schema of the model `name` in `schemas`, with each model that it needs under `definitions`."""
    needed: dict[str, None] = {}
    waiting = sorted(models_in(schemas[name]))
    while waiting:
        other = waiting.pop()
        if other not in needed and other != name:
            needed[other] = None
            waiting += sorted(models_in(schemas[other]))
    own = schemas[name].get("definitions")
    taken = set(own) if isinstance(own, dict) else set()
    places = {name: "#"}
    for other in sorted(needed):
        inside = other
        while inside in taken:
            inside += "_"
        taken.add(inside)
        places[other] = f"#/definitions/{inside}"
    whole: Schema = rewritten(schemas[name], partial(_placed, own="#", places=places))
    if not needed:
        return whole
    definitions = dict(whole["definitions"]) if isinstance(own, dict) else {}
    for other in needed:
        place = places[other]
        definitions[place.rpartition("/")[2]] = rewritten(schemas[other], partial(_placed, own=place, places=places))
    if "$ref" in whole:
        # Draft 4 ignores what stands beside a $ref, and some validators do not even look up pointers there.
        whole = {"allOf": [{"$ref": whole["$ref"]}]}
    return {**whole, "definitions": definitions}


def rewritten(schema: Any, reference: Callable[[str], str]) -> Any:
    """`schema` with `reference(text)` in place of the text of each `$ref`."""
    if isinstance(schema, list):
        return [rewritten(value, reference) for value in schema]
    if not isinstance(schema, dict):
        return schema
    made: Schema = {}
    for key, value in schema.items():
        if key == "$ref" and isinstance(value, str):
            made[key] = reference(value)
        elif key in _NAMED and isinstance(value, dict):
            made[key] = {name: rewritten(part, reference) for name, part in value.items()}
        else:
            made[key] = value if key in _VALUES else rewritten(value, reference)
    return made


def _placed(reference: str, own: str, places: Mapping[str, str]) -> str:
    """`reference`, made in a schema that now stands at `own`, from where the whole stands."""
    match = _MODEL.fullmatch(reference)
    if match:
        return places[match[1]] + (match[2] or "")
    return own + reference[1:] if reference.startswith("#") else reference


def _leads(schema: Any, pointer: str) -> bool:
    if pointer in ("", "/"):
        return True
    found = schema
    for part in pointer.lstrip("/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            return False
    return True
