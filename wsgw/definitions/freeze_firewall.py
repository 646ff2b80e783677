"""Freezing a web ACL: what WAFv2's documents say → WebAcl, with its problems rather than an exception."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

import msgspec

from wsgw.definitions.firewall import (
    BODY_BYTES,
    MOST_BODY_BYTES,
    Problem,
    RateBased,
    RuleGroupReference,
    Statement,
    WebAcl,
    WebAclRule,
)
from wsgw.definitions.firewall_actions import Bodies, Body, action_of, body_of, default_action_of, override_of
from wsgw.definitions.firewall_document import Members, Path, Unreadable
from wsgw.definitions.firewall_rates import rate_based_of
from wsgw.definitions.firewall_statements import Sets, networks_of, referred, statement_of

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_LABEL = re.compile(r"[0-9A-Za-z_:-]{1,1024}")
#: Members of a web ACL, or of a rule, that change nothing of what is allowed.
_WITHOUT_EFFECT = (
    "ARN",
    "Id",
    "Description",
    "Capacity",
    "LabelNamespace",
    "Scope",
    "Tags",
    "ManagedByFirewallManager",
)

T = TypeVar("T")


class _Known(NamedTuple):
    """What rules refer to by name."""

    sets: Sets
    bodies: Bodies
    groups: Mapping[str, tuple[WebAclRule, ...]]


def web_acl_of(document: Any) -> WebAcl:
    """The web ACL that `document` is, as WAFv2 has it; raises nothing."""
    problems: list[Problem] = []
    acl = _tried(problems, lambda: _web_acl(Members(document, ()), problems))
    return WebAcl(problems=tuple(problems)) if acl is None else acl


def _tried(problems: list[Problem], read: Callable[[], T]) -> T | None:
    try:
        return read()
    except Unreadable as error:
        problems.append(error.problem)
        return None


def _web_acl(members: Members, problems: list[Problem]) -> WebAcl:
    name = members.text("Name", "")
    if name and not _NAME.fullmatch(name):
        raise Unreadable(members.at("Name"), "no name that a web ACL can have", "use letters, digits, - and _")
    sets = Sets(
        _by_name(members, "IpSets", _addresses, (), problems),
        _by_name(members, "RegexPatternSets", _patterns, (), problems),
    )
    bodies = _by_name(members, "CustomResponseBodies", body_of, Body("", ""), problems)
    known = _Known(sets, bodies, {})
    no_rules: tuple[WebAclRule, ...] = ()
    groups = _by_name(members, "RuleGroups", lambda value, at: _group(value, at, known, problems), no_rules, problems)
    known = known._replace(groups=groups)
    # Whatever cannot be read lets nobody pass.
    action, response = _tried(problems, lambda: default_action_of(members, known.bodies)) or ("BLOCK", None)
    rules = _rules(members, known, problems, in_group=False)
    body_bytes = _tried(problems, lambda: _body_bytes(members)) or BODY_BYTES
    sampled = _tried(problems, lambda: _sampled(members)) is not False
    members.ignore(*_WITHOUT_EFFECT)
    _tried(problems, members.done)
    return WebAcl(
        name=name,
        default_action=action,
        default_response=response,
        rules=rules,
        body_bytes=body_bytes,
        sampled=sampled,
        inspects_body=any(_looks_at_body(msgspec.to_builtins(rule)) for rule in rules),
        problems=tuple(problems),
    )


def _by_name(
    members: Members, name: str, read: Callable[[Any, Path], T], unread: T, problems: list[Problem]
) -> dict[str, T]:
    """Entries of an object by their names, which keep their case; `unread` stands for those that have a problem."""
    value, at = members.take(name, {})
    if not isinstance(value, Mapping):
        problems.append(Problem(at, "an object of names is expected here", "write NAME: …"))
        return {}
    found: dict[str, T] = {}
    for key, entry in value.items():
        one = _tried(problems, partial(read, entry, (*at, str(key))))
        found[str(key)] = unread if one is None else one
    return found


def _addresses(value: Any, at: Path) -> tuple[str, ...]:
    if isinstance(value, list):
        return networks_of(Members({"Addresses": value}, at), "Addresses")
    members = Members(value, at)
    found = networks_of(members, "Addresses")
    members.ignore("IPAddressVersion", "Name", *_WITHOUT_EFFECT)
    members.done()
    return found


def _patterns(value: Any, at: Path) -> tuple[str, ...]:
    if isinstance(value, list):
        value = {"RegularExpressionList": value}
    members = Members(value, at)
    found = []
    for one, place in members.array("RegularExpressionList"):
        if isinstance(one, str):
            found.append(one)
            continue
        inner = Members(one, place)
        found.append(inner.text("RegexString"))
        inner.done()
    members.ignore("Name", *_WITHOUT_EFFECT)
    members.done()
    if not found:
        raise Unreadable(at, "a set without patterns matches nothing", "add one")
    return tuple(found)


def _group(value: Any, at: Path, known: _Known, problems: list[Problem]) -> tuple[WebAclRule, ...]:
    members = Members({"Rules": value} if isinstance(value, list) else value, at)
    bodies = {**known.bodies, **_by_name(members, "CustomResponseBodies", body_of, Body("", ""), problems)}
    rules = _rules(members, known._replace(bodies=bodies), problems, in_group=True)
    members.ignore("Name", "VisibilityConfig", *_WITHOUT_EFFECT)
    members.done()
    return rules


# ---- rules


def _rules(members: Members, known: _Known, problems: list[Problem], *, in_group: bool) -> tuple[WebAclRule, ...]:
    entries = _tried(problems, lambda: list(members.array("Rules", ()))) or []
    found: list[WebAclRule] = []
    names: set[str] = set()
    for index, (value, at) in enumerate(entries):
        rule = _tried(problems, partial(_rule_at, value, at, known, index, in_group))
        if rule is None:
            continue
        if rule.name in names:
            problems.append(Problem(at, f"another rule has the name {rule.name!r}, too", "give each its own"))
        names.add(rule.name)
        found.append(rule)
    return tuple(sorted(found, key=lambda rule: rule.priority))


def _rule_at(value: Any, at: Path, known: _Known, index: int, in_group: bool) -> WebAclRule:
    members = Members(value, at)
    name = members.text("Name")
    if not _NAME.fullmatch(name):
        raise Unreadable(members.at("Name"), "no name that a rule can have", "use letters, digits, - and _")
    priority = members.integer("Priority", 0, 1 << 31, index)
    value, at = members.take("Statement")
    kind, inner, place = Members(value, at).one("statement")
    labels = tuple(_labels(members))
    sampled = _sampled(members)
    if kind == "rulegroupreferencestatement":
        if in_group:
            raise Unreadable(place, "a rule group cannot refer to another", "put its rules into this one")
        statement: Statement | RateBased | RuleGroupReference = _reference(Members(inner, place), known)
        action, response = override_of(members), None
    else:
        statement = (
            rate_based_of(Members(inner, place), known.sets)
            if kind == "ratebasedstatement"
            else statement_of(value, at, known.sets)
        )
        action, response = action_of(members, "Action", known.bodies)
    members.done()
    return WebAclRule(
        name=name,
        priority=priority,
        statement=statement,
        action=action,
        labels=labels,
        response=response,
        sampled=sampled,
    )


def _reference(members: Members, known: _Known) -> RuleGroupReference:
    name = referred(members, "rulegroup", known.groups)
    rules = {rule.name: rule for rule in known.groups[name]}
    for key in ("ExcludedRules", "RuleActionOverrides"):
        for value, at in members.array(key, ()):
            one = Members(value, at)
            rule = one.text("Name")
            if rule not in rules:
                raise Unreadable(at, f"the group has no rule {rule!r}", f"there are: {', '.join(rules)}")
            action, response = (
                ("COUNT", None) if key == "ExcludedRules" else action_of(one, "ActionToUse", known.bodies)
            )
            one.done()
            rules[rule] = msgspec.structs.replace(rules[rule], action=action, response=response)
    members.done()
    return RuleGroupReference(name=name, rules=tuple(rules.values()))


def _labels(members: Members) -> Iterator[str]:
    for value, at in members.array("RuleLabels", ()):
        inner = Members({"Name": value} if isinstance(value, str) else value, at)
        text = inner.text("Name")
        inner.done()
        if not _LABEL.fullmatch(text) or text.startswith("awswaf:"):
            raise Unreadable(at, "no name that a label can have", "use letters, digits, _, - and :")
        yield text


def _sampled(members: Members) -> bool:
    inner = members.optional("VisibilityConfig")
    if inner is None:
        return True
    sampled = inner.flag("SampledRequestsEnabled", True)
    inner.ignore("CloudWatchMetricsEnabled", "MetricName")
    inner.done()
    return sampled


# ---- bodies


def _body_bytes(members: Members) -> int:
    """What AssociationConfig says, in AWS's words, or `bodyBytes`."""
    association = members.optional("AssociationConfig")
    if association is None:
        return members.integer("BodyBytes", 1, MOST_BODY_BYTES, BODY_BYTES)
    kinds = association.object("RequestBody")
    inner = kinds.optional("API_GATEWAY")
    kinds.ignore("CLOUDFRONT", "COGNITO_USER_POOL", "APP_RUNNER_SERVICE", "VERIFIED_ACCESS_INSTANCE")
    kinds.done()
    association.done()
    if inner is None:
        return BODY_BYTES
    size: str = inner.choice("DefaultSizeInspectionLimit", ("KB_16", "KB_32", "KB_48", "KB_64"))
    inner.done()
    return int(size.removeprefix("KB_")) * 1024


def _looks_at_body(found: Any) -> bool:
    """Whether a rule, as plain data, looks at the body somewhere."""
    if isinstance(found, dict):
        return found.get("kind") in ("Body", "JsonBody") or any(map(_looks_at_body, found.values()))
    return isinstance(found, list | tuple) and any(map(_looks_at_body, found))
