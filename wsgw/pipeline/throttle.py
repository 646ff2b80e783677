"""The throttle step: token buckets of the account, of a stage and of its routes."""

from __future__ import annotations

from wsgw.definitions.access import ThrottleSettings
from wsgw.errors import StoreUnavailable, Throttled
from wsgw.invocation import Invocation
from wsgw.observe.metrics import count
from wsgw.pipeline.run import Step
from wsgw.stores.base import Throttle

#: The bucket that all messages, `$connect`s and pushes of the account share, and that of its new connections.
ACCOUNT_KEY = "account"
ACCOUNT_CONNECTIONS_KEY = "account/new-connections"


def limit_of(rate: float, burst: int) -> ThrottleSettings | None:
    """The limit that two settings make; None where the rate is 0: no bound."""
    return ThrottleSettings(rate_limit=rate, burst_limit=max(1, burst)) if rate else None


async def allowed(buckets: Throttle, key: str, limit: ThrottleSettings) -> bool:
    """Whether the bucket `key` lets one more through; yes where its store is away."""
    try:
        return await buckets.take(key, limit)
    except StoreUnavailable:
        # Fail open: throttles are best effort in API Gateway too, and the API works without.
        count("throttle_unavailable")
        return True


def throttle(buckets: Throttle, key: str, limit: ThrottleSettings) -> Step:
    """Refuse an invocation that finds the bucket `key` empty. Raises Throttled."""

    async def step(invocation: Invocation) -> None:
        if not await allowed(buckets, key, limit):
            raise Throttled

    return step
