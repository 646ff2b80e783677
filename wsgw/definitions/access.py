"""Who may call, how often, and from which pages: access keys, throttle settings, where tokens stand, CORS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec


class ThrottleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A token bucket: `rate_limit` tokens come back a second, `burst_limit` is the most that it holds."""

    rate_limit: float
    burst_limit: int


def in_force(limit: ThrottleSettings | None) -> ThrottleSettings | None:
    """What `limit` of a definition means to a bucket: -1 in it is no limit (None), 0 lets nobody through.

    Source: service model, MethodSetting; what 0 and -1 do is not written down there.
    """
    if limit is None or min(limit.rate_limit, limit.burst_limit) < 0:
        return None
    if not limit.rate_limit or not limit.burst_limit:
        # Whatever the other number would let a bucket hold.
        return ThrottleSettings(rate_limit=0, burst_limit=0)
    return limit


#: The principal of a key that names none: whoever serves it takes it for the root of its own account.
NOBODY_IN_PARTICULAR: Final = "arn:aws:iam::000000000000:root"


class AccessKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that may sign requests with SigV4.

    `principal` is the ARN that the key acts as. `policies` are IAM policy documents in their JSON form (parsed); a key
    without policies may do everything, as the account's own root may.
    """

    access_key_id: str
    secret: str
    principal: str = NOBODY_IN_PARTICULAR
    session_token: str | None = None
    policies: tuple[dict[str, Any], ...] = ()
    #: Of temporary credentials: when they end, in epoch seconds.
    expires: float | None = None
    #: What policies see as `aws:PrincipalTag/NAME`.
    tags: Mapping[str, str] = {}
    #: `aws:userid` (AIDA…, AROA…:session); without it a name made of the ARN.
    user_id: str | None = None
    #: `aws:PrincipalOrgID`, and `$context.identity.principalOrgId`.
    organization_id: str | None = None


class CallerThrottles(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket for each connection, for each principal, for each source address of a stage (ours)."""

    connection: ThrottleSettings | None = None
    principal: ThrottleSettings | None = None
    source_ip: ThrottleSettings | None = None


class TokenPlaces(msgspec.Struct, frozen=True, kw_only=True):
    """Where else than in a header a handshake may carry its token, for browsers cannot set headers (ours).

    `subprotocol`: an offered `wsgw.auth.TOKEN`. `query` and `cookie`: the name of the parameter, of the cookie.
    `ticket`: the name of the parameter that carries a one-time connect ticket.
    """

    subprotocol: bool = False
    query: str | None = None
    cookie: str | None = None
    ticket: str | None = None


class Cors(msgspec.Struct, frozen=True, kw_only=True):
    """The corsConfiguration of an HTTP API. `max_age` in seconds, None for no such header.

    Source: developer guide, "Configuring CORS for HTTP APIs".
    """

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: int | None = None
    allow_credentials: bool = False
