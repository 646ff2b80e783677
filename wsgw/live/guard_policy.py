"""Resource policies, and what principals' own policies allow, made ready."""

from __future__ import annotations

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Route
from wsgw.live.parts import Parts
from wsgw.pipeline.run import Step


def policy_steps(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """What the resource policy says before anybody is asked who they are."""
    if api.policy is None:
        return []
    raise ValueError("resource policies are not served by this version")


def permit_steps(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """Whether who is calling may: their policies together with the resource policy."""
    return []
