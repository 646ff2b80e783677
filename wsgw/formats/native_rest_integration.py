"""Integrations of the native format's REST APIs, their responses, and the method responses that these need."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from wsgw.definitions.finding import Finding, Path, error
from wsgw.formats.native_parts import same_property, short_integration, with_type
from wsgw.formats.native_schema_rest import RestIntegrationEntry

_PASSES_ANSWERS_ON = frozenset({"HTTP_PROXY", "AWS_PROXY", "PYTHON"})
_PLACEHOLDER = re.compile(r"\{([^{}+]+)\+?\}")


def rest_integration(
    entry: str | RestIntegrationEntry, template: str, path: Path, findings: list[Finding]
) -> dict[str, Any]:
    """The integration of a method of the resource `template`, as GetIntegration gives it."""
    if isinstance(entry, str):
        document = _short(entry, template, path, findings)
    else:
        document = msgspec.to_builtins(entry)
        same_property(document, "method", "httpMethod", path, findings)
        if not with_type(document, "type", path, findings):
            document["type"] = "MOCK"
    kind = document["type"]
    responses = _responses(document, path, findings)
    if kind == "MOCK":
        document.setdefault("requestTemplates", {"application/json": '{"statusCode":200}'})
    elif kind != "PYTHON":
        document.setdefault("httpMethod", "ANY" if kind in ("HTTP", "HTTP_PROXY") else "POST")
    if kind not in _PASSES_ANSWERS_ON and not responses:
        responses = {"200": {"statusCode": "200"}}
    return {**document, "integrationResponses": responses}


def method_responses(written: dict[str, Any] | None, integration: dict[str, Any] | None) -> dict[str, Any]:
    """The method responses of a file, or where it has none, those that the integration's responses need."""
    if written is not None:
        return {status: {"statusCode": status, **(response or {})} for status, response in written.items()}
    responses = integration["integrationResponses"] if integration else {}
    return {
        status: {
            "statusCode": status,
            **(
                {"responseParameters": dict.fromkeys(response["responseParameters"], False)}
                if response.get("responseParameters")
                else {}
            ),
        }
        for status, response in responses.items()
    }


def _short(text: str, template: str, path: Path, findings: list[Finding]) -> dict[str, Any]:
    """A URL gets the path variables that it names: API Gateway fills them only where they are mapped."""
    kind, uri = short_integration(text, path, findings)
    document: dict[str, Any] = {"type": kind, "uri": uri}
    of_route = set(_PLACEHOLDER.findall(template))
    mapped = [name for name in dict.fromkeys(_PLACEHOLDER.findall(uri)) if name in of_route]
    if kind == "HTTP_PROXY" and mapped:
        document["uri"] = uri.replace("+}", "}")
        document["requestParameters"] = {
            f"integration.request.path.{name}": f"method.request.path.{name}" for name in mapped
        }
    return document


def _responses(document: dict[str, Any], path: Path, findings: list[Finding]) -> dict[str, Any]:
    """Takes the forms of integration responses out of `document` and gives them by status, as API Gateway does."""
    forms = [form for form in ("integrationResponses", "responses", "responseTemplates") if form in document]
    for form in forms[1:]:
        message = f"{forms[0]!r} and {form!r} say the same in two ways"
        findings.append(error((*path, form), message, "move it there"))
    by_status: dict[str, Any] = {}
    for status, response in document.pop("integrationResponses", {}).items():
        by_status[status] = {"statusCode": status, **response}
    for pattern, response in document.pop("responses", {}).items():
        status = str(response["statusCode"])
        if status in by_status:
            message = f"there are two responses with status {status}"
            remedy = f"write one pattern for both, as {pattern}|…"
            findings.append(error((*path, "responses", pattern), message, remedy))
        # The order is that of GetIntegration's members; `default` is what no pattern is for.
        selection = {} if pattern == "default" else {"selectionPattern": pattern}
        by_status[status] = {**response, "statusCode": status, **selection}
    templates = document.pop("responseTemplates", None)
    if templates is not None:
        by_status.setdefault("200", {"statusCode": "200", "responseTemplates": templates})
    return by_status
