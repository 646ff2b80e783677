"""The steps that guard a route, in API Gateway's order, whatever its protocol: who may call, and how often.

Source: developer guide, "Throttle requests to your REST APIs" (the order of limits) and "How API Gateway resource
policies affect authorization workflow".
"""

from __future__ import annotations

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Route
from wsgw.live.guard_authorizer import authorizer_steps
from wsgw.live.guard_keys import key_steps
from wsgw.live.guard_messages import message_steps
from wsgw.live.guard_policy import permit_steps, policy_steps
from wsgw.live.guard_throttles import early_throttles, late_throttles
from wsgw.live.parts import Parts
from wsgw.live.route_steps import throttles
from wsgw.pipeline.run import Step


def guards(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """The steps that come before all others of `route`. Raises ValueError for what cannot be made ready.

    Not for `$disconnect`: nobody is there to be refused, and who was let in by `$connect` would never be let out.
    """
    if api.protocol == "WEBSOCKET" and route.key == "$disconnect":
        return []
    limits = throttles(api, stage, route, parts)
    steps = early_throttles(api, stage, route, parts)
    if api.protocol == "REST":
        steps += policy_steps(api, stage, route, parts)
        steps += authorizer_steps(api, stage, route, parts)
        steps += permit_steps(api, stage, route, parts)
        steps += key_steps(api, stage, route, parts)
        return [*steps, *late_throttles(api, stage, route, parts), *limits]
    if api.protocol == "WEBSOCKET" and route.key != "$connect":
        return [*steps, *late_throttles(api, stage, route, parts), *limits, *message_steps(api, stage, route, parts)]
    # Of HTTP APIs the service does not say which comes first. A bucket is cheaper than an authorizer.
    steps += limits
    steps += authorizer_steps(api, stage, route, parts)
    steps += permit_steps(api, stage, route, parts)
    steps += key_steps(api, stage, route, parts)
    return [*steps, *late_throttles(api, stage, route, parts)]
