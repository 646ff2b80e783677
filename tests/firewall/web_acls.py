"""Web ACLs for tests, written as AWS WAF's documents, and what they say of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.mapping.mapping_samples import TIME
from tests.mapping.request_samples import request
from wsgw.definitions.firewall import WebAcl
from wsgw.definitions.freeze_firewall import web_acl_of
from wsgw.errors import WafFiltered
from wsgw.firewall.compile import Firewall, Place, compile_firewall
from wsgw.firewall.firewalls import Firewalls
from wsgw.firewall.injection import detector
from wsgw.invocation import Invocation

NOW = TIME / 1000


def statement(name: str, field: dict[str, Any] | str, *transformations: str, **members: Any) -> dict[str, Any]:
    """A statement of a field, which may be named alone where it has no members."""
    to_match = {field: {}} if isinstance(field, str) else field
    texts = [{"Priority": index, "Type": kind} for index, kind in enumerate(transformations)] or [
        {"Priority": 0, "Type": "NONE"}
    ]
    return {name: {"FieldToMatch": to_match, "TextTransformations": texts, **members}}


def contains(
    text: str, field: dict[str, Any] | str, *transformations: str, position: str = "CONTAINS"
) -> dict[str, Any]:
    return statement("ByteMatchStatement", field, *transformations, SearchString=text, PositionalConstraint=position)


def rule(name: str, what: dict[str, Any], action: Any = "Block", **members: Any) -> dict[str, Any]:
    """A rule. Priorities are those of the order in which rules are written."""
    return {"Name": name, "Statement": what, "Action": {action: {}} if isinstance(action, str) else action, **members}


def web_acl(*rules: dict[str, Any], **members: Any) -> WebAcl:
    """A web ACL that allows by default. Fails the test if it has problems."""
    made = web_acl_of({"Name": "acl", "Rules": list(rules), **members})
    assert made.problems == ()
    return made


def blocking(what: dict[str, Any], **members: Any) -> WebAcl:
    """A web ACL of one rule, which blocks what matches."""
    return web_acl(rule("it", what), **members)


def ready(
    acl: WebAcl,
    *,
    firewalls: Firewalls | None = None,
    countries: Callable[[str], str] = lambda address: "",
    now: Callable[[], float] = lambda: NOW,
) -> Firewall:
    place = Place(
        "pets",
        "dev",
        region="eu-west-1",
        account_id="123456789012",
        firewalls=firewalls or Firewalls(now),
        countries=lambda: countries,
        detector=detector,
    )
    return compile_firewall(acl, place)


def is_blocked(firewall: Firewall, invocation: Invocation | None = None, **members: Any) -> bool:
    """Whether `firewall` blocks `invocation`, or a request made with `members`."""
    try:
        firewall(invocation if invocation is not None else request(**members))
    except WafFiltered:
        return True
    return False
