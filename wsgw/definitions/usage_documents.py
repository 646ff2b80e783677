"""API keys and usage plans ↔ documents in API Gateway's own shapes, as files have them and as they are stored.

Of an ApiKey: `{id, value, name, description, enabled, customerId}`. Of a UsagePlan: `{id, name, description, apiStages:
[{apiId, stage, throttle: {"/path/VERB": {rateLimit, burstLimit}}}], throttle, quota: {limit, offset, period}, keys}`;
`keys`, ids of API keys, is a collection of its own on the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.usage import ApiKey, PlanStage, QuotaSettings, UsagePlan


def api_key_of(document: Mapping[str, Any]) -> ApiKey:
    """The key of `document`. Raises msgspec.ValidationError."""
    return msgspec.convert(_snake(document, customerId="customer_id"), ApiKey)


def usage_plan_of(document: Mapping[str, Any]) -> UsagePlan:
    """The plan of `document`. Raises msgspec.ValidationError, LookupError, TypeError and AttributeError."""
    stages = tuple(
        PlanStage(
            api_id=str(one["apiId"]),
            stage=str(one["stage"]),
            throttle={route_key(key): _throttle(limit) for key, limit in one.get("throttle", {}).items()},
        )
        for one in document.get("apiStages", ())
    )
    throttle, quota = document.get("throttle"), document.get("quota")
    return UsagePlan(
        id=str(document["id"]),
        name=str(document.get("name", "")),
        description=str(document.get("description", "")),
        stages=stages,
        throttle=None if throttle is None else _throttle(throttle),
        quota=None if quota is None else msgspec.convert(quota, QuotaSettings, strict=False),
        keys=tuple(map(str, document.get("keys", ()))),
    )


def api_key_document(key: ApiKey) -> dict[str, Any]:
    """`key` in API Gateway's shape, its value with it."""
    return {
        "id": key.id,
        "value": key.value,
        "name": key.name,
        "description": key.description,
        "enabled": key.enabled,
        "customerId": key.customer_id,
    }


def usage_plan_document(plan: UsagePlan) -> dict[str, Any]:
    """`plan` in API Gateway's shape; what it does not limit is not there."""
    stages = [{"apiId": one.api_id, "stage": one.stage, **_methods(one)} for one in plan.stages]
    document: dict[str, Any] = {
        "id": plan.id,
        "name": plan.name,
        "description": plan.description,
        "apiStages": stages,
        "keys": list(plan.keys),
    }
    if plan.throttle is not None:
        document["throttle"] = _limits(plan.throttle)
    if plan.quota is not None:
        quota = plan.quota
        document["quota"] = {"limit": quota.limit, "offset": quota.offset, "period": quota.period}
    return document


def route_key(text: str) -> str:
    """`GET /pets` of `/pets/GET`, and `GET /` of `//GET`; what does not begin with a slash is a route key already."""
    if not text.startswith("/"):
        return text
    path, _, verb = text.rpartition("/")
    return f"{verb} {path or '/'}"


def method_key(key: str) -> str:
    """`/pets/GET` of `GET /pets`, and `//GET` of `GET /`; a route key that has no path as it is."""
    verb, blank, path = key.partition(" ")
    return f"{path}/{verb}" if blank else key


def _methods(stage: PlanStage) -> dict[str, Any]:
    limits = {method_key(key): _limits(limit) for key, limit in stage.throttle.items()}
    return {"throttle": limits} if limits else {}


def _limits(settings: ThrottleSettings) -> dict[str, Any]:
    return {"burstLimit": settings.burst_limit, "rateLimit": settings.rate_limit}


def _throttle(document: Mapping[str, Any]) -> ThrottleSettings:
    return msgspec.convert(_snake(document, rateLimit="rate_limit", burstLimit="burst_limit"), ThrottleSettings)


def _snake(document: Mapping[str, Any], **names: str) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in document.items()}
