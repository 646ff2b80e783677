"""The Verifier protocol: whatever runs an Authorizer."""

from __future__ import annotations

from typing import Protocol

from wsgw.invocation import Invocation, Principal


class Verifier(Protocol):
    """Decides on the callers of the routes that name one Authorizer. One instance serves concurrent invocations."""

    async def verify(self, invocation: Invocation) -> Principal:
        """Say who is calling.

        Raises Unauthorized where the caller shows no usable identity, AccessDenied where a policy does not let it in,
        AuthorizerFailure where the authorizer itself cannot answer.
        """
        ...
