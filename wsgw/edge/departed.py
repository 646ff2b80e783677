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


class Retold(ConnectionFacts):
    """What is true of a connection, told once more; not whom it was authorized as."""

    __slots__ = ()

    def __init__(self, of: ConnectionFacts | ConnectionRecord) -> None:
        super().__init__()
        self.id = of.id
        self.connected_at = of.connected_at
        self.source_ip = of.source_ip
        self.user_agent = of.user_agent
        self.domain_name = of.domain_name
        self.callback_base = of.callback_base


class Departed(Retold):
    """A connection that is no more, made from its record."""

    __slots__ = ()

    def __init__(self, record: ConnectionRecord) -> None:
        super().__init__(record)
        principal = record.principal
        self.principal = None if principal is None else Principal(principal.id, principal.context, principal.identity)
