"""A route's authorizer made ready, by its type."""

from __future__ import annotations

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Route
from wsgw.live.parts import Parts
from wsgw.pipeline.run import Step


def authorizer_steps(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """What finds out who is calling `route`: nothing, or one step. Raises ValueError."""
    if route.authorization_type == "NONE":
        return []
    raise ValueError(f"authorization ({route.authorization_type}) is not served by this version")
