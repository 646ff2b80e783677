"""OpenAPI 3.0, 3.1 and Swagger 2 with API Gateway's extensions → documents: the importer of REST and HTTP APIs.

`openapi_rest` and `openapi_http` write the documents, `openapi_place` reads; the files beside them do one part each.
Nothing is dropped in silence: what has no effect is a warning, or where API Gateway keeps quiet about it, `info`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from wsgw.definitions.finding import Finding, Path, error, has_errors
from wsgw.formats.openapi_http import CORS, INTEGRATIONS, VERSION, http_document
from wsgw.formats.openapi_ids import slug
from wsgw.formats.openapi_integration import INTEGRATION
from wsgw.formats.openapi_paths import VERBS, BasePathMode
from wsgw.formats.openapi_place import Notes, Place
from wsgw.formats.openapi_rest import ANY_METHOD, rest_document
from wsgw.formats.openapi_root import check_members

#: What `${AWS::…}` stands for where nobody says otherwise.
PSEUDO_PARAMETERS: Mapping[str, str] = {
    "AWS::AccountId": "000000000000",
    "AWS::Region": "us-east-1",
    "AWS::Partition": "aws",
}
_MOST_NESTED = 100
_MOST_INTEGER = 2**63


class Imported(NamedTuple):
    """What an import gives. `document` is None if one of `findings` is an error.

    `info` lists what is valid and has no effect (importInfo). `places`: a part of the Api (`apis`, id, `routes`, key)
    → where it stands in the OpenAPI document.
    """

    document: dict[str, Any] | None
    findings: tuple[Finding, ...]
    info: tuple[Finding, ...] = ()
    places: Mapping[Path, Path] = {}

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "warning")


def pseudo_parameters_of(region: str, account_id: str) -> dict[str, str]:
    """What `${AWS::…}` stands for in an account's region."""
    partition = "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
    return {"AWS::AccountId": account_id, "AWS::Region": region, "AWS::Partition": partition}


def is_openapi(data: Any) -> bool:
    """Whether `data` says that it is an OpenAPI or Swagger document."""
    return isinstance(data, dict) and ("openapi" in data or "swagger" in data)


def import_openapi(
    data: Any,
    *,
    protocol: Literal["REST", "HTTP"] | None = None,
    api_id: str | None = None,
    basepath: BasePathMode = "ignore",
    fail_on_warnings: bool = False,
    ignore_documentation: bool = False,
    pseudo_parameters: Mapping[str, str] = PSEUDO_PARAMETERS,
) -> Imported:
    """The API that `data`, a parsed document, describes. Nothing is raised for what it says.

    protocol: which kind of API; None finds out (`protocol_of`)
    api_id: None takes `x-wsgw-api-id`, else one made from the title
    fail_on_warnings: warnings keep the document from being imported
    """
    notes = Notes(None)
    try:
        data = notes.document = _plain(data, pseudo_parameters)
    except RecursionError:
        fault = error((), f"nested more than {_MOST_NESTED} deep", "make it flatter")
        return Imported(None, (fault,))
    root = Place(data, (), notes)
    if not _version_is_known(root):
        return Imported(None, tuple(notes.findings))
    info = root.at("info")
    name = (info.text("title") if info.value is not None and info.is_mapping() else None) or ""
    if not name.strip():
        info.at("title").error("the API has no name", "add info.title")
    if "paths" not in root:
        root.warn("the document has no paths: the API has nothing to call", "add paths")
    check_members(root)
    chosen = root.text("x-wsgw-api-id") or slug(name)
    if (protocol or protocol_of(root)) == "HTTP":
        document, places = http_document(root, api_id or chosen, name, basepath)
    else:
        document, places = rest_document(root, api_id or chosen, name, basepath, ignore_documentation)
    findings = tuple(dict.fromkeys(notes.findings))
    refused = has_errors(findings) or (fail_on_warnings and bool(findings))
    return Imported(None if refused else document, findings, tuple(dict.fromkeys(notes.info)), places)


def protocol_of(root: Place) -> Literal["REST", "HTTP"]:
    """Which kind of API a document describes: `x-wsgw-protocol` says so, else HTTP if it holds what REST APIs lack."""
    said = root.choice("x-wsgw-protocol", frozenset({"REST", "HTTP"}))
    if said is not None:
        return "HTTP" if said == "HTTP" else "REST"
    data = root.value
    components = data.get("components")
    marked = CORS in data or VERSION in data or (isinstance(components, dict) and INTEGRATIONS in components)
    return "HTTP" if marked or any(map(_is_http, _operations(data))) else "REST"


def _operations(data: dict[str, Any]) -> list[dict[str, Any]]:
    paths = data.get("paths")
    items = [item for item in paths.values() if isinstance(item, dict)] if isinstance(paths, dict) else []
    return [item[key] for item in items for key in (*VERBS, ANY_METHOD) if isinstance(item.get(key), dict)]


def _is_http(operation: dict[str, Any]) -> bool:
    integration = operation.get(INTEGRATION)
    if operation.get("isDefaultRoute") is True:
        return True
    return isinstance(integration, dict) and (
        str(integration.get("payloadFormatVersion")) in ("2.0", "2") or "integrationSubtype" in integration
    )


def _version_is_known(root: Place) -> bool:
    if not isinstance(root.value, dict):
        root.error("this is no OpenAPI document", "it begins with openapi: 3.0.1")
        return False
    key = "swagger" if "swagger" in root else "openapi"
    version = root.text(key) or ""
    known = ("2",) if key == "swagger" else ("3.0", "3.1")
    if not f"{version}.0".startswith(tuple(f"{one}." for one in known)):
        root.at(key).error("this version is not known here", "Swagger 2.0 and OpenAPI 3.0 and 3.1 are")
        return False
    return True


def _plain(value: Any, pseudo: Mapping[str, str], depth: int = 0) -> Any:
    """`value` as JSON can have it, with pseudo parameters filled in. Raises RecursionError if it is nested too deep."""
    if depth > _MOST_NESTED:
        raise RecursionError
    if isinstance(value, dict):
        return {_text(str(key)): _plain(member, pseudo, depth + 1) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member, pseudo, depth + 1) for member in value]
    if isinstance(value, str):
        text = _text(value)
        if "${AWS::" in text:
            for name, meant in pseudo.items():
                text = text.replace(f"${{{name}}}", meant)
        return text
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) >= _MOST_INTEGER and not isinstance(value, bool):
        return float(value) if abs(value) < 10**300 else str(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _text(text: str) -> str:
    return text if text.isascii() else text.encode(errors="replace").decode()
