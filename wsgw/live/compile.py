"""One stage of an Api made ready to run, by its protocol's rules."""

from __future__ import annotations

from collections.abc import Iterable

from wsgw.definitions.api import Api, Stage
from wsgw.errors import DefinitionError
from wsgw.live.compile_http import compile_http_stage
from wsgw.live.compile_rest import compile_rest_stage
from wsgw.live.compile_websocket import compile_websocket_stage
from wsgw.live.parts import Parts
from wsgw.live.route_table import LiveStage

__all__ = ["Parts", "compile_stage", "compile_stages"]


def compile_stages(apis: Iterable[Api], parts: Parts) -> list[LiveStage]:
    """Every stage of `apis`, ready to serve. Raises DefinitionError with all that cannot be."""
    live: list[LiveStage] = []
    findings: dict[str, None] = {}
    for api in apis:
        for stage in api.stages.values():
            try:
                live.append(compile_stage(api, stage, parts))
            except DefinitionError as error:
                # Stages have the same routes: what each says is said once.
                findings |= dict.fromkeys(error.findings)
    if findings:
        raise DefinitionError(list(findings))
    return live


def compile_stage(api: Api, stage: Stage, parts: Parts) -> LiveStage:
    """`stage` of `api`, ready to serve. Raises DefinitionError naming the route that cannot be."""
    if api.protocol == "WEBSOCKET":
        return compile_websocket_stage(api, stage, parts)
    if api.protocol == "REST":
        return compile_rest_stage(api, stage, parts)
    return compile_http_stage(api, stage, parts)
