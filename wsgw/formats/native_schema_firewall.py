"""The JSON Schema of a stage's `webAcl`: what editors show and complete.

`definitions/freeze_firewall.py` reads web ACLs, and says what is wrong with one; nothing is refused for this schema. It
takes names in any case, and null for what may be left out: so does the schema, lest it refuse what is served.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from wsgw.formats.native_schema_firewall_fields import OneOf
from wsgw.formats.native_schema_firewall_rules import WebAclEntry


def web_acl_definitions() -> dict[str, Any]:
    """What `#/$defs` has for web ACLs: WebAclEntry, and whatever it refers to."""
    _, found = msgspec.json.schema_components((WebAclEntry,), ref_template="#/$defs/{name}")
    return {name: _as_read(name, schema, exactly_one=name in _ONE_OF) for name, schema in found.items()}


def _as_read(entry: str, schema: dict[str, Any], *, exactly_one: bool) -> dict[str, Any]:
    """`schema` of `entry`, with names in any case, and null for what may be left out."""
    required = schema.pop("required")
    members = {
        name: member if name in required or exactly_one else _or_null(member)
        for name, member in schema["properties"].items()
    }
    in_any_case = {_any_case(name): {"$ref": f"#/$defs/{entry}/properties/{name}"} for name in members}
    made = {**schema, "properties": members, "patternProperties": in_any_case}
    if exactly_one:
        return {**made, "minProperties": 1, "maxProperties": 1}
    if not required:
        return made
    # Of names in another spelling nobody can say that one is missing.
    return {**made, "if": {"propertyNames": {"enum": list(members)}}, "then": {"required": required}}


def _any_case(name: str) -> str:
    letters = (f"[{letter.upper()}{letter.lower()}]" if letter.isalpha() else letter for letter in name)
    return f"^{''.join(letters)}$"


def _or_null(member: dict[str, Any]) -> dict[str, Any]:
    if member.keys() <= {"description"}:
        return member
    told = {"description": member["description"]} if "description" in member else {}
    rest = {key: value for key, value in member.items() if key != "description"}
    return {**told, "anyOf": [*(rest["anyOf"] if rest.keys() == {"anyOf"} else [rest]), {"type": "null"}]}


def _made_of(entry: type[OneOf]) -> list[str]:
    return [name for kind in entry.__subclasses__() for name in (kind.__name__, *_made_of(kind))]


_ONE_OF: Final = frozenset(_made_of(OneOf))
