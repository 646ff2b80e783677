"""Small OpenAPI documents for the tests beside this file."""

from __future__ import annotations

from typing import Any

MOCK = {"type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'}, "responses": {}}
PROXY = {"type": "http_proxy", "httpMethod": "GET", "uri": "http://localhost:9000/pets"}
OK = {"200": {"description": "fine"}}


def openapi(paths: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """An OpenAPI 3 document with `paths`, else with one GET /pets."""
    paths = {"/pets": {"get": operation()}} if paths is None else paths
    return {"openapi": "3.0.1", "info": {"title": "Pet Store", "version": "1.0"}, "paths": paths, **members}


def swagger(paths: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """The same in Swagger 2."""
    document = openapi(paths, **members)
    del document["openapi"]
    return {"swagger": "2.0", **document}


def operation(integration: Any = PROXY, **members: Any) -> dict[str, Any]:
    return {"responses": OK, "x-amazon-apigateway-integration": integration, **members}


def http_api(paths: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """An OpenAPI document of an HTTP API."""
    return openapi(paths, **{"x-amazon-apigateway-importexport-version": "1.0", **members})
