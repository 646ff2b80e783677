"""The shape of a web ACL's statements, as WAFv2 writes them. See `native_schema_firewall`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, field

from wsgw.formats.native_schema_firewall_fields import (
    FieldToMatchEntry,
    ForwardedIpEntry,
    IpSetForwardedIpEntry,
    NamedEntry,
    OneOf,
    Text,
    Texts,
    Transformations,
)
from wsgw.formats.native_schema_parts import Entry, Maybe

Networks = Annotated[Texts, Meta(description="Addresses and networks, as 192.0.2.0/24 or 2001:db8::/32")]


class IpSetReferenceEntry(Entry, frozen=True, kw_only=True):
    """The source address is in a set of ipSets."""

    arn: Annotated[str, Meta(min_length=1, description="The set's name, or ARN")]
    ip_set_forwarded_ip_config: Maybe[IpSetForwardedIpEntry] = field(default=UNSET, name="ipSetForwardedIPConfig")


class IpSetStatementEntry(Entry, frozen=True, kw_only=True):
    """The source address is one of these."""

    addresses: Networks
    ip_set_forwarded_ip_config: Maybe[IpSetForwardedIpEntry] = field(default=UNSET, name="ipSetForwardedIPConfig")


class GeoMatchEntry(Entry, frozen=True, kw_only=True):
    """The source address is in one of these countries; wants the setting geo_database."""

    country_codes: list[Annotated[str, Meta(pattern="^[A-Z]{2}$", description="As ISO 3166 has it")]]
    forwarded_ip_config: Maybe[ForwardedIpEntry] = field(default=UNSET, name="forwardedIPConfig")


class OfFieldEntry(Entry, frozen=True, kw_only=True):
    """Looks at a part of the request."""

    field_to_match: FieldToMatchEntry
    text_transformations: Maybe[Transformations] = UNSET


class ByteMatchEntry(OfFieldEntry, frozen=True, kw_only=True):
    """A text in a part of the request."""

    positional_constraint: Literal["EXACTLY", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "CONTAINS_WORD"]
    search_string: Maybe[Text] = UNSET
    search_string_base64: Maybe[Annotated[str, Meta(min_length=1, description="Instead of searchString")]] = UNSET


class SizeConstraintEntry(OfFieldEntry, frozen=True, kw_only=True):
    """The length of a part of the request, in bytes."""

    comparison_operator: Literal["EQ", "NE", "LE", "LT", "GE", "GT"]
    size: Annotated[int, Meta(ge=0, le=21_474_836_480)]


class RegexMatchEntry(OfFieldEntry, frozen=True, kw_only=True):
    """A pattern in a part of the request."""

    regex_string: Annotated[str, Meta(min_length=1, description="RE2's syntax, over bytes")]


class RegexPatternSetReferenceEntry(OfFieldEntry, frozen=True, kw_only=True):
    """One of the patterns of a set of regexPatternSets."""

    arn: Annotated[str, Meta(min_length=1, description="The set's name, or ARN")]


class SqliMatchEntry(OfFieldEntry, frozen=True, kw_only=True):
    """SQL injection in a part of the request."""

    sensitivity_level: Maybe[Literal["LOW"]] = UNSET


class XssMatchEntry(OfFieldEntry, frozen=True, kw_only=True):
    """Cross-site scripting in a part of the request."""


class LabelMatchEntry(Entry, frozen=True, kw_only=True):
    """A label that rules before have put on the request."""

    scope: Literal["LABEL", "NAMESPACE"]
    key: Text


class SeveralEntry(Entry, frozen=True, kw_only=True):
    """Two statements or more."""

    statements: Annotated[list[NestedStatementEntry], Meta(min_length=2)]


class NotEntry(Entry, frozen=True, kw_only=True):
    """The contrary of a statement."""

    statement: NestedStatementEntry


class NestedStatementEntry(OneOf, frozen=True, kw_only=True):
    """What requests match: one statement, which may stand in others."""

    ip_set_reference_statement: Maybe[IpSetReferenceEntry] = UNSET
    ip_set_statement: Maybe[IpSetStatementEntry] = UNSET
    geo_match_statement: Maybe[GeoMatchEntry] = UNSET
    byte_match_statement: Maybe[ByteMatchEntry] = UNSET
    size_constraint_statement: Maybe[SizeConstraintEntry] = UNSET
    regex_match_statement: Maybe[RegexMatchEntry] = UNSET
    regex_pattern_set_reference_statement: Maybe[RegexPatternSetReferenceEntry] = UNSET
    sqli_match_statement: Maybe[SqliMatchEntry] = UNSET
    xss_match_statement: Maybe[XssMatchEntry] = UNSET
    label_match_statement: Maybe[LabelMatchEntry] = UNSET
    and_statement: Maybe[SeveralEntry] = UNSET
    or_statement: Maybe[SeveralEntry] = UNSET
    not_statement: Maybe[NotEntry] = UNSET


class PlainKeyEntry(Entry, frozen=True, kw_only=True):
    """A part of the request that it has once."""

    text_transformations: Maybe[Transformations] = UNSET


class NamedKeyEntry(NamedEntry, frozen=True, kw_only=True):
    """A part of the request, by its name."""

    text_transformations: Maybe[Transformations] = UNSET


class RateKeyEntry(OneOf, frozen=True, kw_only=True):
    """What callers are told apart by."""

    header: Maybe[NamedKeyEntry] = UNSET
    cookie: Maybe[NamedKeyEntry] = UNSET
    query_argument: Maybe[NamedKeyEntry] = UNSET
    query_string: Maybe[PlainKeyEntry] = UNSET
    http_method: Maybe[PlainKeyEntry] = field(default=UNSET, name="httpMethod")
    uri_path: Maybe[PlainKeyEntry] = UNSET
    ip: Maybe[PlainKeyEntry] = UNSET
    forwarded_ip: Maybe[PlainKeyEntry] = field(default=UNSET, name="forwardedIP")


class RateBasedEntry(Entry, frozen=True, kw_only=True):
    """More requests of one caller than the limit, within a window of time."""

    limit: Annotated[int, Meta(ge=1, le=2_000_000_000, description="Requests")]
    evaluation_window_sec: Maybe[Annotated[Literal[60, 120, 300, 600], Meta(description="Seconds; 300")]] = UNSET
    aggregate_key_type: Maybe[
        Annotated[
            Literal["IP", "FORWARDED_IP", "CONSTANT", "CUSTOM_KEYS"],
            Meta(description="What callers are told apart by; CONSTANT: not at all, with a scopeDownStatement"),
        ]
    ] = UNSET
    custom_keys: Maybe[Annotated[list[RateKeyEntry], Meta(description="Of CUSTOM_KEYS: all of them together")]] = UNSET
    forwarded_ip_config: Maybe[ForwardedIpEntry] = field(default=UNSET, name="forwardedIPConfig")
    scope_down_statement: Maybe[Annotated[NestedStatementEntry, Meta(description="Counts only what matches")]] = UNSET
