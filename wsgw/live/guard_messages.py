"""What a WebSocket message must be allowed by, after its connection was let in."""

from __future__ import annotations

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Route
from wsgw.live.parts import Parts
from wsgw.pipeline.run import Step


def message_steps(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """Where the stage authorizes messages: whether the policy of `$connect` allows `route`."""
    return []
