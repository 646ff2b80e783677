"""Who may call how often: API keys and usage plans, shared by all APIs.

Source: service model `apigateway` 2015-07-09, types ApiKey and UsagePlan; developer guide, "Usage plans and API keys".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from wsgw.definitions.access import ThrottleSettings

Period = Literal["DAY", "WEEK", "MONTH"]


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key. `value` is what callers send and a secret, `id` is what everything else names it by."""

    id: str
    value: str
    name: str = ""
    enabled: bool = True
    description: str = ""
    customer_id: str = ""


class QuotaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests a key has in each `period` (UTC); `offset` of them are taken off the first one."""

    limit: int
    period: Period
    offset: int = 0


class PlanStage(msgspec.Struct, frozen=True, kw_only=True):
    """A stage that a usage plan lets its keys call. `throttle`: limits per key by route key (`GET /pets`)."""

    api_id: str
    stage: str
    throttle: Mapping[str, ThrottleSettings] = {}


class UsagePlan(msgspec.Struct, frozen=True, kw_only=True):
    """A usage plan: which stages its keys may call, and how often. `throttle` and `quota` are for each key.

    `keys` are ids of API keys.
    """

    id: str
    name: str = ""
    description: str = ""
    stages: tuple[PlanStage, ...] = ()
    throttle: ThrottleSettings | None = None
    quota: QuotaSettings | None = None
    keys: tuple[str, ...] = ()
