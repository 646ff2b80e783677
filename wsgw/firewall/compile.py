"""A WebAcl made ready: Firewall, one callable that lets an invocation pass or raises WafFiltered.

Source: AWS WAF developer guide, "How AWS WAF processes a web ACL" and "Web ACL rule and rule group evaluation".
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from wsgw.definitions.firewall import Action, CustomResponse, RateBased, RuleGroupReference, WebAcl, WebAclRule
from wsgw.errors import GatewayError, WafFiltered
from wsgw.firewall.countries import Countries
from wsgw.firewall.firewalls import Firewalls
from wsgw.firewall.injection import Detector
from wsgw.firewall.inspected import Inspected
from wsgw.firewall.matches import Match, Means, match_of
from wsgw.firewall.rate_keys import rate_match
from wsgw.firewall.samples import Tally
from wsgw.invocation import Invocation

log = logging.getLogger("wsgw.firewall")

#: What stands for the default action among rules, as in AWS WAF's own samples.
DEFAULT_RULE: Final = "Default_Action"


def _never(inspected: Inspected) -> bool:
    return False


class _Rule(NamedTuple):
    """A rule bound to what it needs; `group` has the rules of a group, and then there is no `match`."""

    name: str
    action: Action
    response: CustomResponse | None
    sampled: bool
    tally: Tally
    labels: frozenset[str] = frozenset()
    match: Match = _never
    group: tuple[_Rule, ...] | None = None


class Firewall:
    """A stage's web ACL. `arn` and `name` are as logs have them."""

    __slots__ = ("_default", "_rules", "arn", "name")

    def __init__(self, name: str, arn: str, rules: Sequence[_Rule], default: _Rule) -> None:
        self.name = name
        self.arn = arn
        self._rules = rules
        self._default = default

    def __call__(self, invocation: Invocation) -> None:
        """Look at `invocation`. Raises WafFiltered where it is blocked, GatewayError where a rule has failed."""
        inspected = Inspected(invocation)
        try:
            rule = _decide(self._rules, inspected) or self._default
        except Exception as raised:
            # Such as a file of countries that is damaged: who cannot be looked at does not pass.
            log.exception("a web ACL has failed: request=%s", invocation.request_id)
            raise GatewayError(detail=f"web ACL: unexpected {type(raised).__name__}") from raised
        action = rule.action
        rule.tally.add(action, inspected, sampled=rule.sampled)
        if action == "BLOCK":
            invocation.waf_action = "BLOCK"
            raise WafFiltered(detail=f"web ACL rule {rule.name}", response=rule.response)
        if rule is not self._default or not invocation.waf_action:
            invocation.waf_action = "ALLOW"

    def samples(self, rule: str = "") -> list[dict[str, Any]]:
        """Requests that rules have matched, the latest first; those of one rule where `rule` names it."""
        found = [
            one
            for each in (*_flat(self._rules), self._default)
            if rule in ("", each.name)
            for one in each.tally.shown()
        ]
        return sorted(found, key=lambda one: one["timestamp"], reverse=True)


def _flat(rules: Iterable[_Rule]) -> Iterable[_Rule]:
    for rule in rules:
        yield rule
        if rule.group is not None:
            yield from rule.group


def _decide(rules: Sequence[_Rule], inspected: Inspected) -> _Rule | None:
    """The rule that allows or blocks, if any; others that match are counted."""
    for rule in rules:
        if rule.group is not None:
            decided = _decide(rule.group, inspected)
            if decided is None:
                continue
            if rule.action != "COUNT":
                inspected.labels |= rule.labels
                return decided
        elif not rule.match(inspected):
            continue
        if rule.labels:
            inspected.labels |= rule.labels
        if rule.action != "COUNT":
            return rule
        inspected.invocation.waf_action = "COUNT"
        rule.tally.add("COUNT", inspected, sampled=rule.sampled)
    return None


class Place(NamedTuple):
    """Where a web ACL stands, and what its rules are made ready with."""

    api_id: str
    stage: str
    region: str
    account_id: str
    firewalls: Firewalls
    countries: Callable[[], Countries]
    detector: Callable[[str], Detector]

    def tally(self, rule: str) -> Tally:
        """The tally of the rule of this name."""
        return self.firewalls.tally(self.api_id, self.stage, rule)


def compile_firewall(acl: WebAcl, place: Place) -> Firewall:
    """`acl` made ready for `place`. Raises ValueError with all that cannot be."""
    faults = [_fault(problem.path, problem.message, problem.remedy) for problem in acl.problems]
    if faults:
        raise ValueError("; ".join(faults))
    name = acl.name or f"{place.api_id}-{place.stage}"
    rules: list[_Rule] = []
    for rule in acl.rules:
        try:
            rules.append(_compiled(rule, acl, name, place))
        except ValueError as error:
            faults.append(f"rule {rule.name}: {error}")
    if faults:
        raise ValueError("; ".join(faults))
    default = _Rule(DEFAULT_RULE, acl.default_action, acl.default_response, acl.sampled, place.tally(DEFAULT_RULE))
    number = uuid.uuid5(uuid.NAMESPACE_URL, f"{place.api_id}/{place.stage}/{name}")
    arn = f"arn:aws:wafv2:{place.region}:{place.account_id}:regional/webacl/{name}/{number}"
    return Firewall(name, arn, tuple(rules), default)


def _compiled(rule: WebAclRule, acl: WebAcl, acl_name: str, place: Place) -> _Rule:
    labels = f"awswaf:{place.account_id}:webacl:{acl_name}:"
    statement = rule.statement
    if not isinstance(statement, RuleGroupReference):
        return _ready(rule, rule.name, labels, acl, acl_name, place)
    of_group = f"awswaf:{place.account_id}:rulegroup:{statement.name}:"
    group = tuple(_ready(one, f"{rule.name}/{one.name}", of_group, acl, acl_name, place) for one in statement.rules)
    return _bound(rule, rule.name, labels, place)._replace(group=group)


def _ready(rule: WebAclRule, name: str, labels: str, acl: WebAcl, acl_name: str, place: Place) -> _Rule:
    means = Means(labels, acl.body_bytes, place.countries, place.detector)
    statement = rule.statement
    if isinstance(statement, RateBased):
        counted = f"{place.api_id}/{place.stage}/{acl_name}/{name}"
        rate = place.firewalls.rate(counted, statement.limit, statement.window)
        match = rate_match(statement, means, rate)
    elif isinstance(statement, RuleGroupReference):
        raise ValueError("a rule group cannot refer to another")
    else:
        match = match_of(statement, means)
    return _bound(rule, name, labels, place)._replace(match=match)


def _bound(rule: WebAclRule, name: str, labels: str, place: Place) -> _Rule:
    """`rule` under its `name`, with what `labels` begins; what it matches is to be filled in."""
    own = frozenset(labels + one for one in rule.labels)
    return _Rule(name, rule.action, rule.response, rule.sampled, place.tally(name), own)


def _fault(path: tuple[str | int, ...], message: str, remedy: str) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    text = f"{where}: {message}" if where else message
    return f"{text} ({remedy})" if remedy else text


def proved(
    acl: WebAcl, api_id: str, stage: str, countries: Callable[[], Countries] = lambda: lambda address: ""
) -> None:
    """Raises ValueError for what can be told of `acl` on any machine, with files and libraries or without.

    countries: asked where a rule tells countries apart
    """
    place = Place(
        api_id,
        stage,
        region="",
        account_id="",
        firewalls=Firewalls(lambda: 0.0),
        countries=countries,
        detector=lambda kind: lambda texts: False,
    )
    if not acl.problems:
        compile_firewall(acl, place)
