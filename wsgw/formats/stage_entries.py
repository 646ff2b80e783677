"""A Stage in API Gateway's shape → its entry as the native format has it: what `rest_stage` and `v2_stage` undo."""

from __future__ import annotations

from typing import Any

from wsgw.definitions.freeze_parts import Document
from wsgw.definitions.freeze_rest import route_key_of
from wsgw.formats.native_parts import V2_STAGE
from wsgw.formats.native_rest import OURS_OF_STAGE, settings_key

_RATE, _BURST = "throttlingRateLimit", "throttlingBurstLimit"
_REST = (
    "description",
    "variables",
    "clientCertificateId",
    "tracingEnabled",
    "cacheClusterEnabled",
    "cacheClusterSize",
    "canarySettings",
)


def rest_stage_entry(stage: Document) -> dict[str, Any]:
    """The entry of a REST API's stage."""
    ours: Document = stage.get("x-wsgw", {})
    made: dict[str, Any] = {name: stage[name] for name in _REST if stage.get(name) is not None}
    settings = {_route_key(key): dict(one) for key, one in stage.get("methodSettings", {}).items()}
    whole = settings.get("*/*", {})
    if _RATE in whole and _BURST in whole:
        made["throttle"] = {"rateLimit": whole.pop(_RATE), "burstLimit": whole.pop(_BURST)}
        if not whole:
            del settings["*/*"]
    if settings:
        made["methodSettings"] = settings
    extensions = {name: ours[name] for name in OURS_OF_STAGE if name in ours}
    return {**made, **extensions, **_access_log(stage)}


def http_stage_entry(stage: Document) -> dict[str, Any]:
    """The entry of an HTTP or WebSocket API's stage."""
    made: dict[str, Any] = {}
    for ours, theirs in V2_STAGE:
        if stage.get(theirs) is not None:
            made[ours] = stage[theirs]
    throttle = stage.get("defaultRouteSettings", {})
    if _RATE in throttle and _BURST in throttle:
        made["throttle"] = {"rateLimit": throttle[_RATE], "burstLimit": throttle[_BURST]}
    extensions = {key: value for key, value in stage.get("x-wsgw", {}).items() if key != "accessLog"}
    return {**made, **extensions, **_access_log(stage)}


def _access_log(stage: Document) -> dict[str, Any]:
    """The format of a stage's access log, or false; nothing where it is the default one."""
    if stage.get("x-wsgw", {}).get("accessLog") is False:
        return {"accessLog": False}
    text = stage.get("accessLogSettings", {}).get("format")
    return {} if text is None else {"accessLog": text}


def _route_key(key: str) -> str:
    """A method setting's key as a route key, where that is the same."""
    if key == "*/*":
        return key
    made = route_key_of(key)
    return made if settings_key(made) == key else key
