"""Steps about what a caller has shown: refused when it was revoked, hidden once it has done its work."""

from __future__ import annotations

from collections.abc import Sequence

from wsgw.caller import Caller
from wsgw.errors import GatewayError, InvalidApiKey, Unauthorized, UnrecognizedClient
from wsgw.invocation import Invocation
from wsgw.pipeline.run import Step


class WithToken(list[tuple[str, str]]):
    """Header lines of a handshake, the last of which the gateway has made of a token that stood elsewhere."""


async def hide_token(invocation: Invocation) -> None:
    """Take the header away that was made for the authorizer: who comes behind it is told the principal instead."""
    if isinstance(invocation.headers, WithToken):
        invocation.headers = invocation.headers[:-1]


def without_ticket(steps: Sequence[Step]) -> Step:
    """`steps` for those who have shown no connect ticket: whoever has is known, and nobody is asked."""

    async def step(invocation: Invocation) -> None:
        principal = invocation.caller.principal
        if principal is not None and principal.kind == "TICKET":
            return
        for one in steps:
            await one(invocation)

    return step


def refusal(caller: Caller, name: str) -> GatewayError:
    """What `caller`, whose `name` (`kind/name`) was revoked, is told."""
    kind = name.partition("/")[0]
    detail = f"{kind}_revoked"
    if kind == "apiKey":
        return InvalidApiKey(detail=detail)
    if caller.principal is not None and caller.principal.kind == "IAM":
        return UnrecognizedClient(detail=detail)
    error = Unauthorized(detail=detail)
    if caller.principal is not None and caller.principal.kind == "JWT":
        # RFC 6750 §3.1: also for a token that was revoked.
        error.challenge = 'Bearer scope="" error="invalid_token" error_description="the token was revoked"'
    return error
