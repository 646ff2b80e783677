"""Entries of the native format that APIs of every protocol have: throttles, models, limits of what a stage takes.

UNSET is a key that the file leaves out. A description here is what an editor shows for a key.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

T = TypeVar("T")
Maybe: TypeAlias = T | UnsetType

Templates = Annotated[
    dict[str, str], Meta(description="Selection key → template (VTL); $default is used where no other fits")
]
Parameters = Annotated[dict[str, str], Meta(description="Target → source, as API Gateway's parameter mappings")]
ContentHandling = Literal["CONVERT_TO_BINARY", "CONVERT_TO_TEXT"]
ConnectionType = Literal["INTERNET", "VPC_LINK"]
Status = Annotated[int | str, Meta(description="100 to 599")]
StageVariables = Annotated[dict[str, str], Meta(description="Stage variables")]
AccessLog = Annotated[
    str | bool, Meta(description="One line with $context.… variables; true is the default format, false is no log")
]
Timeout = Annotated[int, Meta(ge=50, le=900_000, description="29000 unless said otherwise (HTTP APIs: 30000)")]
StageTimeout = Annotated[
    int, Meta(ge=0, le=900_000, description="Most an integration may take; 29000 (HTTP APIs: 30000)")
]


class Entry(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A mapping of the file: no other keys than its own."""


class ThrottleEntry(Entry, frozen=True, kw_only=True):
    """A token bucket."""

    rate_limit: Annotated[float, Meta(ge=0, description="Tokens that come back a second")]
    burst_limit: Annotated[int, Meta(ge=0, description="Most tokens that the bucket holds")]


class RouteSettingsEntry(Entry, frozen=True, kw_only=True):
    """What a stage sets for one of its routes, in API Gateway's names."""

    throttling_rate_limit: Maybe[Annotated[float, Meta(ge=0)]] = UNSET
    throttling_burst_limit: Maybe[Annotated[int, Meta(ge=0)]] = UNSET


class ModelEntry(Entry, frozen=True, kw_only=True):
    """A JSON schema (draft 4) that messages and request bodies are checked against."""

    schema: Annotated[dict[str, Any] | str, Meta(description="The schema, or its JSON text")]
    content_type: str = "application/json"
    description: Maybe[str] = UNSET


class PayloadLimitsEntry(Entry, frozen=True, kw_only=True):
    """What a stage of an HTTP or REST API allows; defaults are API Gateway's numbers, 0 turns a limit off."""

    payload_bytes: Maybe[Annotated[int, Meta(ge=0, description="Largest body, both ways; 10485760")]] = UNSET
    timeout_ms: Maybe[StageTimeout] = UNSET
