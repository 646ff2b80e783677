"""Throttles of single callers made ready: by source address before, by connection and principal after authorizers."""

from __future__ import annotations

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Route
from wsgw.live.parts import Parts
from wsgw.pipeline.run import Step


def early_throttles(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """What comes before anybody is asked who they are: by source address."""
    return []


def late_throttles(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """What needs to know who is calling: by connection, by principal."""
    return []
