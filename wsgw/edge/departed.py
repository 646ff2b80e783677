"""A connection as stores keep it, and back: what its `$disconnect` says when it, or its node, is gone."""

from __future__ import annotations

from wsgw.caller import ConnectionFacts, Principal
from wsgw.stores.records import ConnectionRecord, PrincipalRecord


def record_of(connection: ConnectionFacts, api_id: str, stage: str) -> ConnectionRecord:
    """What a store keeps of `connection`, of this stage."""
    principal = connection.principal
    return ConnectionRecord(
        connection.id,
        api_id,
        stage,
        connection.connected_at,
        connection.source_ip,
        connection.user_agent,
        connection.domain_name,
        connection.callback_base,
        None if principal is None else PrincipalRecord(principal.id, dict(principal.context), dict(principal.identity)),
    )


class Departed(ConnectionFacts):
    """A connection that is no more, made from its record."""

    __slots__ = ()

    def __init__(self, record: ConnectionRecord) -> None:
        super().__init__()
        self.id = record.id
        self.connected_at = record.connected_at
        self.source_ip = record.source_ip
        self.user_agent = record.user_agent
        self.domain_name = record.domain_name
        self.callback_base = record.callback_base
        principal = record.principal
        self.principal = None if principal is None else Principal(principal.id, principal.context, principal.identity)
