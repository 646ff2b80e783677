"""The authorize step: who is calling, in the caller's own place, unless that was revoked."""

from __future__ import annotations

from wsgw.authorizers.base import Verifier
from wsgw.authorizers.revoked import Revoked
from wsgw.invocation import Invocation
from wsgw.pipeline.credentials import refusal
from wsgw.pipeline.run import Step


def authorize(verifier: Verifier, revoked: Revoked) -> Step:
    """Fill in `caller.principal`. Raises what the verifier does; of who was revoked, what a wrong credential does."""

    async def step(invocation: Invocation) -> None:
        caller = invocation.caller
        caller.principal = await verifier.verify(invocation)
        if revoked.until and (name := revoked.of(caller)):
            raise refusal(caller, name)

    return step
