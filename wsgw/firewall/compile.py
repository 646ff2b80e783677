"""A WebAcl made ready: Firewall, one callable that lets an invocation pass or raises WafFiltered.

Source: AWS WAF developer guide, "How AWS WAF processes a web ACL" and "Web ACL rule and rule group evaluation".
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from wsgw.definitions.firewall import (
    Action,
    RateBased,
    RuleGroupReference,
    WebAcl,
    WebAclRule,
)
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


class _Rule:
    """A rule bound to what it needs; `group` has the rules of a group, and then there is no `match`."""

    __slots__ = ("action", "group", "labels", "match", "name", "response", "sampled", "tally")

    def __init__(self, rule: WebAclRule, name: str, labels: Iterable[str], tally: Tally) -> None:
        self.name = name
        self.action: Action = rule.action
        self.labels = frozenset(labels)
        self.response = rule.response
        self.sampled = rule.sampled
        self.tally = tally
        self.match: Match = _never
        self.group: Sequence[_Rule] | None = None


def _never(inspected: Inspected) -> bool:
    return False


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


class Place:
    """Where a web ACL stands, and what its rules are made ready with."""

    def __init__(
        self,
        api_id: str,
        stage: str,
        *,
        region: str,
        account_id: str,
        firewalls: Firewalls,
        countries: Callable[[], Countries],
        detector: Callable[[str], Detector],
    ) -> None:
        self.api_id = api_id
        self.stage = stage
        self.region = region
        self.account_id = account_id
        self.firewalls = firewalls
        self.countries = countries
        self.detector = detector


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
    default = WebAclRule(
        name=DEFAULT_RULE,
        statement=RateBased(limit=1),
        action=acl.default_action,
        response=acl.default_response,
        sampled=acl.sampled,
    )
    ready = _Rule(default, DEFAULT_RULE, (), place.firewalls.tally(place.api_id, place.stage, DEFAULT_RULE))
    number = uuid.uuid5(uuid.NAMESPACE_URL, f"{place.api_id}/{place.stage}/{name}")
    arn = f"arn:aws:wafv2:{place.region}:{place.account_id}:regional/webacl/{name}/{number}"
    return Firewall(name, arn, tuple(rules), ready)


def _compiled(rule: WebAclRule, acl: WebAcl, acl_name: str, place: Place) -> _Rule:
    labels = f"awswaf:{place.account_id}:webacl:{acl_name}:"
    statement = rule.statement
    if not isinstance(statement, RuleGroupReference):
        return _ready(rule, rule.name, labels, acl, acl_name, place)
    made = _Rule(rule, rule.name, (labels + one for one in rule.labels), _tally(place, rule.name))
    of_group = f"awswaf:{place.account_id}:rulegroup:{statement.name}:"
    made.group = tuple(
        _ready(one, f"{rule.name}/{one.name}", of_group, acl, acl_name, place) for one in statement.rules
    )
    return made


def _ready(rule: WebAclRule, name: str, labels: str, acl: WebAcl, acl_name: str, place: Place) -> _Rule:
    made = _Rule(rule, name, (labels + one for one in rule.labels), _tally(place, name))
    means = Means(labels, acl.body_bytes, place.countries, place.detector)
    statement = rule.statement
    if isinstance(statement, RateBased):
        counted = f"{place.api_id}/{place.stage}/{acl_name}/{name}"
        rate = place.firewalls.rate(counted, statement.limit, statement.window)
        made.match = rate_match(statement, means, rate)
    elif isinstance(statement, RuleGroupReference):
        raise ValueError("a rule group cannot refer to another")
    else:
        made.match = match_of(statement, means)
    return made


def _tally(place: Place, name: str) -> Tally:
    return place.firewalls.tally(place.api_id, place.stage, name)


def _fault(path: tuple[str | int, ...], message: str, remedy: str) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    text = f"{where}: {message}" if where else message
    return f"{text} ({remedy})" if remedy else text


def proved(acl: WebAcl, api_id: str, stage: str) -> None:
    """Raises ValueError for what can be told of `acl` on any machine, with files and libraries or without."""
    place = Place(
        api_id,
        stage,
        region="",
        account_id="",
        firewalls=Firewalls(lambda: 0.0),
        countries=lambda: lambda address: "",
        detector=lambda kind: lambda texts: False,
    )
    if not acl.problems:
        compile_firewall(acl, place)
