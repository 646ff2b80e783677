"""The shape of what statements of a web ACL look at, as WAFv2 writes it: FieldToMatch and the like.

An entry made of `OneOf` has exactly one of its members. See `native_schema_firewall`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta

from wsgw.definitions.firewall import Fallback, MatchScope
from wsgw.definitions.firewall_fields import TRANSFORMATIONS
from wsgw.formats.native_schema_parts import Entry, Maybe

Text = Annotated[str, Meta(min_length=1)]
Texts = list[Text]
Oversize = Annotated[
    Literal["CONTINUE", "MATCH", "NO_MATCH"],
    Meta(description="A part that is larger than what is read of it: CONTINUE looks at what is read"),
]
TransformationName = Annotated[str, Meta(extra_json_schema={"enum": ["NONE", *TRANSFORMATIONS]})]
All = Annotated[Any, Meta(description="Write {}")]


class OneOf(Entry, frozen=True, kw_only=True):
    """Exactly one of these."""


class NothingEntry(Entry, frozen=True, kw_only=True):
    """It has no members: write {}."""


class TransformationEntry(Entry, frozen=True, kw_only=True):
    """What is done to a part before it is looked at."""

    type: TransformationName
    priority: Maybe[Annotated[int, Meta(ge=0, description="The lowest is first; left out: as they are written")]] = (
        UNSET
    )


Transformations = Annotated[
    list[TransformationName | TransformationEntry],
    Meta(description="Undo what the part is encoded in; each may be its type alone"),
]


class NamedEntry(Entry, frozen=True, kw_only=True):
    """What is meant, by its name."""

    name: Text


class HeadersPatternEntry(OneOf, frozen=True, kw_only=True):
    """Which headers."""

    all: Maybe[All] = UNSET
    included_headers: Maybe[Texts] = UNSET
    excluded_headers: Maybe[Texts] = UNSET


class HeadersEntry(Entry, frozen=True, kw_only=True):
    """Several headers."""

    match_pattern: HeadersPatternEntry
    match_scope: MatchScope
    oversize_handling: Oversize


class CookiesPatternEntry(OneOf, frozen=True, kw_only=True):
    """Which cookies."""

    all: Maybe[All] = UNSET
    included_cookies: Maybe[Texts] = UNSET
    excluded_cookies: Maybe[Texts] = UNSET


class CookiesEntry(Entry, frozen=True, kw_only=True):
    """Several cookies."""

    match_pattern: CookiesPatternEntry
    match_scope: MatchScope
    oversize_handling: Oversize


class BodyEntry(Entry, frozen=True, kw_only=True):
    """The body, as bytes."""

    oversize_handling: Maybe[Oversize] = UNSET


class JsonPatternEntry(OneOf, frozen=True, kw_only=True):
    """Which values of the JSON."""

    all: Maybe[All] = UNSET
    included_paths: Maybe[list[Annotated[str, Meta(pattern="^/", description="JSON pointer")]]] = UNSET


class JsonBodyEntry(Entry, frozen=True, kw_only=True):
    """The body, as JSON."""

    match_pattern: JsonPatternEntry
    match_scope: MatchScope
    invalid_fallback_behavior: Maybe[
        Annotated[Literal["MATCH", "NO_MATCH", "EVALUATE_AS_STRING"], Meta(description="Of a body that is no JSON")]
    ] = UNSET
    oversize_handling: Maybe[Oversize] = UNSET


class FieldToMatchEntry(OneOf, frozen=True, kw_only=True):
    """The part of the request that is looked at."""

    single_header: Maybe[NamedEntry] = UNSET
    headers: Maybe[HeadersEntry] = UNSET
    cookies: Maybe[CookiesEntry] = UNSET
    single_query_argument: Maybe[NamedEntry] = UNSET
    all_query_arguments: Maybe[NothingEntry] = UNSET
    uri_path: Maybe[NothingEntry] = UNSET
    query_string: Maybe[NothingEntry] = UNSET
    body: Maybe[BodyEntry] = UNSET
    json_body: Maybe[JsonBodyEntry] = UNSET
    method: Maybe[NothingEntry] = UNSET


class ForwardedIpEntry(Entry, frozen=True, kw_only=True):
    """The address stands in a header."""

    header_name: Text
    fallback_behavior: Annotated[Fallback, Meta(description="Where it is no address")]


class IpSetForwardedIpEntry(ForwardedIpEntry, frozen=True, kw_only=True):
    """The address stands in a header, which may have several."""

    position: Literal["FIRST", "LAST", "ANY"]
