"""Reading rate-based statements: how many requests, within which time, and what requests are told apart by."""

from __future__ import annotations

from typing import Any

from wsgw.definitions.firewall import RateBased, RateKey
from wsgw.definitions.firewall_document import Members, Path, Unreadable
from wsgw.definitions.firewall_fields import forwarded_of, transformations_of
from wsgw.definitions.firewall_statements import Sets, statement_of

_WINDOWS = (60, 120, 300, 600)
_KEYS = {
    "header": "Header",
    "cookie": "Cookie",
    "queryargument": "QueryArgument",
    "querystring": "QueryString",
    "httpmethod": "HTTPMethod",
    "uripath": "UriPath",
    "ip": "IP",
    "forwardedip": "ForwardedIP",
}


def rate_based_of(members: Members, sets: Sets) -> RateBased:
    """A RateBasedStatement."""
    limit = members.integer("Limit", 1, 2_000_000_000)
    window = members.choice("EvaluationWindowSec", _WINDOWS, 300)
    kind = members.choice("AggregateKeyType", ("IP", "FORWARDED_IP", "CONSTANT", "CUSTOM_KEYS"), "IP")
    keys: tuple[RateKey, ...] = (RateKey(kind="IP"),)
    if kind == "FORWARDED_IP":
        keys = (RateKey(kind="ForwardedIP"),)
    elif kind == "CONSTANT":
        keys = ()
    elif kind == "CUSTOM_KEYS":
        keys = tuple(_rate_key(value, at) for value, at in members.array("CustomKeys"))
        if not keys:
            raise Unreadable(members.path, "CUSTOM_KEYS without CustomKeys", "add them")
    forwarded = forwarded_of(members, "ForwardedIPConfig")
    if forwarded is None and any(key.kind == "ForwardedIP" for key in keys):
        raise Unreadable(members.path, "nothing says which header has the address", "add ForwardedIPConfig")
    value, at = members.take("ScopeDownStatement", None)
    scope_down = None if value is None else statement_of(value, at, sets)
    if not keys and scope_down is None:
        raise Unreadable(members.path, "CONSTANT counts what a ScopeDownStatement finds", "add one")
    members.done()
    return RateBased(limit=limit, window=window, keys=keys, forwarded=forwarded, scope_down=scope_down)


def _rate_key(value: Any, at: Path) -> RateKey:
    kind, inner, place = Members(value, at).one("key")
    if kind not in _KEYS:
        raise Unreadable(place, "no key that is known here", f"there are: {', '.join(_KEYS.values())}")
    members = Members(inner, place)
    named = kind in ("header", "cookie", "queryargument")
    name = members.text("Name") if named else ""
    transformations = transformations_of(members)
    members.done()
    # Cookies alone have names whose case matters.
    name = name if kind == "cookie" else name.lower()
    return RateKey(kind=_KEYS[kind], name=name, transformations=transformations)  # type: ignore[arg-type]
