"""A REST API's Integration, or an HTTP API's → `x-amazon-apigateway-integration`."""

from __future__ import annotations

from typing import Any

from wsgw.definitions.freeze_parts import Document
from wsgw.definitions.route import TIMEOUT_MS
from wsgw.formats.openapi_place import present


def rest_integration(integration: Document, resource: Document) -> dict[str, Any]:
    """The extension of a method of `resource`. What is API Gateway's default is left out."""
    kind = integration["type"]
    connection = integration.get("connectionType")
    timeout, namespace = integration.get("timeoutInMillis"), integration.get("cacheNamespace")
    is_default = connection == "INTERNET" and kind in ("HTTP", "HTTP_PROXY")
    return {
        "type": kind.lower(),
        **present(
            httpMethod=integration.get("httpMethod"),
            uri=integration.get("uri"),
            credentials=integration.get("credentials"),
            connectionType=None if is_default else connection,
            connectionId=integration.get("connectionId"),
            requestParameters=integration.get("requestParameters"),
            requestTemplates=integration.get("requestTemplates"),
            passthroughBehavior=integration.get("passthroughBehavior", "WHEN_NO_MATCH").lower(),
            contentHandling=integration.get("contentHandling"),
            timeoutInMillis=None if timeout == TIMEOUT_MS else timeout,
            tlsConfig=integration.get("tlsConfig"),
            responseTransferMode=integration.get("responseTransferMode"),
            integrationTarget=integration.get("integrationTarget"),
            cacheNamespace=None if namespace == resource["id"] else namespace,
            cacheKeyParameters=integration.get("cacheKeyParameters") or None,
        ),
        **_responses(integration.get("integrationResponses", {})),
        **integration.get("x-wsgw", {}).get("members", {}),
    }


def http_integration(integration: Document) -> dict[str, Any]:
    """The extension of a route."""
    return {
        **present(
            payloadFormatVersion=integration.get("payloadFormatVersion", "1.0"),
            integrationSubtype=integration.get("integrationSubtype"),
            type=integration["integrationType"].lower(),
            httpMethod=integration.get("integrationMethod"),
            uri=integration.get("integrationUri"),
            credentials=integration.get("credentialsArn"),
            connectionType=integration.get("connectionType", "INTERNET"),
            connectionId=integration.get("connectionId"),
            requestParameters=integration.get("requestParameters"),
            responseParameters=integration.get("responseParameters"),
            timeoutInMillis=integration.get("timeoutInMillis"),
            tlsConfig=integration.get("tlsConfig"),
            description=integration.get("description"),
        ),
        **integration.get("x-wsgw", {}).get("members", {}),
    }


def _responses(by_status: Document) -> dict[str, Any]:
    """Integration responses by the pattern that selects them."""
    if not by_status:
        return {}
    made = {}
    for status, response in by_status.items():
        members = ("responseParameters", "responseTemplates", "contentHandling")
        made[response.get("selectionPattern", "default")] = {
            "statusCode": str(response.get("statusCode", status)),
            **{name: response[name] for name in members if name in response},
        }
    return {"responses": made}
