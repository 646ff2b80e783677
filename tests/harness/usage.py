"""API keys and usage plans, written in a line each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.harness.gateway import TestGateway
from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.usage import ApiKey, PlanStage, QuotaSettings, UsagePlan

#: A definition file with a REST API whose one method wants an API key.
KEYED_API = """
apis:
  pets:
    protocol: REST
    routes:
      GET /pets:
        apiKeyRequired: true
        integration: {type: MOCK, requestTemplates: {application/json: '{"statusCode": 200}'}}
    stages: {dev: {}}
"""
VALUE, OTHER_VALUE = "partner-value-of-20-or-more", "another-value-of-20-or-more"
KEY = ApiKey(id="partner", value=VALUE, customer_id="customer-1")
OTHER_KEY = ApiKey(id="another", value=OTHER_VALUE)


def limit(burst: int, rate: float = 0.001) -> ThrottleSettings:
    return ThrottleSettings(rate_limit=rate, burst_limit=burst)


def quota(number: int, period: Any = "DAY", offset: int = 0) -> QuotaSettings:
    return QuotaSettings(limit=number, period=period, offset=offset)


def plan(*keys: str, id: str = "gold", stages: tuple[PlanStage, ...] = (), **members: Any) -> UsagePlan:
    """A plan with these keys, `partner` and `another` if none is named, for stage dev of pets and prod of chat."""
    return UsagePlan(id=id, keys=keys or ("partner", "another"), stages=stages or on_both(), **members)


def on_both(**throttle: ThrottleSettings) -> tuple[PlanStage, ...]:
    return PlanStage(api_id="pets", stage="dev", throttle=throttle), PlanStage(api_id="chat", stage="prod")


def it_is(gateway: TestGateway, text: str) -> None:
    """Set the gateway's wall clock: `2026-11-21T10:00:00`, UTC."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    gateway.clock.added += moment - gateway.clock.wall_ms() / 1000
