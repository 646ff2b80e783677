"""Routes and what they call: Route, Integration, IntegrationResponse.

Members carry API Gateway's names in snake case; texts that are expressions or templates stay as written, `live/compile`
makes them ready.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from wsgw.definitions.access import ThrottleSettings

IntegrationType = Literal["HTTP_PROXY", "HTTP", "MOCK", "AWS_PROXY", "AWS", "PYTHON"]
PassthroughBehavior = Literal["WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"]
ContentHandling = Literal["CONVERT_TO_BINARY", "CONVERT_TO_TEXT"]

LIFECYCLE_KEYS = frozenset({"$connect", "$disconnect"})
DEFAULT_KEY = "$default"


class IntegrationResponse(msgspec.Struct, frozen=True, kw_only=True):
    """How a backend's answer becomes the route's.

    `key` is `$default` or `/regex/`, matched in declaration order against what the integration's type selects by.
    """

    key: str
    response_templates: Mapping[str, str] = {}
    template_selection_expression: str | None = None
    response_parameters: Mapping[str, str] = {}
    content_handling: ContentHandling | None = None


class Integration(msgspec.Struct, frozen=True, kw_only=True):
    """What a route calls.

    `uri` by type: an http(s) URL (HTTP, HTTP_PROXY); a Lambda function's name or ARN, already taken out of API
    Gateway's invocation ARN (AWS_PROXY); `module:function` (PYTHON, ours); empty (MOCK). It may hold
    `${stageVariables.name}`. `timeout_ms`: AWS allows 50 to 29000.
    """

    type: IntegrationType
    uri: str = ""
    method: str = "POST"
    timeout_ms: int = 29_000
    passthrough_behavior: PassthroughBehavior = "WHEN_NO_MATCH"
    content_handling: ContentHandling | None = None
    template_selection_expression: str | None = None
    request_templates: Mapping[str, str] = {}
    request_parameters: Mapping[str, str] = {}
    responses: tuple[IntegrationResponse, ...] = ()
    credentials: str | None = None


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One way through an API. `key`: `$connect`, `$disconnect`, `$default` or the value that selects it.

    `request_parameters` says which `route.request.querystring.x` / `.header.x` are declared, and whether required.
    `two_way`: it has a RouteResponse `$default` and the selection expression for it. `integration` may be None:
    `$connect` then lets everybody in.
    """

    key: str
    integration: Integration | None = None
    two_way: bool = False
    request_parameters: Mapping[str, bool] = {}
    model_selection_expression: str | None = None
    request_models: Mapping[str, str] = {}
    throttle: ThrottleSettings | None = None
    authorization_type: str = "NONE"
    authorizer: str | None = None
    api_key_required: bool = False
    operation_name: str | None = None
