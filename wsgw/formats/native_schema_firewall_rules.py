"""The shape of a web ACL, its rules and their actions, as WAFv2 writes them. See `native_schema_firewall`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, field

from wsgw.definitions.firewall import MOST_BODY_BYTES
from wsgw.formats.native_schema_firewall_fields import NamedEntry, NothingEntry, OneOf, Text
from wsgw.formats.native_schema_firewall_statements import (
    NestedStatementEntry,
    Networks,
    RateBasedEntry,
)
from wsgw.formats.native_schema_parts import Entry, Maybe

Name = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,128}$")]
Label = Annotated[str, Meta(pattern="^(?!awswaf:)[0-9A-Za-z_:-]{1,1024}$")]
Kept = Annotated[Any, Meta(description="Changes nothing of what is allowed")]


class ResponseHeaderEntry(NamedEntry, frozen=True, kw_only=True):
    """A header of the answer."""

    value: Maybe[str] = UNSET


class CustomResponseEntry(Entry, frozen=True, kw_only=True):
    """What a blocked request is answered, instead of 403."""

    response_code: Annotated[int, Meta(ge=200, le=599)]
    response_headers: Maybe[list[ResponseHeaderEntry]] = UNSET
    custom_response_body_key: Maybe[Annotated[str, Meta(description="One of customResponseBodies")]] = UNSET


class BlockEntry(Entry, frozen=True, kw_only=True):
    """Refuse the request."""

    custom_response: Maybe[CustomResponseEntry] = UNSET


class DefaultActionEntry(OneOf, frozen=True, kw_only=True):
    """What is done to requests that no rule decides."""

    allow: Maybe[NothingEntry | None] = UNSET
    block: Maybe[BlockEntry | None] = UNSET


class ActionEntry(DefaultActionEntry, frozen=True, kw_only=True):
    """What is done to requests that match; count asks the next rule, too."""

    count: Maybe[NothingEntry | None] = UNSET


class OverrideActionEntry(OneOf, frozen=True, kw_only=True):
    """none: the group's rules decide. count: they only count."""

    none: Maybe[NothingEntry | None] = UNSET
    count: Maybe[NothingEntry | None] = UNSET


def _named(*names: str) -> Meta:
    """A text that is one of `names`, in any case."""
    in_any_case = "|".join("".join(f"[{letter}{letter.lower()}]" for letter in name) for name in names)
    return Meta(extra_json_schema={"anyOf": [{"enum": list(names)}, {"pattern": f"^({in_any_case})$"}]})


ActionOrName = ActionEntry | Annotated[str, _named("ALLOW", "BLOCK", "COUNT")]
DefaultActionOrName = DefaultActionEntry | Annotated[str, _named("ALLOW", "BLOCK")]
OverrideActionOrName = OverrideActionEntry | Annotated[str, _named("NONE", "COUNT")]


# ---- rules


class OverriddenRuleEntry(NamedEntry, frozen=True, kw_only=True):
    """A rule of a group, with another action."""

    action_to_use: ActionOrName


class RuleGroupReferenceEntry(Entry, frozen=True, kw_only=True):
    """The rules of a group of ruleGroups."""

    arn: Annotated[str, Meta(min_length=1, description="The group's name, or ARN")]
    excluded_rules: Maybe[Annotated[list[NamedEntry], Meta(description="Rules that only count")]] = UNSET
    rule_action_overrides: Maybe[list[OverriddenRuleEntry]] = UNSET


class StatementEntry(NestedStatementEntry, frozen=True, kw_only=True):
    """What requests match: one statement."""

    rate_based_statement: Maybe[RateBasedEntry] = UNSET
    rule_group_reference_statement: Maybe[RuleGroupReferenceEntry] = UNSET


class VisibilityConfigEntry(Entry, frozen=True, kw_only=True):
    """What operators see."""

    sampled_requests_enabled: Maybe[Annotated[bool, Meta(description="false: no request is kept as a sample")]] = UNSET
    cloud_watch_metrics_enabled: Kept = UNSET
    metric_name: Kept = UNSET


class LabelEntry(Entry, frozen=True, kw_only=True):
    """A label."""

    name: Label


class RuleEntry(Entry, frozen=True, kw_only=True):
    """A rule: what requests match, and what is done to those that do."""

    name: Name
    statement: StatementEntry
    priority: Maybe[Annotated[int, Meta(ge=0, description="The lowest is first; left out: as they are written")]] = (
        UNSET
    )
    action: Maybe[Annotated[ActionOrName, Meta(description="ALLOW, BLOCK or COUNT; count first, block later")]] = UNSET
    override_action: Maybe[
        Annotated[OverrideActionOrName, Meta(description="Of a ruleGroupReferenceStatement, instead of action")]
    ] = UNSET
    rule_labels: Maybe[Annotated[list[Label | LabelEntry], Meta(description="Put on a request that matches")]] = UNSET
    visibility_config: Maybe[VisibilityConfigEntry] = UNSET


class _KeptEntry(Entry, frozen=True, kw_only=True):
    arn: Kept = UNSET
    id: Kept = UNSET
    description: Kept = UNSET
    capacity: Kept = UNSET
    label_namespace: Kept = UNSET
    scope: Kept = UNSET
    tags: Kept = UNSET
    managed_by_firewall_manager: Kept = UNSET


class IpSetEntry(_KeptEntry, frozen=True, kw_only=True):
    """Addresses and networks; or a list of them."""

    addresses: Networks
    name: Kept = UNSET
    ip_address_version: Kept = UNSET


class RegexEntry(Entry, frozen=True, kw_only=True):
    """A pattern."""

    regex_string: Text


Patterns: TypeAlias = Annotated[list[str | RegexEntry], Meta(min_length=1, description="RE2's syntax, over bytes")]


class RegexPatternSetEntry(_KeptEntry, frozen=True, kw_only=True):
    """Patterns; or a list of them."""

    regular_expression_list: Patterns
    name: Kept = UNSET


class CustomResponseBodyEntry(Entry, frozen=True, kw_only=True):
    """A body that rules answer with."""

    content_type: Literal["TEXT_PLAIN", "TEXT_HTML", "APPLICATION_JSON"]
    content: Text


CustomResponseBodies = Annotated[dict[str, CustomResponseBodyEntry], Meta(description="By name")]


class RuleGroupEntry(_KeptEntry, frozen=True, kw_only=True):
    """Rules that one rule refers to; or a list of them."""

    rules: Maybe[list[RuleEntry]] = UNSET
    custom_response_bodies: Maybe[CustomResponseBodies] = UNSET
    name: Kept = UNSET
    visibility_config: Kept = UNSET


class InspectionLimitEntry(Entry, frozen=True, kw_only=True):
    """How much of a body is looked at."""

    default_size_inspection_limit: Literal["KB_16", "KB_32", "KB_48", "KB_64"]


class RequestBodyEntry(Entry, frozen=True, kw_only=True):
    """How much of a body is looked at, by what the web ACL belongs to."""

    api_gateway: Maybe[InspectionLimitEntry] = field(default=UNSET, name="API_GATEWAY")
    cloudfront: Kept = field(default=UNSET, name="CLOUDFRONT")
    cognito_user_pool: Kept = field(default=UNSET, name="COGNITO_USER_POOL")
    app_runner_service: Kept = field(default=UNSET, name="APP_RUNNER_SERVICE")
    verified_access_instance: Kept = field(default=UNSET, name="VERIFIED_ACCESS_INSTANCE")


class AssociationConfigEntry(Entry, frozen=True, kw_only=True):
    """How much of a body is looked at, in AWS's words."""

    request_body: RequestBodyEntry


class WebAclEntry(_KeptEntry, frozen=True, kw_only=True):
    """Rules that look at requests and handshakes before all else does, as AWS WAF writes them."""

    name: Maybe[Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{0,128}$")]] = UNSET
    default_action: Maybe[Annotated[DefaultActionOrName, Meta(description="Where no rule decides; ALLOW")]] = UNSET
    rules: Maybe[Annotated[list[RuleEntry], Meta(description="The first that allows or blocks decides")]] = UNSET
    ip_sets: Maybe[
        Annotated[dict[str, Networks | IpSetEntry], Meta(description="By name, for ipSetReferenceStatement")]
    ] = UNSET
    regex_pattern_sets: Maybe[
        Annotated[
            dict[str, Patterns | RegexPatternSetEntry],
            Meta(description="By name, for regexPatternSetReferenceStatement"),
        ]
    ] = UNSET
    rule_groups: Maybe[
        Annotated[
            dict[str, list[RuleEntry] | RuleGroupEntry], Meta(description="By name, for ruleGroupReferenceStatement")
        ]
    ] = UNSET
    custom_response_bodies: Maybe[CustomResponseBodies] = UNSET
    body_bytes: Maybe[
        Annotated[int, Meta(ge=1, le=MOST_BODY_BYTES, description="How much of a body is looked at; 8192")]
    ] = UNSET
    association_config: Maybe[AssociationConfigEntry] = UNSET
    visibility_config: Maybe[VisibilityConfigEntry] = UNSET
