"""An import into an existing API: merge and overwrite."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.formats.openapi_documents import MOCK, PROXY, http_api, openapi, operation
from wsgw.definitions.freeze import freeze
from wsgw.errors import DefinitionError
from wsgw.formats.openapi import import_openapi
from wsgw.formats.openapi_merge import Mode, merge

BINARY = "x-amazon-apigateway-binary-media-types"
VALIDATORS = "x-amazon-apigateway-request-validators"


def document_of(document: dict[str, Any], **options: Any) -> dict[str, Any]:
    imported = import_openapi(document, **options)
    assert imported.document is not None, imported.findings
    return imported.document


def methods_of(document: dict[str, Any]) -> dict[str, str]:
    return {
        f"{verb} {resource['path']}": method["methodIntegration"]["type"]
        for resource in document["resources"]
        for verb, method in resource["resourceMethods"].items()
    }


def existing() -> dict[str, Any]:
    """An API that somebody made by hand: its ids are no import's."""
    document = document_of(
        openapi(
            {"/a": {"get": operation(), "put": operation()}, "/a/{x}": {"get": operation()}},
            info={"title": "Old", "description": "old"},
            components={"schemas": {"A": {"type": "string"}, "B": {"type": "object"}}},
            **{BINARY: ["image/heif"], VALIDATORS: {"all": {"validateRequestBody": True}}},
        ),
        api_id="0123456789",
    )
    for resource in document["resources"]:
        resource["id"] = f"own{resource['path']}"
        if "parentId" in resource:
            resource["parentId"] = "own/" if resource["path"] == "/a" else "own/a"
    document["rootResourceId"] = "own/"
    document["requestValidators"][0]["id"] = "ownall"
    return {
        **document,
        "createdDate": 1,
        "stages": [{"stageName": "prod"}],
        "endpointConfiguration": {"types": ["REGIONAL"]},
    }


NEW = openapi(
    {
        "/a": {"get": operation(MOCK)},
        "/b/c": {"get": operation(MOCK, **{"x-amazon-apigateway-request-validator": "all"})},
    },
    info={"title": "New", "description": "new"},
    components={
        "schemas": {"A": {"type": "number"}, "C": {"items": {"$ref": "#/components/schemas/A"}, "type": "array"}}
    },
    **{
        BINARY: ["image/png", "image/jpg"],
        VALIDATORS: {"all": {"validateRequestParameters": True}},
        "x-amazon-apigateway-endpoint-configuration": {"types": ["EDGE"]},
    },
)


@pytest.mark.parametrize(
    ("mode", "types"),
    [("merge", ["image/heif", "image/png", "image/jpg"]), ("overwrite", ["image/png", "image/jpg"])],
)
def test_binary_media_types_are_merged_or_replaced(mode: Mode, types):
    """import-10 and import-11, recorded."""
    assert merge(existing(), document_of(NEW), mode)["binaryMediaTypes"] == types


def test_merge_adds_and_replaces_methods():
    """Row merge."""
    merged = merge(existing(), document_of(NEW), "merge")
    assert methods_of(merged) == {
        "GET /a": "MOCK",
        "PUT /a": "HTTP_PROXY",
        "GET /a/{x}": "HTTP_PROXY",
        "GET /b/c": "MOCK",
    }
    assert (merged["name"], merged["description"]) == ("Old", "old")
    assert {model["name"] for model in merged["models"]} == {"A", "B", "C", "Empty", "Error"}


def test_overwrite_leaves_what_is_imported():
    """Row overwrite."""
    merged = merge(existing(), document_of(NEW), "overwrite")
    assert methods_of(merged) == {"GET /a": "MOCK", "GET /b/c": "MOCK"}
    assert (merged["name"], merged["description"]) == ("New", "new")
    assert {model["name"] for model in merged["models"]} == {"A", "C", "Empty", "Error"}
    assert merged["endpointConfiguration"] == {"types": ["REGIONAL"]}
    assert merged["stages"] == [{"stageName": "prod"}]


@pytest.mark.parametrize("mode", ["merge", "overwrite"])
def test_what_keeps_its_path_or_name_keeps_its_id(mode: Mode):
    merged = merge(existing(), document_of(NEW), mode)
    assert merged["id"] == "0123456789"
    assert merged["createdDate"] == 1
    by_path = {resource["path"]: resource for resource in merged["resources"]}
    assert by_path["/"]["id"] == merged["rootResourceId"] == "own/"
    assert by_path["/a"]["id"] == "own/a"
    assert by_path["/b"]["parentId"] == "own/"
    assert by_path["/b/c"]["parentId"] == by_path["/b"]["id"]
    method = by_path["/b/c"]["resourceMethods"]["GET"]
    assert method["requestValidatorId"] == "ownall"
    assert by_path["/a"]["resourceMethods"]["GET"]["methodIntegration"]["cacheNamespace"] == "own/a"
    api = freeze(merged)
    validator = api.routes["GET /b/c"].validator
    assert validator is not None
    assert validator.validate_request_parameters
    assert api.models["C"].schema["definitions"]["A"] == {"type": "number"}
    (reference,) = [model["schema"] for model in merged["models"] if model["name"] == "C"]
    assert "restapis/0123456789/models/A" in reference


@pytest.mark.parametrize("mode", ["merge", "overwrite"])
def test_importing_again_changes_nothing(mode: Mode):
    """Row not atomic: a repeated PUT reaches the same state."""
    once = merge(existing(), document_of(NEW), mode)
    assert merge(once, document_of(NEW), mode) == once


@pytest.mark.parametrize("mode", ["merge", "overwrite"])
def test_neither_document_is_changed(mode: Mode):
    before, imported = existing(), document_of(NEW)
    kept = copy.deepcopy((before, imported))
    merge(before, imported, mode)
    assert (before, imported) == kept


def test_the_models_that_every_api_has_are_not_put_back():
    before = document_of(openapi(components={"schemas": {"Empty": {"title": "own"}}}))
    merged = merge(before, document_of(NEW), "merge")
    (empty,) = [model for model in merged["models"] if model["name"] == "Empty"]
    assert "own" in empty["schema"]


def test_resources_that_do_not_go_together_are_refused():
    imported = document_of(openapi({"/a/{y}": {"get": operation()}}))
    with pytest.raises(DefinitionError, match="variable path part"):
        merge(existing(), imported, "merge")
    assert "GET /a/{y}" in methods_of(merge(existing(), imported, "overwrite"))


def test_an_http_api_is_overwritten_but_for_its_id_and_stages():
    """Row ReimportApi."""
    before = {**document_of(http_api(), api_id="abc"), "stages": [{"stageName": "dev"}]}
    imported = document_of(http_api({"/new": {"get": operation(PROXY)}}, info={"title": "New"}))
    merged = merge(before, imported, "overwrite")
    assert (merged["apiId"], merged["name"], merged["stages"]) == ("abc", "New", [{"stageName": "dev"}])
    assert list(freeze(merged).routes) == ["GET /new"]
