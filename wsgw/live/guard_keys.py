"""API keys and usage plans of a route made ready."""

from __future__ import annotations

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Route
from wsgw.live.parts import Parts
from wsgw.pipeline.run import Step


def key_steps(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """What looks for the caller's API key and counts the request against its plan."""
    if not route.api_key_required:
        return []
    raise ValueError("API keys are not served by this version")
