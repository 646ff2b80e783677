"""A model's schema with all that it refers to inside it: references between models become references within one.

A model refers to another as `https://apigateway.amazonaws.com/restapis/{apiId}/models/{Name}`, perhaps with a fragment
(`#/properties/x`), and to its own parts as `#/definitions/X`. Models may refer to each other in circles.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

#: What stands before a model's name in a reference.
MODEL_ADDRESS = re.compile(r"https://apigateway\.amazonaws\.com/restapis/[^/]+/models/")
MODEL = re.compile(MODEL_ADDRESS.pattern + r"([A-Za-z0-9]+)(?:#(.*))?")
_INDEX = re.compile(r"[0-9]{1,9}")
#: A schema that is written as JSON text may be nested deeper than what walks through it can follow.
MOST_NESTED = 100
# Values, not schemas, though a value may look like one.
_VALUES = frozenset({"enum", "default", "example", "const"})
# Schemas by a name, which may be any.
_NAMED = frozenset({"properties", "patternProperties", "definitions", "dependencies"})

Schema = dict[str, Any]

DRAFT_4 = "http://json-schema.org/draft-04/schema"
#: What every new REST API has. Source: developer guide, "Models and mapping templates".
DEFAULT_MODELS: dict[str, dict[str, Any]] = {
    "Empty": {
        "description": "This is a default empty schema model",
        "schema": {"$schema": f"{DRAFT_4}#", "title": "Empty Schema", "type": "object"},
    },
    "Error": {
        "description": "This is a default error schema model",
        "schema": {
            "$schema": f"{DRAFT_4}#",
            "title": "Error Schema",
            "type": "object",
            "properties": {"message": {"type": "string"}},
        },
    },
}


def model_reference(api_id: str, name: str, fragment: str = "") -> str:
    """The `$ref` of the model `name`; `fragment` is a JSON pointer into it."""
    return f"https://apigateway.amazonaws.com/restapis/{api_id}/models/{name}" + (f"#{fragment}" if fragment else "")


def nested(value: Any) -> int:
    """How deep the mappings and lists in `value` stand in each other."""
    level, depth = [value], 0
    while level := [
        part
        for one in level
        if isinstance(one, dict | list)
        for part in (one.values() if isinstance(one, dict) else one)
    ]:
        depth += 1
    return depth


def models_in(schema: Any) -> set[str]:
    """The names of the models that `schema` refers to."""
    found = (MODEL.fullmatch(reference) for reference in references(schema))
    return {match[1] for match in found if match}


def unknown_models(schema: Any, known: Collection[str]) -> list[str]:
    """Models that `schema` refers to and that are not `known`, and references that lead nowhere one can follow."""
    faults: list[str] = []
    for reference in references(schema):
        match = MODEL.fullmatch(reference)
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


def self_contained(schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """Each of `schemas` with all the models that it needs under `definitions`; one that needs none stays as it is.

    What several models need is one object in all of them: hundreds that refer to each other are common.
    """
    needs = {name: sorted(models_in(schema)) for name, schema in schemas.items()}
    placed: dict[str, Schema] = {
        name: rewritten(schema, partial(_placed, own=f"#/definitions/{name}")) for name, schema in schemas.items()
    }
    made: dict[str, Schema] = {}
    for name, schema in schemas.items():
        if not needs[name]:
            made[name] = schema
            continue
        needed, waiting = {name}, [name]
        while waiting:
            for other in needs[waiting.pop()]:
                if other not in needed:
                    needed.add(other)
                    waiting.append(other)
        # allOf: draft 4 ignores what stands beside a $ref.
        definitions = {other: placed[other] for other in sorted(needed)}
        made[name] = {"allOf": [{"$ref": f"#/definitions/{name}"}], "definitions": definitions}
    return made


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


def _placed(reference: str, own: str) -> str:
    """`reference`, made in a schema that now stands at `own`, from where the whole stands."""
    match = MODEL.fullmatch(reference)
    if match:
        return f"#/definitions/{match[1]}{match[2] or ''}"
    return own + reference[1:] if reference.startswith("#") else reference


def _leads(schema: Any, pointer: str) -> bool:
    if pointer in ("", "/"):
        return True
    found = schema
    for part in pointer.lstrip("/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and _INDEX.fullmatch(key) and int(key) < len(found):
            found = found[int(key)]
        else:
            return False
    return True
