"""API keys and usage plans of a route made ready."""

from __future__ import annotations

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Route
from wsgw.live.parts import Parts
from wsgw.pipeline.meter import KeySource, header_of_handshake, header_of_request, meter, usage_key
from wsgw.pipeline.run import Step

_FROM_HEADER, _FROM_AUTHORIZER = "$request.header.x-api-key", "$context.authorizer.usageIdentifierKey"


def key_steps(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """What looks for the caller's API key and counts the request against its plan.

    Raises ValueError for a route whose callers could have no key. Of a WebSocket API, `$connect` alone has this step.
    """
    if not route.api_key_required:
        return []
    return [meter(parts.access, _source(api, route), (api.id, stage.name), route.key)]


def _source(api: Api, route: Route) -> KeySource:
    source = api.api_key_selection_expression
    if api.protocol == "REST":
        source = _FROM_AUTHORIZER if api.api_key_source == "AUTHORIZER" else _FROM_HEADER
    if source == _FROM_AUTHORIZER:
        if route.authorizer is None:
            raise ValueError("its API keys come from an authorizer, and it has none: every caller would be refused")
        return usage_key
    if source != _FROM_HEADER:
        raise ValueError(f"{source} is not where an API key can be")
    return header_of_handshake if api.protocol == "WEBSOCKET" else header_of_request
