"""The meter step: the caller's API key, and what its usage plan lets it do on this stage.

The order is the service's: limits of the key for this method, of the key, then its quota. Source: developer guide,
"Throttle requests to your REST APIs" and "Usage plans and API keys".
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from wsgw.authorizers.access import Access
from wsgw.authorizers.key_ring import Allowance, HeldKey, Where
from wsgw.definitions.access import ThrottleSettings
from wsgw.errors import InvalidApiKey, QuotaExceeded, StoreUnavailable, Throttled
from wsgw.invocation import HttpInvocation, Invocation
from wsgw.observe.metrics import count
from wsgw.pipeline.run import Step

log = logging.getLogger("wsgw.pipeline")

#: Gives the value of the key that a caller has shown, None or "" where it has shown none.
KeySource = Callable[[Invocation], str | None]

HEADER = "x-api-key"
#: How often the log says that plans cannot be looked after, in seconds.
_SAY_EVERY = 10.0


def meter(access: Access, source: KeySource, where: Where, route_key: str) -> Step:
    """Fill in `caller.api_key`. Raises InvalidApiKey, Throttled and QuotaExceeded."""
    unavailable, revoked = Unavailable(), access.revoked

    async def step(invocation: Invocation) -> None:
        value = source(invocation)
        held = access.key_ring.find(value) if value else None
        allowance = held.stages.get(where) if held is not None else None
        if held is None or allowance is None:
            raise InvalidApiKey(detail=_why_not(value, held))
        if revoked.until and revoked.has(f"apiKey/{held.key.id}"):
            raise InvalidApiKey(detail="apiKey_revoked")
        invocation.caller.api_key = held.key
        key_id, plan, quota = held.key.id, allowance.plan, allowance.quota
        wanted = _buckets(allowance, key_id, where, route_key)
        try:
            if wanted and await access.buckets.take_each(wanted) < len(wanted):
                raise Throttled(detail=f"usage_plan_throttle plan={plan} key={key_id}")
            if quota is not None and not await access.usage.spend(key_id, plan, quota):
                raise QuotaExceeded(detail=f"usage_plan_quota plan={plan} key={key_id}")
        except StoreUnavailable as error:
            # Fail open, as the service does: it serves, and says so.
            unavailable.say(invocation, error)
        access.usage.count(key_id, allowance)

    return step


def _buckets(allowance: Allowance, key_id: str, where: Where, route_key: str) -> list[tuple[str, ThrottleSettings]]:
    """What the key must find a token in, in order."""
    of_key = f"plan/{allowance.plan}/{key_id}"
    wanted: list[tuple[str, ThrottleSettings]] = []
    if allowance.methods and (limit := allowance.methods.get(route_key)) is not None:
        api_id, stage = where
        wanted.append((f"{of_key}/{api_id}/{stage}/{route_key}", limit))
    if allowance.throttle is not None:
        wanted.append((of_key, allowance.throttle))
    return wanted


def _why_not(value: str | None, held: HeldKey | None) -> str:
    """For the operator's log, which has no values of keys."""
    if not value:
        return "apiKey_missing"
    if held is None:
        return "apiKey_unknown_or_disabled"
    return f"apiKey_in_no_plan_of_this_stage key={held.key.id}"


def header_of_request(invocation: Invocation) -> str | None:
    """What a request to a REST API has as x-api-key."""
    assert isinstance(invocation, HttpInvocation)
    return invocation.fields.first(HEADER)


def header_of_handshake(invocation: Invocation) -> str | None:
    """What a handshake has as x-api-key."""
    for name, value in invocation.headers:
        if name.lower() == HEADER:
            return value
    return None


def usage_key(invocation: Invocation) -> str | None:
    """What the route's authorizer says as usageIdentifierKey."""
    principal = invocation.caller.principal
    return None if principal is None else principal.usage_key


class Unavailable:
    """Counts that a usage plan could not be looked after, and says it in the log now and then."""

    def __init__(self) -> None:
        self._said = -_SAY_EVERY

    def say(self, invocation: Invocation, error: StoreUnavailable) -> None:
        count("usage_plan_unavailable")
        now = time.monotonic()
        if now - self._said >= _SAY_EVERY:
            self._said = now
            log.warning(
                "Usage Plan check failed due to an internal error: api=%s stage=%s route=%s: %s",
                invocation.site.api_id,
                invocation.site.stage,
                invocation.route_key,
                error,
            )
