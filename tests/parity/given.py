"""What a case takes for given: its API, made of the definition in the case, with stubs' addresses filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.parity.cases import Case
from wsgw.definitions.api import Api
from wsgw.definitions.freeze import freeze
from wsgw.formats.openapi import import_openapi

API_ID = "parity0api"
_PLACEHOLDER = re.compile(r"\{\{([^{}]+)\}\}")
_METHODS = ("get", "post", "put", "patch", "delete", "head", "options")


def function_uri(name: str) -> str:
    """The integration URI of a stub function."""
    function = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    return f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"


def stage_of(case: Case) -> str:
    stage = case["given"].get("stage", "$default" if case["api"] == "HTTP" else "test")
    return stage if isinstance(stage, str) else stage.get("name", "test")


def fill(value: Any, look_up: Callable[[str], str]) -> Any:
    """`value` with every `{{placeholder}}` in its texts filled in."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: look_up(match[1]), value)
    if isinstance(value, dict):
        return {fill(key, look_up): fill(one, look_up) for key, one in value.items()}
    if isinstance(value, list):
        return [fill(one, look_up) for one in value]
    return value


def placeholders(case: Case, backends: Mapping[str, str]) -> Callable[[str], str]:
    """Answers for the placeholders of `case`; `backends` has each stub's URL."""

    def look_up(name: str) -> str:
        kind, _, rest = name.partition(":")
        if kind == "backend":
            stub, _, what = rest.partition(" ")
            url = backends[stub]
            return url.partition("://")[2] if what else url
        if kind == "lambda":
            return function_uri(rest)
        known = {"api": API_ID, "api_id": API_ID, "stage": stage_of(case), "root_resource_id": _root_id(case)}
        return known[name]

    return look_up


def _root_id(case: Case) -> str:
    """The id of the REST API's root resource, which is made from what it belongs to."""
    document = import_openapi(case["given"].get("openapi"), api_id=API_ID).document
    resources = document["resources"] if document is not None else ()
    return next((resource["id"] for resource in resources if resource["path"] == "/"), "")


def apis_of(case: Case, look_up: Callable[[str], str]) -> Api:
    """The API of `case`, imported and frozen."""
    given = case["given"]
    document = (
        _rest_document(given, fill(given["openapi"], look_up)) if "openapi" in given else _http_document(given, look_up)
    )
    stage = given.get("stage")
    variables = stage.get("variables", {}) if isinstance(stage, dict) else given.get("stage_variables", {})
    key = "variables" if document["protocolType"] == "REST" else "stageVariables"
    document["stages"] = [{"stageName": stage_of(case), key: fill(variables, look_up)}]
    return freeze(document)


def _rest_document(given: Mapping[str, Any], openapi: Any) -> dict[str, Any]:
    document = import_openapi(openapi, api_id=API_ID).document
    for call in given.get("calls", ()):
        if call["op"] == "update_method":
            for resource in document["resources"]:
                for method in resource.get("resourceMethods", {}).values():
                    _patch(method, call["patchOperations"])
        elif call["op"] == "put_gateway_response":
            document.setdefault("gatewayResponses", []).append(call["params"])
        elif call["op"] not in ("create_deployment", "put_rest_api from openapi"):
            raise AssertionError(f"a control-plane call that is not known here: {call['op']}")
    return document


def _patch(method: dict[str, Any], operations: list[dict[str, str]]) -> None:
    for operation in operations:
        _, member, name = operation["path"].split("/", 2)
        if operation["op"] == "remove":
            method[member].pop(name, None)
        else:
            method.setdefault(member, {})[name] = operation["value"] == "true"


def _http_document(given: Mapping[str, Any], look_up: Callable[[str], str]) -> dict[str, Any]:
    """An HTTP API out of routes that are described in words: `http_proxy ANY http://…`, or a stub's name."""
    routes, integrations = [], []
    for number, (key, words) in enumerate(given["routes"].items()):
        integration: dict[str, Any] = {"integrationId": f"i{number}"}
        described = fill(words if "{{" in words else f"http_proxy {{{{backend:{words}}}}}", look_up).split()
        if described[0] == "aws_proxy":
            integration |= {
                "integrationType": "AWS_PROXY",
                "integrationUri": described[-1],
                "payloadFormatVersion": described[described.index("payloadFormatVersion") + 1],
                "integrationMethod": "POST",
            }
        else:
            url = next(word for word in described if word.startswith("http://"))
            integration |= {
                "integrationType": "HTTP_PROXY",
                "integrationUri": url,
                "integrationMethod": "ANY",
                "payloadFormatVersion": "1.0",
            }
        for name in ("requestParameters", "responseParameters"):
            if name in given:
                integration[name] = given[name]
        integrations.append(integration)
        routes.append({"routeId": f"r{number}", "routeKey": key, "target": f"integrations/i{number}"})
    document: dict[str, Any] = {
        "apiId": API_ID,
        "name": "parity",
        "protocolType": "HTTP",
        "routes": routes,
        "integrations": integrations,
    }
    if "corsConfiguration" in given:
        document["corsConfiguration"] = given["corsConfiguration"]
    return document
