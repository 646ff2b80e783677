"""API keys and usage plans of the native format (`apiKeys:`, `usagePlans:`), each by its id."""

from __future__ import annotations

import msgspec

from wsgw.definitions.usage import ApiKey, UsagePlan
from wsgw.definitions.usage_documents import usage_plan_of
from wsgw.formats.native_schema_usage import ApiKeyEntry, UsagePlanEntry


def api_key(key_id: str, entry: ApiKeyEntry, value: str) -> ApiKey:
    """The key; `value` is the entry's own with its `${NAME}` filled in."""
    return ApiKey(
        id=key_id,
        value=value,
        name=entry.name,
        enabled=entry.enabled,
        description=entry.description,
        customer_id=entry.customer_id,
    )


def usage_plan(plan_id: str, entry: UsagePlanEntry) -> UsagePlan:
    return usage_plan_of({"id": plan_id, **msgspec.to_builtins(entry)})
