"""Entries of the native format for API keys and usage plans; a description here is what an editor shows for a key."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, field

from wsgw.formats.native_schema_parts import Entry, Maybe, ThrottleEntry


class ApiKeyEntry(Entry, frozen=True, kw_only=True):
    """A key that callers send as x-api-key."""

    value: Annotated[str, Meta(min_length=1, description="20 to 128 characters; may be ${ENVIRONMENT_NAME}")]
    name: str = ""
    description: str = ""
    enabled: Annotated[bool, Meta(description="false: it is refused as if it were not there")] = True
    customer_id: Annotated[str, Meta(description="Whom its usage is billed to, as exports show it")] = ""


class PlanStageEntry(Entry, frozen=True, kw_only=True):
    """A stage that the plan's keys may call."""

    api_id: Annotated[str, Meta(min_length=1)]
    stage: Annotated[str, Meta(min_length=1)]
    throttle: Annotated[
        dict[str, ThrottleEntry], Meta(description="/path/VERB (the root: //VERB) → limit of each key for this method")
    ] = field(default_factory=dict)


class QuotaEntry(Entry, frozen=True, kw_only=True):
    """How many requests each key has in each period, in UTC."""

    limit: Annotated[int, Meta(ge=0)]
    period: Literal["DAY", "WEEK", "MONTH"]
    offset: Annotated[int, Meta(ge=0, description="Requests that a key's first period has less")] = 0


class UsagePlanEntry(Entry, frozen=True, kw_only=True):
    """Which stages its keys may call, and how often."""

    name: str = ""
    description: str = ""
    api_stages: list[PlanStageEntry] = field(default_factory=list)
    throttle: Maybe[ThrottleEntry] = UNSET
    quota: Maybe[QuotaEntry] = UNSET
    keys: Annotated[list[str], Meta(description="Ids of API keys")] = field(default_factory=list)
