"""What the native format of every protocol shares: short integrations, models, throttles, `x-wsgw`."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import orjson

from wsgw.definitions.finding import Finding, Path, error
from wsgw.formats.native_schema_http import HttpStageEntry
from wsgw.formats.native_schema_parts import ModelEntry
from wsgw.formats.native_schema_websocket import StageEntry

_URL = re.compile(r"https?://|\$\{stageVariables\.", re.IGNORECASE)
#: Members of a stage entry, and what they are called in a v2 Stage.
V2_STAGE = (("description", "description"), ("variables", "stageVariables"), ("routeSettings", "routeSettings"))
_SHORT_FORMS = "write a URL, python:module:function, lambda:name-or-ARN, or a mapping with a type"


def short_integration(text: str, path: Path, findings: list[Finding]) -> tuple[str, str]:
    """Type and URI of the integration that `text` is short for; a finding where it is for none."""
    if _URL.match(text):
        return "HTTP_PROXY", text
    if text.startswith("python:"):
        return "PYTHON", text
    if text.startswith("lambda:"):
        return "AWS_PROXY", text
    findings.append(error(path, "this names no integration", _SHORT_FORMS))
    return "HTTP_PROXY", "http://localhost"  # never called: the finding is an error


def same_property(document: dict[str, Any], short: str, name: str, path: Path, findings: list[Finding]) -> None:
    """Renames `short` in `document`; a finding where `name` is there too."""
    if short in document and name in document:
        findings.append(error((*path, name), f"{short!r} and {name!r} are the same property", "remove one"))
    if short in document:
        document[name] = document.pop(short)


def with_type(document: dict[str, Any], name: str, path: Path, findings: list[Finding]) -> bool:
    """Whether the integration `document` says its type, as `name`; a finding if not."""
    if name not in document:
        findings.append(error(path, "the key 'type' is missing", "add it, as type: HTTP_PROXY"))
    return name in document


def model_document(id_name: str, model_id: str, name: str, model: ModelEntry) -> dict[str, Any]:
    """A model in API Gateway's shape; `id_name`: what its id is called there."""
    schema = model.schema if isinstance(model.schema, str) else orjson.dumps(model.schema).decode()
    return {id_name: model_id, "name": name, **msgspec.to_builtins(model), "schema": schema}


def move_access_log(document: dict[str, Any], written: dict[str, Any]) -> None:
    """Takes `accessLog` out of a stage's `document`, into accessLogSettings of `written` where it is a format."""
    access_log = document.pop("accessLog")
    if isinstance(access_log, str):
        written["accessLogSettings"] = {"format": access_log}
    elif not access_log:
        document["accessLog"] = False


def v2_stage(name: str, stage: HttpStageEntry | StageEntry) -> dict[str, Any]:
    """The Stage `name` of an HTTP or WebSocket API, in v2's shape."""
    document = msgspec.to_builtins(stage)
    written: dict[str, Any] = {"stageName": name}
    for ours, theirs in V2_STAGE:
        if ours in document:
            written[theirs] = document.pop(ours)
    if (throttle := document.pop("throttle", None)) is not None:
        written["defaultRouteSettings"] = route_settings(throttle)
    move_access_log(document, written)
    return {**written, **extended(document)}


def route_settings(throttle: dict[str, Any]) -> dict[str, Any]:
    """A throttle of ours as API Gateway's settings of a route or method have it."""
    return {"throttlingRateLimit": throttle["rateLimit"], "throttlingBurstLimit": throttle["burstLimit"]}


def extended(extensions: dict[str, Any]) -> dict[str, Any]:
    """`extensions` under the member that is ours, if there are any."""
    return {"x-wsgw": extensions} if extensions else {}
