"""The integrate step: call what the route calls."""

from __future__ import annotations

import time

from wsgw.integrations.base import Invoker
from wsgw.invocation import Invocation
from wsgw.pipeline.run import Step


def integrate(invoker: Invoker) -> Step:
    """Send `invocation.request`, made by a map_request step, and keep the reply, its status and the latency."""

    async def step(invocation: Invocation) -> None:
        request = invocation.request
        assert request is not None
        started = time.monotonic()
        try:
            reply = await invoker.invoke(request)
        finally:
            invocation.integration_latency = int((time.monotonic() - started) * 1000)
        invocation.reply = reply
        invocation.integration_status = reply.status

    return step
