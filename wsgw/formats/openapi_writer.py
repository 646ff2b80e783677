"""Documents of REST and HTTP APIs → OpenAPI 3.0.1 or Swagger 2.0, as API Gateway exports them.

`openapi_writer_rest` and `openapi_writer_http` write; what an import of the export would not give back is a warning.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, NamedTuple

from wsgw.definitions.finding import Finding, Path, error, has_errors, warning
from wsgw.definitions.freeze import api_id_of
from wsgw.definitions.freeze_parts import Document
from wsgw.formats.comparable import GUARDS, differences
from wsgw.formats.openapi import import_openapi, protocol_of
from wsgw.formats.openapi_extensions import MISPLACED
from wsgw.formats.openapi_form import EXTENSIONS, Form
from wsgw.formats.openapi_ids import slug
from wsgw.formats.openapi_place import Notes, Place
from wsgw.formats.openapi_writer_http import http_openapi
from wsgw.formats.openapi_writer_rest import rest_openapi

Version = Literal["oas30", "swagger"]


class Exported(NamedTuple):
    """An OpenAPI document; None if one of `findings` is an error. A warning names what an import has otherwise."""

    document: dict[str, Any] | None
    findings: tuple[Finding, ...] = ()


def export_openapi(
    document: Document, version: Version = "oas30", extensions: Collection[str] = EXTENSIONS
) -> Exported:
    """The API of `document` as OpenAPI.

    extensions: groups of them, as GetExport takes; `apigateway` is all of them, none gives a plain document
    """
    api_id, protocol = api_id_of(document), document["protocolType"]
    if protocol == "WEBSOCKET":
        remedy = "export it as native"
        return Exported(None, (error(("apis", api_id), "OpenAPI does not describe WebSocket APIs", remedy),))
    if protocol == "HTTP" and version == "swagger":
        message = "HTTP APIs are exported as OpenAPI 3 only"
        return Exported(None, (error(("apis", api_id), message, "export it as oas30"),))
    form = Form(version == "swagger", frozenset(extensions))
    made = http_openapi(document, form) if protocol == "HTTP" else rest_openapi(document, form)
    if not form.has("apigateway"):
        return Exported(made)
    if api_id != slug(document["name"]):
        made["x-wsgw-api-id"] = api_id
    if protocol_of(Place(made, (), Notes(made))) != protocol:
        made["x-wsgw-protocol"] = protocol
    _put_back(made, document.get("x-wsgw", {}).get("extensionsAt", {}))
    findings = tuple(_lost(document, made))
    return Exported(None if has_errors(findings) else made, findings)


def _put_back(made: dict[str, Any], extensions: dict[str, Any]) -> None:
    """Each of `extensions` where it stood, or if that place is not there, under an extension of ours."""
    for where, value in extensions.items():
        *path, key = [part.replace("~1", "/").replace("~0", "~") for part in where.split("/")[1:]]
        owner: Any = made
        for part in path:
            if isinstance(owner, list) and part.isdecimal() and int(part) < len(owner):
                owner = owner[int(part)]
            else:
                owner = owner.get(part) if isinstance(owner, dict) else None
        if isinstance(owner, dict) and key in owner and owner[key] == value:
            continue
        if isinstance(owner, dict) and key not in owner and not any(part.isdecimal() for part in path):
            owner[key] = value
        else:
            made.setdefault(MISPLACED, {})[where] = value


def _lost(document: Document, made: dict[str, Any]) -> list[Finding]:
    """What of `document` an import of `made` does not give back."""
    again = import_openapi(made)
    if again.document is None:
        return [warning(one.path, f"an import refuses this: {one.message}", one.remedy) for one in again.findings]
    api = ("apis", api_id_of(document))
    return [_otherwise((*api, *path)) for path in differences(document, again.document)]


def _otherwise(path: Path) -> Finding:
    if not GUARDS.isdisjoint(path):
        remedy = "name an authorizer that the API has, or remove the guard"
        return error(path, "OpenAPI cannot say this, and without it the API would be open", remedy)
    return warning(path, "OpenAPI cannot say this: an import of the export has it otherwise")
