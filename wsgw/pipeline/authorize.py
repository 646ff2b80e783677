"""The authorize step: who is calling, in the caller's own place."""

from __future__ import annotations

from wsgw.authorizers.base import Verifier
from wsgw.invocation import Invocation
from wsgw.pipeline.run import Step


def authorize(verifier: Verifier) -> Step:
    """Fill in `caller.principal`. Raises what the verifier does."""

    async def step(invocation: Invocation) -> None:
        invocation.caller.principal = await verifier.verify(invocation)

    return step
