"""The web ACL of a stage: rules that look at a request before anything else does.

Names are AWS WAF's own (version 2), with `Statement` left off. Source: AWS WAF developer guide, "Rule statements", and
the service model `wafv2`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Action = Literal["ALLOW", "BLOCK", "COUNT"]
Fallback = Literal["MATCH", "NO_MATCH"]
MatchScope = Literal["ALL", "KEY", "VALUE"]
FieldKind = Literal[
    "SingleHeader",
    "Headers",
    "Cookies",
    "SingleQueryArgument",
    "AllQueryArguments",
    "UriPath",
    "QueryString",
    "Body",
    "JsonBody",
    "Method",
]
KeyKind = Literal["Header", "Cookie", "QueryArgument", "QueryString", "HTTPMethod", "UriPath", "IP", "ForwardedIP"]
#: What is read of a body unless the web ACL says otherwise, and the most that it may say.
BODY_BYTES = 8 * 1024
MOST_BODY_BYTES = 64 * 1024


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with a web ACL, and where: `path` leads to it from the web ACL."""

    path: tuple[str | int, ...]
    message: str
    remedy: str = ""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """FieldToMatch. `name` in lower case; `included` and `excluded` narrow Headers, Cookies and JsonBody down.

    `oversize`: what a part that is larger than what is read of it counts as. `invalid`: what a JsonBody that is no
    JSON counts as.
    """

    kind: FieldKind
    name: str = ""
    included: tuple[str, ...] | None = None
    excluded: tuple[str, ...] = ()
    scope: MatchScope = "ALL"
    oversize: Literal["CONTINUE", "MATCH", "NO_MATCH"] = "CONTINUE"
    invalid: Literal["MATCH", "NO_MATCH", "EVALUATE_AS_STRING"] = "EVALUATE_AS_STRING"


class ForwardedIP(msgspec.Struct, frozen=True, kw_only=True):
    """ForwardedIPConfig: the address stands in a header. `fallback` is for one that is none."""

    header: str
    fallback: Fallback
    position: Literal["FIRST", "LAST", "ANY"] = "FIRST"


class _Statement(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    pass


class _OfField(_Statement, frozen=True, kw_only=True):
    """Looks at a part of the request, after `transformations` in this order."""

    field: Field
    transformations: tuple[str, ...] = ()


class IPSet(_Statement, frozen=True, kw_only=True):
    addresses: tuple[str, ...]
    forwarded: ForwardedIP | None = None


class GeoMatch(_Statement, frozen=True, kw_only=True):
    countries: tuple[str, ...]
    forwarded: ForwardedIP | None = None


class ByteMatch(_OfField, frozen=True, kw_only=True):
    search: bytes
    position: Literal["EXACTLY", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "CONTAINS_WORD"]


class SizeConstraint(_OfField, frozen=True, kw_only=True):
    comparison: Literal["EQ", "NE", "LE", "LT", "GE", "GT"]
    size: int


class RegexMatch(_OfField, frozen=True, kw_only=True):
    """One of `patterns` is found somewhere."""

    patterns: tuple[str, ...]


class SqliMatch(_OfField, frozen=True, kw_only=True):
    pass


class XssMatch(_OfField, frozen=True, kw_only=True):
    pass


class LabelMatch(_Statement, frozen=True, kw_only=True):
    scope: Literal["LABEL", "NAMESPACE"]
    key: str


class And(_Statement, frozen=True, kw_only=True):
    statements: tuple[Statement, ...]


class Or(_Statement, frozen=True, kw_only=True):
    statements: tuple[Statement, ...]


class Not(_Statement, frozen=True, kw_only=True):
    statement: Statement


class RateKey(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what requests are told apart by."""

    kind: KeyKind
    name: str = ""
    transformations: tuple[str, ...] = ()


class RateBased(_Statement, frozen=True, kw_only=True):
    """More than `limit` requests with the same `keys` within `window` seconds; no keys: all of them together."""

    limit: int
    window: int = 300
    keys: tuple[RateKey, ...] = (RateKey(kind="IP"),)
    forwarded: ForwardedIP | None = None
    scope_down: Statement | None = None


class RuleGroupReference(_Statement, frozen=True, kw_only=True):
    """The rules of a group, with the actions that they have here."""

    name: str
    rules: tuple[WebAclRule, ...]


Statement = (
    IPSet | GeoMatch | ByteMatch | SizeConstraint | RegexMatch | SqliMatch | XssMatch | LabelMatch | And | Or | Not
)


class CustomResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a blocked request is answered instead of 403 Forbidden."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


class WebAclRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. `labels` are put on a request that matches. A rule group counts as a whole where `action` is COUNT."""

    name: str
    statement: Statement | RateBased | RuleGroupReference
    priority: int = 0
    action: Action = "BLOCK"
    labels: tuple[str, ...] = ()
    response: CustomResponse | None = None
    sampled: bool = True


class WebAcl(msgspec.Struct, frozen=True, kw_only=True):
    """Rules in the order of their priority; the first one that allows or blocks decides, else `default_action`.

    `body_bytes` of a body are read. `sampled`: requests that no rule decides are kept as samples, too. One with
    `problems` is served by nobody.
    """

    name: str = ""
    default_action: Literal["ALLOW", "BLOCK"] = "ALLOW"
    default_response: CustomResponse | None = None
    rules: tuple[WebAclRule, ...] = ()
    body_bytes: int = BODY_BYTES
    sampled: bool = True
    inspects_body: bool = False
    problems: tuple[Problem, ...] = ()
