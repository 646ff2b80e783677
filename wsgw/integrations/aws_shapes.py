"""Texts as the types that an operation's input has: mappings and queries know only text.

Shapes are botocore's. Lists and maps are given as JSON text, timestamps and blobs as text.
Source: developer guide, "Integration subtype reference for HTTP APIs".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from wsgw.errors import BadRequest

_NUMBERS = {"integer": int, "long": int, "float": float, "double": float}
_COMPOUND = frozenset(("structure", "list", "map"))


def typed(model: Any, operation: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` by the members of the input of `operation`, those that it does not have left as they are.

    Raises BadRequest for a text that is nothing of its type: it is what the client sent.
    """
    if operation not in model.operation_names:
        return dict(given)
    members = model.operation_model(operation).input_shape.members
    return {name: value_of(members[name], name, value) if name in members else value for name, value in given.items()}


def value_of(shape: Any, name: str, value: Any) -> Any:
    """`value` as `shape` has it; what is no text stays as it is."""
    if not isinstance(value, str):
        return value
    kind = shape.type_name
    try:
        if kind in _COMPOUND:
            return orjson.loads(value)
        if kind == "boolean":
            return {"true": True, "false": False}[value.strip().lower()]
        return _NUMBERS[kind](value) if kind in _NUMBERS else value
    except (ValueError, KeyError) as error:
        what = "JSON" if kind in _COMPOUND else f"a {kind}"
        raise BadRequest(detail=f"the parameter {name} is not {what}") from error
