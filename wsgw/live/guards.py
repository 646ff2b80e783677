"""The steps that guard a route, in API Gateway's order, whatever its protocol: who may call, and how often.

Source: developer guide, "Throttle requests to your REST APIs" (the order of limits) and "How API Gateway resource
policies affect authorization workflow".
"""

from __future__ import annotations

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.check_guard import check_guards, check_policy
from wsgw.definitions.route import Route
from wsgw.live.guard_keys import key_steps
from wsgw.live.guard_messages import message_steps
from wsgw.live.guard_policy import policy_steps
from wsgw.live.guard_throttles import (
    connection_throttles,
    early_throttles,
    late_throttles,
    route_throttles,
    throttled,
)
from wsgw.live.guard_tokens import known_callers
from wsgw.live.parts import Parts
from wsgw.pipeline.run import Step


def guards(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """The steps that come before all others of `route`. Raises ValueError for what cannot be made ready.

    Not for `$disconnect`: nobody is there to be refused, and who was let in by `$connect` would never be let out.
    """
    _refuse_unenforceable(api, route)
    if api.protocol == "WEBSOCKET" and route.key == "$disconnect":
        return []
    early, late = early_throttles(api, stage), late_throttles(api, stage, route)
    limits = route_throttles(api, stage, route, parts)
    if api.protocol == "WEBSOCKET" and route.key != "$connect":
        steps = connection_throttles(stage, route, parts)
        return [*steps, *throttled(parts, [*early, *late, *limits]), *message_steps(api, stage, route, parts)]
    if api.protocol == "HTTP":
        # Of HTTP APIs the service does not say which comes first. A bucket is cheaper than an authorizer.
        steps = throttled(parts, [*early, *limits])
        return [*steps, *known_callers(api, stage, route, parts), *throttled(parts, late)]
    steps = policy_steps(api, stage, route, parts) if api.protocol == "REST" else []
    steps += known_callers(api, stage, route, parts)
    steps += key_steps(api, stage, route, parts)
    if not steps:
        # Nothing stands between them: all buckets in one step, of Redis in one round trip.
        return throttled(parts, [*early, *late, *limits])
    return [*throttled(parts, early), *steps, *throttled(parts, [*late, *limits])]


def _refuse_unenforceable(api: Api, route: Route) -> None:
    """Raises ValueError for what no step would look at: an API that nobody has checked is not served open, either."""
    for finding in (*check_policy((), api), *check_guards((), api, route)):
        if finding.severity == "error":
            raise ValueError(f"{finding.message} ({finding.remedy})")
