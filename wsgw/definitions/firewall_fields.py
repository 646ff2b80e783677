"""Reading what a statement looks at: FieldToMatch, TextTransformations, ForwardedIPConfig."""

from __future__ import annotations

from typing import Any, get_args

from wsgw.definitions.firewall import Fallback, Field, ForwardedIP, MatchScope
from wsgw.definitions.firewall_document import Members, Path, Unreadable

#: What can be done to a part of a request before it is looked at, but for NONE.
TRANSFORMATIONS = (
    "BASE64_DECODE",
    "BASE64_DECODE_EXT",
    "CMD_LINE",
    "COMPRESS_WHITE_SPACE",
    "CSS_DECODE",
    "ESCAPE_SEQ_DECODE",
    "HEX_DECODE",
    "HTML_ENTITY_DECODE",
    "JS_DECODE",
    "LOWERCASE",
    "MD5",
    "NORMALIZE_PATH",
    "NORMALIZE_PATH_WIN",
    "REMOVE_NULLS",
    "REPLACE_COMMENTS",
    "REPLACE_NULLS",
    "SQL_HEX_DECODE",
    "URL_DECODE",
    "URL_DECODE_UNI",
    "UTF8_TO_UNICODE",
)
_OVERSIZE = ("CONTINUE", "MATCH", "NO_MATCH")
_INVALID = ("MATCH", "NO_MATCH", "EVALUATE_AS_STRING")
_SCOPES = get_args(MatchScope)
_FALLBACKS = get_args(Fallback)
_NAMED = {"singleheader": "SingleHeader", "singlequeryargument": "SingleQueryArgument"}
_PLAIN = {
    "allqueryarguments": "AllQueryArguments",
    "uripath": "UriPath",
    "querystring": "QueryString",
    "method": "Method",
}
_ALL = (*_NAMED.values(), *_PLAIN.values(), "Headers", "Cookies", "Body", "JsonBody")


def field_of(members: Members) -> Field:
    """The FieldToMatch of a statement."""
    kind, value, at = members.object("FieldToMatch").one("field")
    inner = Members(value, at)
    if kind in _NAMED:
        found = Field(kind=_NAMED[kind], name=inner.text("Name").lower())  # type: ignore[arg-type]
    elif kind in _PLAIN:
        found = Field(kind=_PLAIN[kind])  # type: ignore[arg-type]
    elif kind == "body":
        found = Field(kind="Body", oversize=inner.choice("OversizeHandling", _OVERSIZE, "CONTINUE"))
    elif kind in ("headers", "cookies"):
        found = _pairs(kind, inner)
    elif kind == "jsonbody":
        found = _json(inner)
    else:
        raise Unreadable(at, "no part of a request that can be looked at", f"write {', '.join(_ALL)}")
    inner.done()
    return found


def _pairs(kind: str, inner: Members) -> Field:
    name = kind.capitalize()
    pattern, value, at = inner.object("MatchPattern").one("pattern")
    included: tuple[str, ...] | None = None
    excluded: tuple[str, ...] = ()
    if pattern == f"included{kind}":
        included = _names(value, at)
    elif pattern == f"excluded{kind}":
        excluded = _names(value, at)
    elif pattern != "all":
        raise Unreadable(at, "no such pattern", f"write All, Included{name} or Excluded{name}")
    return Field(
        kind="Headers" if kind == "headers" else "Cookies",
        included=included,
        excluded=excluded,
        scope=inner.choice("MatchScope", _SCOPES),
        oversize=inner.choice("OversizeHandling", _OVERSIZE),
    )


def _names(value: Any, at: Path) -> tuple[str, ...]:
    return tuple(name.lower() for name in Members({"names": value}, at).texts("names"))


def _json(inner: Members) -> Field:
    pattern, value, at = inner.object("MatchPattern").one("pattern")
    included: tuple[str, ...] | None = None
    if pattern == "includedpaths":
        included = Members({"paths": value}, at).texts("paths")
        for index, path in enumerate(included):
            if not path.startswith("/"):
                raise Unreadable((*at, index), "no JSON pointer", "begin it with /")
    elif pattern != "all":
        raise Unreadable(at, "no such pattern", "write All or IncludedPaths")
    return Field(
        kind="JsonBody",
        included=included,
        scope=inner.choice("MatchScope", _SCOPES),
        invalid=inner.choice("InvalidFallbackBehavior", _INVALID, "EVALUATE_AS_STRING"),
        oversize=inner.choice("OversizeHandling", _OVERSIZE, "CONTINUE"),
    )


def transformations_of(members: Members) -> tuple[str, ...]:
    """The TextTransformations of a statement, by priority; each may be its type alone."""
    found: list[tuple[int, str]] = []
    for index, (value, at) in enumerate(members.array("TextTransformations", ())):
        inner = Members({"Type": value, "Priority": index} if isinstance(value, str) else value, at)
        kind = inner.choice("Type", ("NONE", *TRANSFORMATIONS))
        found.append((inner.integer("Priority", 0, 1 << 31, index), kind))
        inner.done()
    return tuple(kind for _, kind in sorted(found, key=lambda one: one[0]) if kind != "NONE")


def forwarded_of(members: Members, name: str, *, positions: bool = False) -> ForwardedIP | None:
    """A ForwardedIPConfig; `positions`: it says which address of several is meant."""
    inner = members.optional(name)
    if inner is None:
        return None
    header, fallback = inner.text("HeaderName").lower(), inner.choice("FallbackBehavior", _FALLBACKS)
    position: Any = inner.choice("Position", ("FIRST", "LAST", "ANY")) if positions else "FIRST"
    inner.done()
    return ForwardedIP(header=header, fallback=fallback, position=position)
