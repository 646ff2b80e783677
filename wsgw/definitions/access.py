"""Who may call, and how often: access keys and throttle settings."""

from __future__ import annotations

from typing import Any

import msgspec


class ThrottleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A token bucket: `rate_limit` tokens come back a second, `burst_limit` is the most that it holds."""

    rate_limit: float
    burst_limit: int


class AccessKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that may sign requests with SigV4.

    `principal` is the ARN that the key acts as. `policies` are IAM policy documents in their JSON form (parsed); a key
    without policies may do everything, as the account's own root may.
    """

    access_key_id: str
    secret: str
    principal: str = "arn:aws:iam::000000000000:root"
    session_token: str | None = None
    policies: tuple[dict[str, Any], ...] = ()
