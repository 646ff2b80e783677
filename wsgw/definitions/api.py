"""An API as a whole: Api, Stage and StageLimits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.model import Model
from wsgw.definitions.route import Route

Protocol = Literal["WEBSOCKET", "HTTP", "REST"]


class StageLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage allows; each default is API Gateway's number, 0 turns a limit off.

    Bytes and seconds, `timeout_ms` in milliseconds. Source: developer guide, "Quotas for WebSocket APIs".
    """

    frame_bytes: int = 32_768
    message_bytes: int = 131_072
    idle_seconds: float = 600
    duration_seconds: float = 7_200
    timeout_ms: int = 29_000
    new_connections_per_second: float = 500
    new_connections_burst: int = 500


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A named, deployed state of an API.

    `throttle` is the stage's defaultRouteSettings, `route_throttles` its routeSettings by route key.
    `access_log_format` is one line with `$context.…` variables, None for no access log, "" for the default format.
    `concurrency` is how many messages of one connection may run at once (1 keeps their order). `allowed_origins` None
    lets every Origin in, as API Gateway does. `subprotocols` are chosen from where no `$connect` integration chooses.
    `heartbeat_seconds` and `compression` None: as the settings say.
    """

    name: str
    variables: Mapping[str, str] = {}
    throttle: ThrottleSettings | None = None
    route_throttles: Mapping[str, ThrottleSettings] = {}
    limits: StageLimits = StageLimits()
    access_log_format: str | None = ""
    concurrency: int = 1
    allowed_origins: tuple[str, ...] | None = None
    subprotocols: tuple[str, ...] | None = None
    heartbeat_seconds: float | None = None
    compression: bool | None = None


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """One API. `id` is its apiId; `routes` by route key, `models` by name."""

    id: str
    name: str
    protocol: Protocol
    route_selection_expression: str = ""
    api_key_selection_expression: str = "$request.header.x-api-key"
    routes: Mapping[str, Route] = {}
    models: Mapping[str, Model] = {}
    stages: Mapping[str, Stage] = {}
    binary_messages: Literal["REJECT", "PASS"] = "REJECT"
