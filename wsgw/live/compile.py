"""One stage of an Api made ready to run, by its protocol's rules."""

from __future__ import annotations

from wsgw.definitions.api import Api, Stage
from wsgw.live.compile_http import compile_http_stage
from wsgw.live.compile_rest import compile_rest_stage
from wsgw.live.compile_websocket import compile_websocket_stage
from wsgw.live.parts import Parts
from wsgw.live.route_table import LiveStage

__all__ = ["Parts", "compile_stage"]


def compile_stage(api: Api, stage: Stage, parts: Parts) -> LiveStage:
    """`stage` of `api`, ready to serve. Raises DefinitionError naming the route that cannot be."""
    if api.protocol == "WEBSOCKET":
        return compile_websocket_stage(api, stage, parts)
    if api.protocol == "REST":
        return compile_rest_stage(api, stage, parts)
    return compile_http_stage(api, stage, parts)
