"""Walk an invocation through its route's steps."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from wsgw.errors import GatewayError
from wsgw.invocation import Invocation

log = logging.getLogger("wsgw.pipeline")

Step = Callable[[Invocation], Awaitable[None]]


async def run(steps: Sequence[Step], invocation: Invocation) -> None:
    """Run `steps` in order. Raises the GatewayError of the step that refuses; a bug in one is logged and is a 500."""
    try:
        for step in steps:
            await step(invocation)
    except GatewayError:
        raise
    except Exception as error:
        log.exception(
            "a step failed: api=%s stage=%s route=%s request=%s",
            invocation.site.api_id,
            invocation.site.stage,
            invocation.route_key,
            invocation.request_id,
        )
        raise GatewayError(detail=f"unexpected {type(error).__name__}") from error
