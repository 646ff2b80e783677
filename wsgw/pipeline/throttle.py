"""The throttle step: token buckets of a stage and its routes."""

from __future__ import annotations

from wsgw.definitions.access import ThrottleSettings
from wsgw.errors import StoreUnavailable, Throttled
from wsgw.invocation import Invocation
from wsgw.observe.metrics import count
from wsgw.pipeline.run import Step
from wsgw.stores.base import Throttle


def throttle(buckets: Throttle, key: str, limit: ThrottleSettings) -> Step:
    """Refuse an invocation that finds the bucket `key` empty. Raises Throttled."""

    async def step(invocation: Invocation) -> None:
        try:
            allowed = await buckets.take(key, limit)
        except StoreUnavailable:
            # Fail open: throttles are best effort in API Gateway too, and the API works without.
            count("throttle_unavailable")
            return
        if not allowed:
            raise Throttled

    return step
