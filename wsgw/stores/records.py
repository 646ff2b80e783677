"""What stores keep of connections: plain values that survive their process, and are small on the wire."""

from __future__ import annotations

import msgspec


class PrincipalRecord(msgspec.Struct, frozen=True, array_like=True):
    """Who a connection was authorized as; see caller.Principal."""

    id: str
    context: dict[str, str]
    identity: dict[str, str]


class ConnectionRecord(msgspec.Struct, frozen=True, array_like=True):
    """An open connection: what any event of it says. `connected_at` is epoch milliseconds."""

    id: str
    api_id: str
    stage: str
    connected_at: int
    source_ip: str
    user_agent: str | None
    domain_name: str
    callback_base: str
    principal: PrincipalRecord | None = None


class Departure(msgspec.Struct, frozen=True, array_like=True):
    """A `$disconnect` that is owed: whose, with which code and reason, since when (epoch ms), tried how often."""

    connection: ConnectionRecord
    code: int
    reason: str
    ended_at: int
    attempts: int = 0
