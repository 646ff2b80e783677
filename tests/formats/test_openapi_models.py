"""Schemas become models of draft 4, which refer to each other by API Gateway's own addresses."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from tests.formats.openapi_documents import openapi, operation, swagger
from wsgw.definitions.freeze import freeze
from wsgw.formats.openapi import import_openapi

HERE = "https://apigateway.amazonaws.com/restapis/pet-store/models/"


def models_of(schemas: dict[str, Any], *, warned: bool = False) -> dict[str, Any]:
    imported = import_openapi(openapi(components={"schemas": schemas}))
    assert imported.document is not None, imported.findings
    assert bool(imported.findings) == warned, imported.findings
    return {model["name"]: json.loads(model["schema"]) for model in imported.document["models"]}


def test_names_are_stripped_to_letters_and_digits_and_references_follow():
    """Row components.schemas/definitions."""
    schemas = {
        "Pet-Item": {"type": "object"},
        "all_Pets": {"type": "array", "items": {"$ref": "#/components/schemas/Pet-Item"}},
    }
    models = models_of(schemas)
    assert models["PetItem"] == {"type": "object"}
    assert models["allPets"] == {"type": "array", "items": {"$ref": f"{HERE}PetItem"}}


def test_two_schemas_of_one_name_are_told_apart_with_a_warning():
    models = models_of({"a_b": {"type": "string"}, "ab": {"type": "number"}}, warned=True)
    assert (models["ab"], models["ab2"]) == ({"type": "string"}, {"type": "number"})


def test_every_api_has_the_models_empty_and_error():
    models = models_of({"Error": {"type": "string"}})
    assert models["Error"] == {"type": "string"}
    assert models["Empty"]["title"] == "Empty Schema"


def test_swagger_has_its_schemas_in_definitions():
    pets = {"type": "array", "items": {"$ref": "#/definitions/Pet"}}
    imported = import_openapi(swagger(definitions={"Pet": {"type": "object"}, "Pets": pets}))
    assert imported.document is not None, imported.findings
    by_name = {model["name"]: json.loads(model["schema"]) for model in imported.document["models"]}
    assert by_name["Pets"]["items"] == {"$ref": f"{HERE}Pet"}


def test_a_property_may_be_called_like_a_keyword():
    properties = {"$ref": {"type": "string"}, "enum": {"$ref": "#/components/schemas/A"}, "id": {"type": "string"}}
    models = models_of({"A": {"type": "string"}, "B": {"properties": properties}})
    assert models["B"]["properties"] == {**properties, "enum": {"$ref": f"{HERE}A"}}


def test_a_reference_into_a_model_is_kept():
    reference = {"$ref": "#/components/schemas/A/properties/x"}
    models = models_of({"A": {"properties": {"x": {"type": "string"}}}, "B": reference})
    assert models["B"] == {"$ref": f"{HERE}A#/properties/x"}


def test_a_dangling_reference_is_an_error_with_its_pointer():
    imported = import_openapi(openapi(components={"schemas": {"A": {"items": {"$ref": "#/components/schemas/B"}}}}))
    assert imported.document is None
    assert [finding.pointer for finding in imported.findings] == ["/components/schemas/A/items/$ref"]


LEFT_OUT = [
    ({"type": "array", "minItems": 1, "maxItems": 2}, {"type": "array"}),
    ({"type": "number", "minimum": 1, "exclusiveMinimum": True}, {"type": "number", "minimum": 1}),
    ({"type": "number", "exclusiveMaximum": 3}, {"type": "number"}),
    ({"type": "object", "discriminator": {"propertyName": "kind"}}, {"type": "object"}),
    ({"type": "string", "nullable": True}, {"type": "string"}),
    ({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "string"}, {"type": "string"}),
]


@pytest.mark.parametrize(("schema", "kept"), LEFT_OUT)
def test_what_api_gateway_does_not_support_is_left_out_with_a_warning(schema, kept):
    """Row Not supported, and what the page on models lists."""
    assert models_of({"A": schema}, warned=True)["A"] == kept


TRANSLATED = [
    ({"const": 3}, {"enum": [3]}),
    ({"properties": {"a": True, "b": False}}, {"properties": {"a": {}, "b": {"not": {}}}}),
    ({"additionalProperties": False}, {"additionalProperties": False}),
    ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
    ({"nullable": False}, {}),
    ({"id": "http://elsewhere.example.com/", "type": "string"}, {"type": "string"}),
    (True, {}),
]


@pytest.mark.parametrize(("schema", "made"), TRANSLATED)
def test_what_draft_4_writes_otherwise_is_translated(schema, made):
    assert models_of({"A": schema})["A"] == made


def body(schema: Any, content_type: str = "application/json") -> dict[str, Any]:
    return {"requestBody": {"content": {content_type: {"schema": schema}}}}


def test_a_schema_written_out_becomes_a_model_of_its_own():
    """Row requestBody: inline schemas become generated models."""
    schema = {"type": "object", "required": ["name"]}
    paths = {"/": {"post": operation(**body(schema)), "put": operation(**body(schema))}}
    imported = import_openapi(openapi(paths))
    assert imported.document is not None
    methods = imported.document["resources"][0]["resourceMethods"]
    name = methods["POST"]["requestModels"]["application/json"]
    assert name.isalnum()
    assert methods["PUT"]["requestModels"] == {"application/json": name}
    by_name = {model["name"]: model for model in imported.document["models"]}
    assert json.loads(by_name[name]["schema"]) == schema


CIRCLE = {
    "Person": {"type": "object", "properties": {"house": {"$ref": "#/components/schemas/House"}}, "required": ["name"]},
    "House": {
        "type": "object",
        "properties": {
            "owners": {"type": "array", "items": {"$ref": "#/components/schemas/Person"}},
            "next": {"$ref": "#/components/schemas/House"},
        },
    },
}


def test_models_may_refer_to_each_other_in_circles():
    """valid-15, recorded."""
    imported = import_openapi(openapi(components={"schemas": CIRCLE}))
    assert imported.document is not None
    validator = jsonschema_rs.Draft4Validator(freeze(imported.document).models["Person"].schema)
    assert validator.is_valid({"name": "a", "house": {"owners": [{"name": "b"}], "next": {"owners": []}}})
    assert not validator.is_valid({"name": "a", "house": {"next": {"owners": [{"house": {}}]}}})
