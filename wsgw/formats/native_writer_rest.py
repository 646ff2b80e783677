"""The document of a REST API → its entry in the native format."""

from __future__ import annotations

import json
from typing import Any

from wsgw.definitions.freeze_parts import Document
from wsgw.definitions.freeze_rest import methods_of
from wsgw.definitions.model_schema import DEFAULT_MODELS
from wsgw.formats.comparable import rest_integration_meaning
from wsgw.formats.native_rest import Named, Validators, rest_method
from wsgw.formats.native_rest_integration import rest_integration
from wsgw.formats.native_schema_rest import (
    GatewayResponseEntry,
    MethodEntry,
    MethodResponseEntry,
    RestApiEntry,
    RestIntegrationEntry,
    RestResponseEntry,
    ValidatorEntry,
)
from wsgw.formats.native_shorter import members_of, model_entry, reader, shortest, shortest_integration
from wsgw.formats.native_writer_access import names_and_types, rest_authorizer_entry, with_authorizer
from wsgw.formats.stage_entries import rest_stage_entry


def rest_entry(document: Document) -> dict[str, Any]:
    """The API of `document`, as short as it can be said."""
    names = {one["id"]: one["name"] for one in document.get("requestValidators", ())}
    authorizers, types = names_and_types(document)
    read_with = Named(Validators(RestApiEntry()), types)
    own = ("authorizers", "routes", "models", "request_validators", "policy", "stages", "name", "gateway_responses")
    head = members_of(dict(document), RestApiEntry, *own)
    sections = {
        "policy": json.loads(document["policy"]) if document.get("policy") else None,
        "authorizers": {
            one.get("name", one["id"]): rest_authorizer_entry(one) for one in document.get("authorizers", ())
        },
        "models": _models(document),
        "requestValidators": {
            one["name"]: {name: True for name, on in members_of(one, ValidatorEntry).items() if on}
            for one in document.get("requestValidators", ())
        },
        "routes": {
            f"{verb} {path}": _route(verb, path, resource, _with_names(method, names, authorizers), read_with)
            for path, verb, resource, method in methods_of(document)
        },
        "gatewayResponses": {
            one["responseType"]: _with_number(members_of(one, GatewayResponseEntry))
            for one in document.get("gatewayResponses", ())
            if not one.get("defaultResponse")
        },
        "stages": {stage["stageName"]: rest_stage_entry(stage) for stage in document.get("stages", ())},
    }
    return {
        "protocol": "REST",
        **({"name": document["name"]} if document["name"] != document["id"] else {}),
        **{name: value for name, value in head.items() if name not in sections and name != "name"},
        **{name: value for name, value in sections.items() if value},
    }


def _models(document: Document) -> dict[str, Any]:
    models = {one["name"]: model_entry(one) for one in document.get("models", ())}
    built_in = {name: default["schema"] for name, default in DEFAULT_MODELS.items()}
    return {name: entry for name, entry in models.items() if entry["schema"] != built_in.get(name)}


def _route(verb: str, path: str, resource: Document, method: Document, named: Named) -> Any:
    integration = method.get("methodIntegration")
    entry = members_of(dict(method), MethodEntry, "integration", "requestValidator", "methodResponses")
    if integration is not None:
        entry["integration"] = _integration(integration, path, resource)
    entry["methodResponses"] = {
        status: members_of(one, MethodResponseEntry) or None
        for status, one in method.get("methodResponses", {}).items()
    }
    if throttle := method.get("x-wsgw", {}).get("throttle"):
        entry["throttle"] = throttle
    entry = shortest(
        entry,
        reader(
            MethodEntry, lambda one, findings: _meaning(rest_method(verb, path, one, named, (), findings), resource)
        ),
    )
    if method.get("requestValidator"):
        entry["requestValidator"] = method["requestValidator"]
    # What is asked of a request first, what becomes of it after.
    entry = {
        name: entry[name]
        for name in (*sorted(entry.keys() - {"integration"}, key=_place), "integration")
        if name in entry
    }
    return entry["integration"] if set(entry) == {"integration"} and isinstance(entry["integration"], str) else entry


def _with_names(method: Document, validators: dict[str, str], authorizers: dict[str, str]) -> Document:
    """`method` with its validator and authorizer by name."""
    named = with_authorizer(dict(method), authorizers)
    if method.get("requestValidatorId") in validators:
        named["requestValidator"] = validators[method["requestValidatorId"]]
    return named


def _place(name: str) -> int:
    names = list(MethodEntry.__struct_encode_fields__)
    return names.index(name)


def _meaning(method: Document, resource: Document) -> Any:
    integration = method.get("methodIntegration")
    meant = rest_integration_meaning(integration, resource) if integration else None
    return {**method, "methodIntegration": meant}


def _integration(integration: Document, path: str, resource: Document) -> Any:
    entry = members_of(dict(integration), RestIntegrationEntry, "integrationResponses", "httpMethod")
    if integration.get("httpMethod"):
        entry["method"] = integration["httpMethod"]
    responses = integration.get("integrationResponses", {})
    entry["integrationResponses"] = {
        status: {
            **members_of(one, RestResponseEntry),
            **({"selectionPattern": one["selectionPattern"]} if one.get("selectionPattern") is not None else {}),
        }
        for status, one in responses.items()
    }
    read = reader(
        str | RestIntegrationEntry,
        lambda one, findings: rest_integration_meaning(rest_integration(one, path, (), findings), resource),
    )
    by_pattern = {
        one.get("selectionPattern", "default"): {"statusCode": _number(status), **members_of(one, RestResponseEntry)}
        for status, one in responses.items()
    }
    short = responses.get("200", {}).get("responseTemplates")
    alternatives: list[dict[str, Any]] = [
        {"integrationResponses": None, "responseTemplates": short},
        {"integrationResponses": None, "responses": by_pattern},
    ]
    return shortest_integration(entry, read, alternatives)


def _with_number(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "statusCode": _number(entry["statusCode"])} if "statusCode" in entry else entry


def _number(status: str) -> int | str:
    return int(status) if status.isdecimal() and not status.startswith("0") else status
