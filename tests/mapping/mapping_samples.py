"""An invocation as the edge makes it, for the tests of mappings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wsgw.caller import ConnectionFacts, Principal
from wsgw.invocation import EventType, Headers, Invocation, Reply

TIME = 1_790_294_473_121  # 25/Sep/2026:00:01:13 +0000


class Site:
    def __init__(self, stage_variables: Mapping[str, str]) -> None:
        self.api_id = "a1b2c3d4e5"
        self.account_id = "123456789012"
        self.deployment_id = "dep123"
        self.stage = "dev"
        self.stage_variables = stage_variables


def connection(principal: Principal | None = None, user_agent: str | None = "agent/1.0") -> ConnectionFacts:
    facts = ConnectionFacts()
    facts.id = "gbAAAAAAAAAAAAAAAA=="
    facts.connected_at = TIME - 1
    facts.source_ip = "203.0.113.9"
    facts.user_agent = user_agent
    facts.domain_name = "ws.example.com"
    facts.callback_base = "https://ws.example.com"
    facts.principal = principal
    return facts


def invocation(
    body: bytes = b"",
    event_type: EventType = "MESSAGE",
    *,
    headers: Headers = (),
    query: Headers = (),
    stage_variables: Mapping[str, str] | None = None,
    principal: Principal | None = None,
    user_agent: str | None = "agent/1.0",
    reply: Reply | None = None,
    **fields: Any,
) -> Invocation:
    made = Invocation(
        Site(stage_variables or {}),
        event_type,
        "send" if event_type == "MESSAGE" else f"${event_type.lower()}",
        connection(principal, user_agent),
        "EOn3lGUtIAMEktQ=",
        TIME,
        body,
    )
    made.headers, made.query, made.reply = headers, query, reply
    made.message_id = "gbAAAfAAAAAAAAAAAA==" if event_type == "MESSAGE" else ""
    for name, value in fields.items():
        setattr(made, name, value)
    return made
