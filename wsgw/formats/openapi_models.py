"""The schemas of an OpenAPI document → models, JSON schemas of draft 4 as API Gateway understands it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from wsgw.definitions.model_schema import DEFAULT_MODELS, DRAFT_4, Schema, model_reference
from wsgw.formats.openapi_ids import made_id
from wsgw.formats.openapi_place import Place

_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]")
_MAPPINGS = frozenset({"properties", "patternProperties", "definitions"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf"})
_SINGLE = frozenset({"items", "not", "additionalProperties", "additionalItems"})
_DROPPED = {
    "discriminator": "API Gateway does not support it",
    "exclusiveMinimum": "API Gateway does not support it",
    "minItems": "API Gateway leaves it out when importing",
    "maxItems": "API Gateway leaves it out when importing",
    "nullable": "API Gateway does not support it; write oneOf with {type: 'null'}",
}


class Models:
    """The models of one document. `section` is its components.schemas or definitions; `models` grows as it is read."""

    def __init__(self, section: Place, api_id: str) -> None:
        self._section = section
        self._api_id = api_id
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()
        self.models: dict[str, dict[str, Any]] = {}
        #: Model name → where its schema stands.
        self.places: dict[str, Place] = {}
        schemas = list(section.members())
        for key, place in schemas:
            self._name(key, place)
        for key, place in schemas:
            if key in self._names:
                self._add(self._names[key], place)

    def with_defaults(self) -> list[dict[str, Any]]:
        """All models, with the two that every API has."""
        for name, default in DEFAULT_MODELS.items():
            if name in self.models:
                self.models[name] = self.models.pop(name)
            else:
                self._put(name, default["schema"], default["description"])
        return list(self.models.values())

    def renamed(self, value: Any) -> Any:
        """`value`, a part of the document, with its references to schemas in OpenAPI 3's form, by the models' names."""
        if isinstance(value, dict):
            return {
                key: self._renamed(member) if key == "$ref" and isinstance(member, str) else self.renamed(member)
                for key, member in value.items()
            }
        return [self.renamed(member) for member in value] if isinstance(value, list) else value

    def _renamed(self, reference: str) -> str:
        key, inside = self._split(reference)
        return f"#/components/schemas/{self._names[key]}{inside}" if key in self._names else reference

    def model_of(self, schema: Place) -> str | None:
        """The name of the model for a schema in a body or an answer; one is made for what is written out there."""
        if schema.value is None or not schema.is_mapping():
            return None
        reference = schema.value.get("$ref")
        name = self._named(reference) if isinstance(reference, str) else None
        if name is not None:
            return name
        schema = schema.resolved()
        if not schema.value:
            return None
        made = self._draft_4(schema)
        digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
        name = f"MODEL{digest[:6]}"
        if name not in self.models:
            self.places[name] = schema
            self._put(name, made, _described(made))
        return name

    def _name(self, key: str, place: Place) -> None:
        name = _NOT_ALPHANUMERIC.sub("", key)
        if not name:
            place.error("a model's name needs a letter or digit", "rename the schema")
            return
        taken = self._taken
        if name in taken:
            number = next(n for n in range(2, len(taken) + 3) if f"{name}{n}" not in taken)
            place.warn(f"there is a model {name!r} already: this becomes {name}{number}", "rename the schema")
            name = f"{name}{number}"
        self._names[key] = name
        taken.add(name)

    def _named(self, reference: str) -> str | None:
        """The model that `reference` leads to, if it leads to a whole one."""
        key, inside = self._split(reference)
        return None if inside else self._names.get(key)

    def _split(self, reference: str) -> tuple[str, str]:
        """The schema's key and the pointer into it of a reference to one; ("", "") for any other."""
        head = "#" + "".join(f"/{part}" for part in self._section.path) + "/"
        if not reference.startswith(head):
            return "", ""
        key, slash, inside = reference[len(head) :].partition("/")
        return key.replace("~1", "/").replace("~0", "~"), slash + inside

    def _add(self, name: str, place: Place) -> None:
        self.places[name] = place
        if isinstance(place.value, bool):
            schema: Schema = {} if place.value else {"not": {}}
        elif place.is_mapping():
            schema = self._draft_4(place)
        else:
            return
        default = DEFAULT_MODELS.get(name)
        if default is not None and _bare(schema) == _bare(default["schema"]):
            # As an export writes those that every API has.
            self._put(name, default["schema"], default["description"])
        else:
            self._put(name, schema, _described(schema))

    def _put(self, name: str, schema: Schema, description: str | None = None) -> None:
        self.models[name] = {
            "id": made_id(6, "model", name),
            "name": name,
            **({"description": description} if description else {}),
            "contentType": "application/json",
            "schema": json.dumps(schema),
        }

    def _draft_4(self, place: Place) -> Any:
        """The schema at `place`, with references to models in API Gateway's form, without what it does not take."""
        if isinstance(place.value, bool):
            return {} if place.value else {"not": {}}
        if not place.is_mapping():
            return {}
        made: Schema = {}
        for key, member in place.members():
            if key == "$ref" and isinstance(member.value, str):
                made[key] = self._reference(member)
            elif key in _MAPPINGS:
                made[key] = {name: self._draft_4(part) for name, part in member.members()}
            elif key in _LISTS or (key == "items" and isinstance(member.value, list)):
                made[key] = [self._draft_4(part) for part in member.items()]
            elif key in _SINGLE:
                kept = isinstance(member.value, bool) and key.startswith("additional")
                made[key] = member.value if kept else self._draft_4(member)
            elif not self._leaves_out(key, member):
                made[key] = member.value
        if "const" in made:
            made.setdefault("enum", [made.pop("const")])
        return made

    def _reference(self, member: Place) -> str:
        reference: str = member.value
        key, inside = self._split(reference)
        if key in self._names:
            return model_reference(self._api_id, self._names[key], inside)
        if reference.startswith("https://apigateway.amazonaws.com/restapis/"):
            return model_reference(self._api_id, reference.rpartition("/")[2])
        # Not into the document: perhaps into the schema itself, which shows when the API is made ready.
        if not reference.startswith("#/definitions/") or self._section.path == ("definitions",):
            member.error(f"there is no {reference[:200]}", "refer to one of the document's schemas")
        return reference

    def _leaves_out(self, key: str, member: Place) -> bool:
        reason = _DROPPED.get(key)
        if key == "exclusiveMaximum" and not isinstance(member.value, bool):
            reason = "draft 4 has true or false here, beside maximum"
        elif key == "$schema" and not str(member.value).startswith(DRAFT_4):
            reason = "models are of draft 4"
        elif key == "id":
            # It would change what every reference in the schema means.
            return True
        if reason is None or (key == "nullable" and member.value is False):
            return reason is not None
        member.warn(f"{key!r} is left out: {reason}")
        return True


def _bare(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "$schema"}


def _described(schema: Any) -> str | None:
    description = schema.get("description")
    return description if isinstance(description, str) else None


def with_references(schema: Any, reference: Callable[[str], str]) -> Any:
    """`schema` with `reference(text)` in place of each `$ref` that an import would read as one."""
    if not isinstance(schema, dict):
        return schema
    made: Schema = {}
    for key, value in schema.items():
        if key == "$ref" and isinstance(value, str):
            made[key] = reference(value)
        elif key in _MAPPINGS and isinstance(value, dict):
            made[key] = {name: with_references(part, reference) for name, part in value.items()}
        elif key in _LISTS | {"items"} and isinstance(value, list):
            made[key] = [with_references(part, reference) for part in value]
        else:
            made[key] = with_references(value, reference) if key in _SINGLE else value
    return made
