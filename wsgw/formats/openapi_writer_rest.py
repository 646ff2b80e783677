"""The document of a REST API → OpenAPI 3.0.1 or Swagger 2.0.

Source: developer guide, "Export a REST API from API Gateway" and "OpenAPI extensions for API Gateway".
"""

from __future__ import annotations

import json
from typing import Any

from wsgw.definitions.freeze_parts import Document
from wsgw.definitions.model_schema import DEFAULT_MODELS, MODEL, models_in
from wsgw.formats.openapi_documentation import EXTENSION as DOCUMENTATION
from wsgw.formats.openapi_form import Form
from wsgw.formats.openapi_models import with_references
from wsgw.formats.openapi_place import present
from wsgw.formats.openapi_rest import ANY_METHOD
from wsgw.formats.openapi_root import (
    ACCESS_MODE,
    BINARY,
    COMPRESSION,
    ENDPOINT,
    KEY_SOURCE,
    POLICY,
    RESPONSES,
    SECURITY_POLICY,
    TAG,
    VALIDATOR,
    VALIDATORS,
)
from wsgw.formats.openapi_stages import EXTENSION as STAGES
from wsgw.formats.openapi_writer_documentation import Words
from wsgw.formats.openapi_writer_method import Common, operation
from wsgw.formats.openapi_writer_security import Schemes
from wsgw.formats.stage_entries import rest_stage_entry


def rest_openapi(document: Document, form: Form) -> dict[str, Any]:
    """The API of `document` in this form, with the extensions that it wants."""
    ours: dict[str, Any] = document.get("x-wsgw", {})
    words, schemes = Words(document), Schemes(document, form)
    said, info = words.api()
    validators = {one["id"]: one["name"] for one in document.get("requestValidators", ())}
    common = Common(form, words, schemes, validators, _default_validator(document, ours))
    paths = _paths(document, common)
    schemas = _schemas(document, form)
    made: dict[str, Any] = {"swagger": "2.0"} if form.is_swagger else {"openapi": "3.0.1"}
    made["info"] = head(document, info, form)
    made |= _address(document, ours, form)
    made |= tags(document, ours, form)
    made |= said
    made["paths"] = paths
    made |= _components(schemas, schemes.made, ours.get("components", {}), form)
    made |= form.when("validators", _validators(document, common.default_validator))
    responses = {one["responseType"]: _gateway_response(one) for one in _own_responses(document)}
    if responses:
        made |= form.when("gatewayresponses", {RESPONSES: responses})
    documentation = {"documentationParts": words.rest(), **ours.get("documentation", {})}
    if any(documentation.values()):
        made |= form.when("documentation", {DOCUMENTATION: documentation})
    return made | form.when("apigateway", _extensions(document, ours))


def head(document: Document, said: dict[str, Any], form: Form) -> dict[str, Any]:
    """The document's info. A version has to be there: an import takes "" for none."""
    description = document.get("description")
    return {
        "title": document["name"],
        **({"description": description} if description else {}),
        "version": document.get("version") or "",
        **said,
        **form.when("apigateway", document.get("x-wsgw", {}).get("infoExtensions", {})),
    }


def tags(document: Document, ours: Document, form: Form) -> dict[str, Any]:
    """The API's tags with their values, and those of operations."""
    own = [{"name": name, TAG: value} for name, value in document.get("tags", {}).items()]
    both = [*(own if form.has("apigateway") else ()), *ours.get("tags", ())]
    return {"tags": both} if both else {}


def servers(ours: Document, endpoint: dict[str, Any]) -> list[dict[str, Any]]:
    """OpenAPI 3's servers; API Gateway looks for `endpoint` in the first."""
    made = [dict(server) for server in ours.get("servers", ())]
    if not made and (base := ours.get("basePath")):
        made = [{"url": base}]
    if endpoint:
        made = made or [{"url": "/"}]
        made[0][ENDPOINT] = endpoint
    return made


def _paths(document: Document, common: Common) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    resources = document.get("resources", ())
    for number, resource in enumerate(resources, 1):
        made: dict[str, Any] = {}
        for verb, method in resource.get("resourceMethods", {}).items():
            key = ANY_METHOD if verb == "ANY" else verb.lower()
            made[key] = operation(method, resource, verb, common)
        extensions = common.form.when("apigateway", resource.get("x-wsgw", {}).get("extensions", {}))
        said = common.words.resource(resource["path"])
        # One that is only on the way to the next comes with it.
        comes = resource["path"] == "/" or (
            number < len(resources) and resources[number].get("parentId") == resource["id"]
        )
        if made or extensions or said or not comes:
            paths[resource["path"]] = {**said, **made, **extensions}
    return paths


def _default_validator(document: Document, ours: Document) -> str | None:
    """The validator that the root may name: that of the import, if no method goes without."""
    name: str | None = ours.get("defaultRequestValidator")
    methods = [method for one in document.get("resources", ()) for method in one.get("resourceMethods", {}).values()]
    return name if all(method.get("requestValidatorId") for method in methods) else None


def _validators(document: Document, default: str | None) -> dict[str, Any]:
    names = ("validateRequestBody", "validateRequestParameters")
    made = {
        one["name"]: {name: bool(one.get(name, False)) for name in names}
        for one in document.get("requestValidators", ())
    }
    return {**({VALIDATOR: default} if default else {}), **({VALIDATORS: made} if made else {})}


def _own_responses(document: Document) -> list[Document]:
    return [one for one in document.get("gatewayResponses", ()) if not one.get("defaultResponse")]


def _gateway_response(one: Document) -> dict[str, Any]:
    names = ("statusCode", "responseParameters", "responseTemplates")
    return {name: one[name] for name in names if one.get(name) is not None}


def _schemas(document: Document, form: Form) -> dict[str, Any]:
    """The models by name; those that every API has only where something refers to them."""
    models = {one["name"]: one for one in document.get("models", ())}
    schemas = {name: json.loads(one["schema"]) for name, one in models.items()}
    used = {name for schema in schemas.values() for name in models_in(schema)} | _used(document)
    # An API of the native format has them, too, without a definition.
    schemas |= {name: one["schema"] for name, one in DEFAULT_MODELS.items() if name in used and name not in schemas}
    made = {}
    for name, schema in schemas.items():
        default = DEFAULT_MODELS.get(name)
        if default is not None and schema == default["schema"]:
            if name in used:
                made[name] = {key: value for key, value in schema.items() if key != "$schema"}
            continue
        made[name] = _schema(name, schema, form)
        description = models[name].get("description")
        if description and isinstance(made[name], dict):
            made[name].setdefault("description", description)
    return made


def _used(document: Document) -> set[str]:
    used: set[str] = set()
    for resource in document.get("resources", ()):
        for method in resource.get("resourceMethods", {}).values():
            used |= set(method.get("requestModels", {}).values())
            for response in method.get("methodResponses", {}).values():
                used |= set(response.get("responseModels", {}).values())
    return used


def _schema(name: str, schema: Any, form: Form) -> Any:
    def reference(text: str) -> str:
        match = MODEL.fullmatch(text)
        if match:
            return form.model(match[1], match[2] or "")
        # What stands inside of the schema itself is elsewhere in the whole document.
        is_inside = text.startswith("#") and (form.is_swagger or not text.startswith("#/definitions/"))
        return form.model(name, text[1:]) if is_inside else text

    return with_references(schema, reference)


def _components(schemas: dict[str, Any], schemes: dict[str, Any], others: dict[str, Any], form: Form) -> dict[str, Any]:
    if form.is_swagger:
        return {
            **({"definitions": schemas} if schemas else {}),
            **({"securityDefinitions": schemes} if schemes else {}),
        }
    made = {
        **({"schemas": schemas} if schemas else {}),
        **({"securitySchemes": schemes} if schemes else {}),
        **{name: form.moved(one) for name, one in others.items()},
    }
    return {"components": made} if made else {}


def _address(document: Document, ours: Document, form: Form) -> dict[str, Any]:
    """Where the API is: servers, or Swagger's host and base path; and its endpoint configuration."""
    endpoint = form.when(
        "apigateway",
        {
            **document.get("endpointConfiguration", {}),
            **present(disableExecuteApiEndpoint=document.get("disableExecuteApiEndpoint")),
        },
    )
    made = servers(ours, {} if form.is_swagger else endpoint)
    if not form.is_swagger:
        return {"servers": made} if made else {}
    return {**_swagger_address(made), **({ENDPOINT: endpoint} if endpoint else {})}


def _swagger_address(made: list[dict[str, Any]]) -> dict[str, Any]:
    if not made:
        return {}
    url = str(made[0].get("url", ""))
    for name, variable in made[0].get("variables", {}).items():
        url = url.replace(f"{{{name}}}", str(variable.get("default", "")).strip("/"))
    # A path may have the look of a URL behind its first slash.
    absolute = "://" in url and not url.startswith("/")
    host, slash, base = (url.partition("://")[2] if absolute else url).partition("/")
    urls = [one.get("url", "") for one in made]
    schemes = [one.partition("://")[0] for one in urls if "://" in one and not one.startswith("/")]
    return {
        **({"host": host} if host and absolute else {}),
        **({"basePath": f"/{base}"} if slash else {}),
        **({"schemes": list(dict.fromkeys(schemes))} if schemes else {}),
    }


def _extensions(document: Document, ours: Document) -> dict[str, Any]:
    """The API's own members that OpenAPI has no word for, its stages, and what an import kept."""
    policy = document.get("policy")
    stages = {stage["stageName"]: rest_stage_entry(stage) for stage in document.get("stages", ())}
    return {
        **present(
            **{
                BINARY: document.get("binaryMediaTypes"),
                COMPRESSION: document.get("minimumCompressionSize"),
                KEY_SOURCE: document.get("apiKeySource"),
                POLICY: json.loads(policy) if policy else None,
                SECURITY_POLICY: document.get("securityPolicy"),
                ACCESS_MODE: document.get("endpointAccessMode"),
            }
        ),
        **({STAGES: stages} if stages else {}),
        **ours.get("extensions", {}),
    }
