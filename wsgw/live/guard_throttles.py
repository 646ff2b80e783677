"""Throttles made ready: of single callers, of a stage's routes, of the account, in the order in which they are asked.

The finest comes first: a connection's own bucket, which costs a node nothing to ask, then those by source address and
by principal, then the route's or stage's, then the account's. The buckets of API keys stand before the route's; see
guard_keys.py. Source: developer guide, "Throttle requests to your REST APIs".
"""

from __future__ import annotations

from collections.abc import Sequence

from wsgw.definitions.access import in_force
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.check_throttles import has_principals
from wsgw.definitions.route import Route
from wsgw.live.parts import Parts
from wsgw.pipeline.run import Step
from wsgw.pipeline.throttle import (
    ACCOUNT_KEY,
    Level,
    limit_of,
    principal_key,
    source_key,
    throttle,
    throttle_connection,
    throttle_each,
)


def throttled(parts: Parts, levels: Sequence[Level]) -> list[Step]:
    """The step that asks for all of `levels`; none where there are none."""
    if len(levels) == 1 and isinstance(levels[0].key, str):
        return [throttle(parts.buckets, levels[0].key, levels[0].limit, levels[0].name)]
    return [throttle_each(parts.buckets, levels)] if levels else []


def connection_throttles(stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """The step that asks the connection's own bucket. A `$connect` has no connection yet."""
    limit = in_force(stage.caller_throttles.connection)
    if limit is None or route.key == "$connect":
        return []
    return [throttle_connection(limit, parts.access.ticks)]


def early_throttles(api: Api, stage: Stage) -> list[Level]:
    """What can be asked before anybody is asked who they are: by source address."""
    limit = in_force(stage.caller_throttles.source_ip)
    return [] if limit is None else [Level("source_throttle", source_key(f"source/{api.id}/{stage.name}/"), limit)]


def late_throttles(api: Api, stage: Stage, route: Route) -> list[Level]:
    """What needs to know who is calling: by principal."""
    limit = in_force(stage.caller_throttles.principal)
    # Of a connection, `$connect` has found out who it is.
    known = has_principals(api, stage) if api.protocol == "WEBSOCKET" else route.authorization_type != "NONE"
    if limit is None or not known:
        return []
    return [Level("principal_throttle", principal_key(f"principal/{api.id}/{stage.name}/"), limit)]


def route_throttles(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Level]:
    """The route's or the stage's, then the account's."""
    levels: list[Level] = []
    limit = in_force(route.throttle or stage.route_throttles.get(route.key) or stage.throttle)
    if limit is not None:
        levels.append(Level("route_throttle", f"route/{api.id}/{stage.name}/{route.key}", limit))
    account = limit_of(parts.settings.account_rate, parts.settings.account_burst)
    if account is not None:
        levels.append(Level("account_throttle", ACCOUNT_KEY, account))
    return levels
