"""Reading the statements of a web ACL's rules, each under its name in AWS WAF."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from wsgw.definitions.firewall import (
    And,
    ByteMatch,
    GeoMatch,
    IPSet,
    LabelMatch,
    Not,
    Or,
    RegexMatch,
    SizeConstraint,
    SqliMatch,
    Statement,
    XssMatch,
)
from wsgw.definitions.firewall_document import Members, Path, Unreadable
from wsgw.definitions.firewall_fields import field_of, forwarded_of, transformations_of

_POSITIONS = ("EXACTLY", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "CONTAINS_WORD")
_COMPARISONS = ("EQ", "NE", "LE", "LT", "GE", "GT")
_MOST_DEPTH = 20


class Sets(NamedTuple):
    """What statements refer to by name."""

    addresses: Mapping[str, tuple[str, ...]]
    patterns: Mapping[str, tuple[str, ...]]


def referred(members: Members, kind: str, known: Mapping[str, Any]) -> str:
    """The name that an ARN, or itself, has for one of `known`."""
    at = members.at("ARN")
    text = members.text("ARN")
    # arn:aws:wafv2:us-east-1:123456789012:regional/ipset/NAME/ID
    parts = text.split("/")
    name = parts[2] if text.startswith("arn:") and len(parts) >= 3 and parts[1] == kind else text
    if name not in known:
        raise Unreadable(at, f"{name!r} is not defined in this web ACL", f"there are: {', '.join(known) or 'none'}")
    return name


def statement_of(value: Any, path: Path, sets: Sets, depth: int = 0) -> Statement:
    """A statement that may stand in others."""
    if depth > _MOST_DEPTH:
        raise Unreadable(path, f"statements are nested deeper than {_MOST_DEPTH}", "split the rule, and use labels")
    kind, inner, at = Members(value, path).one("statement")
    if kind in _NESTING:
        members = Members(inner, at)
        made = _NESTING[kind](members, sets, depth)
    elif kind in _READERS:
        members = Members(inner, at)
        made = _READERS[kind](members, sets)
    elif kind in ("ratebasedstatement", "rulegroupreferencestatement"):
        raise Unreadable(at, "it cannot stand in another statement", "make it a rule's own statement")
    elif kind == "managedrulegroupstatement":
        raise Unreadable(at, "managed rule groups are AWS's alone", "write rules of your own")
    else:
        raise Unreadable(at, "no statement that is known here", f"there are: {', '.join(STATEMENTS)}")
    members.done()
    return made


def _ip_set(members: Members, sets: Sets) -> Statement:
    name = referred(members, "ipset", sets.addresses)
    forwarded = forwarded_of(members, "IPSetForwardedIPConfig", positions=True)
    return IPSet(addresses=sets.addresses[name], forwarded=forwarded)


def _inline_ip_set(members: Members, sets: Sets) -> Statement:
    addresses = networks_of(members, "Addresses")
    forwarded = forwarded_of(members, "IPSetForwardedIPConfig", positions=True)
    return IPSet(addresses=addresses, forwarded=forwarded)


def networks_of(members: Members, name: str) -> tuple[str, ...]:
    """Addresses and networks, each as CIDR has it."""
    at = members.at(name)
    found = members.texts(name)
    for index, text in enumerate(found):
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise Unreadable((*at, index), f"{text!r} is no network", "write 192.0.2.0/24 or 2001:db8::/32") from None
    return found


def _geo_match(members: Members, sets: Sets) -> Statement:
    at = members.at("CountryCodes")
    countries = members.texts("CountryCodes")
    for index, code in enumerate(countries):
        if not (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
            raise Unreadable((*at, index), f"{code!r} is no country", "write two capitals, as ISO 3166 has them")
    return GeoMatch(countries=countries, forwarded=forwarded_of(members, "ForwardedIPConfig"))


def _byte_match(members: Members, sets: Sets) -> Statement:
    if "SearchStringBase64" in members:
        at = members.at("SearchStringBase64")
        try:
            search = base64.b64decode(members.text("SearchStringBase64"), validate=True)
        except binascii.Error:
            raise Unreadable(at, "no Base64", "encode it, or write SearchString") from None
    else:
        search = members.text("SearchString").encode()
    return ByteMatch(
        search=search,
        position=members.choice("PositionalConstraint", _POSITIONS),
        field=field_of(members),
        transformations=transformations_of(members),
    )


def _size(members: Members, sets: Sets) -> Statement:
    return SizeConstraint(
        comparison=members.choice("ComparisonOperator", _COMPARISONS),
        size=members.integer("Size", 0, 21_474_836_480),
        field=field_of(members),
        transformations=transformations_of(members),
    )


def _regex(members: Members, sets: Sets) -> Statement:
    pattern = members.text("RegexString")
    return RegexMatch(patterns=(pattern,), field=field_of(members), transformations=transformations_of(members))


def _regex_set(members: Members, sets: Sets) -> Statement:
    patterns = sets.patterns[referred(members, "regexpatternset", sets.patterns)]
    return RegexMatch(patterns=patterns, field=field_of(members), transformations=transformations_of(members))


def _sqli(members: Members, sets: Sets) -> Statement:
    # There is one sensitivity: to take HIGH for LOW would let through what was to be caught.
    members.choice("SensitivityLevel", ("LOW",), "LOW")
    return SqliMatch(field=field_of(members), transformations=transformations_of(members))


def _xss(members: Members, sets: Sets) -> Statement:
    return XssMatch(field=field_of(members), transformations=transformations_of(members))


def _label(members: Members, sets: Sets) -> Statement:
    return LabelMatch(scope=members.choice("Scope", ("LABEL", "NAMESPACE")), key=members.text("Key"))


def _several(members: Members, sets: Sets, depth: int) -> tuple[Statement, ...]:
    at = members.at("Statements")
    found = tuple(statement_of(one, place, sets, depth + 1) for one, place in members.array("Statements"))
    if len(found) < 2:
        raise Unreadable(at, "two statements at least are expected here", "add one, or write the one alone")
    return found


def _and(members: Members, sets: Sets, depth: int) -> Statement:
    return And(statements=_several(members, sets, depth))


def _or(members: Members, sets: Sets, depth: int) -> Statement:
    return Or(statements=_several(members, sets, depth))


def _not(members: Members, sets: Sets, depth: int) -> Statement:
    value, at = members.take("Statement")
    return Not(statement=statement_of(value, at, sets, depth + 1))


_READERS: Mapping[str, Callable[[Members, Sets], Statement]] = {
    "ipsetreferencestatement": _ip_set,
    "ipsetstatement": _inline_ip_set,
    "geomatchstatement": _geo_match,
    "bytematchstatement": _byte_match,
    "sizeconstraintstatement": _size,
    "regexmatchstatement": _regex,
    "regexpatternsetreferencestatement": _regex_set,
    "sqlimatchstatement": _sqli,
    "xssmatchstatement": _xss,
    "labelmatchstatement": _label,
}
_NESTING: Mapping[str, Callable[[Members, Sets, int], Statement]] = {
    "andstatement": _and,
    "orstatement": _or,
    "notstatement": _not,
}
STATEMENTS = (
    "IPSetReferenceStatement",
    "IPSetStatement",
    "GeoMatchStatement",
    "RateBasedStatement",
    "ByteMatchStatement",
    "SizeConstraintStatement",
    "RegexMatchStatement",
    "RegexPatternSetReferenceStatement",
    "SqliMatchStatement",
    "XssMatchStatement",
    "LabelMatchStatement",
    "AndStatement",
    "OrStatement",
    "NotStatement",
    "RuleGroupReferenceStatement",
)
