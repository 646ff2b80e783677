"""The published schema of web ACLs takes whatever is served, in any spelling, and no member that is misspelt."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tests.firewall.web_acls import contains, rule, statement
from wsgw.definitions.firewall import Problem
from wsgw.definitions.firewall_document import Members
from wsgw.definitions.firewall_statements import STATEMENTS
from wsgw.definitions.freeze_firewall import web_acl_of
from wsgw.formats.native_schema import native_schema
from wsgw.formats.native_schema_firewall import web_acl_definitions

ROOT = Path(__file__).parents[2]
SCHEMA = native_schema()
FITS = jsonschema_rs.Draft202012Validator({**SCHEMA, "$ref": "#/$defs/WebAclEntry"}).is_valid

A, B = contains("a", "UriPath"), contains("b", "QueryString", "URL_DECODE")
FORWARDED = {"HeaderName": "X-Forwarded-For", "FallbackBehavior": "MATCH"}
PAIRS = {"MatchScope": "ALL", "OversizeHandling": "MATCH"}
FIELDS: list[dict[str, Any]] = [
    {"SingleHeader": {"Name": "x"}},
    {"Headers": {"MatchPattern": {"All": {}}, **PAIRS}},
    {"Headers": {"MatchPattern": {"IncludedHeaders": ["x"]}, **PAIRS}},
    {"Headers": {"MatchPattern": {"ExcludedHeaders": ["x"]}, **PAIRS}},
    {"Cookies": {"MatchPattern": {"All": {}}, **PAIRS}},
    {"Cookies": {"MatchPattern": {"IncludedCookies": ["x"]}, **PAIRS}},
    {"Cookies": {"MatchPattern": {"ExcludedCookies": ["x"]}, **PAIRS}},
    {"SingleQueryArgument": {"Name": "x"}},
    {"AllQueryArguments": {}},
    {"UriPath": {}},
    {"QueryString": {}},
    {"Body": {"OversizeHandling": "CONTINUE"}},
    {"JsonBody": {"MatchPattern": {"All": {}}, "InvalidFallbackBehavior": "MATCH", **PAIRS}},
    {"JsonBody": {"MatchPattern": {"IncludedPaths": ["/a"]}, **PAIRS}},
    {"Method": {}},
]
KEYS: list[dict[str, Any]] = [
    {"Header": {"Name": "x", "TextTransformations": ["LOWERCASE"]}},
    {"Cookie": {"Name": "x", "TextTransformations": ["LOWERCASE"]}},
    {"QueryArgument": {"Name": "x", "TextTransformations": ["LOWERCASE"]}},
    {"QueryString": {"TextTransformations": ["LOWERCASE"]}},
    {"HTTPMethod": {}},
    {"UriPath": {}},
    {"IP": {}},
    {"ForwardedIP": {}},
]
RATE = {"Limit": 10, "EvaluationWindowSec": 60}
NESTED: list[dict[str, Any]] = [
    *(statement("RegexMatchStatement", field, "LOWERCASE", RegexString="x") for field in FIELDS),
    {
        "IPSetReferenceStatement": {
            "ARN": "arn:aws:wafv2:eu-west-1:123456789012:regional/ipset/office/1",
            "IPSetForwardedIPConfig": {**FORWARDED, "Position": "ANY"},
        }
    },
    {
        "IPSetStatement": {
            "Addresses": ["192.0.2.0/24"],
            "IPSetForwardedIPConfig": {**FORWARDED, "Position": "LAST"},
        }
    },
    {"GeoMatchStatement": {"CountryCodes": ["DE"], "ForwardedIPConfig": FORWARDED}},
    statement("ByteMatchStatement", "Method", SearchStringBase64="YQ==", PositionalConstraint="EXACTLY"),
    statement("SizeConstraintStatement", "Body", ComparisonOperator="GT", Size=10),
    statement("RegexPatternSetReferenceStatement", "UriPath", ARN="bad"),
    statement("SqliMatchStatement", "UriPath", SensitivityLevel="LOW"),
    statement("XssMatchStatement", "UriPath"),
    {"LabelMatchStatement": {"Scope": "LABEL", "Key": "x"}},
    {"AndStatement": {"Statements": [A, {"OrStatement": {"Statements": [A, {"NotStatement": {"Statement": B}}]}}]}},
]
WHAT: list[dict[str, Any]] = [
    *NESTED,
    {"AndStatement": {"Statements": NESTED}},
    {"OrStatement": {"Statements": [A, B]}},
    {"NotStatement": {"Statement": A}},
    {"RateBasedStatement": RATE},
    {"RateBasedStatement": {**RATE, "AggregateKeyType": "FORWARDED_IP", "ForwardedIPConfig": FORWARDED}},
    {"RateBasedStatement": {**RATE, "AggregateKeyType": "CONSTANT", "ScopeDownStatement": A}},
    {
        "RateBasedStatement": {
            **RATE,
            "AggregateKeyType": "CUSTOM_KEYS",
            "CustomKeys": KEYS,
            "ForwardedIPConfig": FORWARDED,
        }
    },
]
SORRY = {"ResponseCode": 429, "ResponseHeaders": [{"Name": "X", "Value": "1"}], "CustomResponseBodyKey": "sorry"}
SEEN = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": True, "MetricName": "m"}
REFERENCE = {
    "ARN": "common",
    "ExcludedRules": [{"Name": "first"}],
    "RuleActionOverrides": [{"Name": "second", "ActionToUse": {"Block": {"CustomResponse": SORRY}}}],
}
KEPT: dict[str, Any] = {
    "ARN": "arn:aws:wafv2:…",
    "Id": "4a1b",
    "Description": "what it is for",
    "Capacity": 5,
    "LabelNamespace": "awswaf:123456789012:",
    "Scope": "REGIONAL",
    "Tags": [{"Key": "a", "Value": "b"}],
    "ManagedByFirewallManager": False,
}
BODIES = {"sorry": {"ContentType": "TEXT_PLAIN", "Content": "later"}}
WHOLE: dict[str, Any] = {
    "Name": "acl",
    "DefaultAction": {"Block": {"CustomResponse": SORRY}},
    "Rules": [
        *(rule(f"r{index}", what, Priority=index) for index, what in enumerate(WHAT)),
        rule("labels", A, "Count", RuleLabels=[{"Name": "x"}, "y"], VisibilityConfig=SEEN),
        rule("allows", A, {"Allow": {}}),
        {
            "Name": "group",
            "Statement": {"RuleGroupReferenceStatement": REFERENCE},
            "OverrideAction": {"None": {}},
        },
        {
            "Name": "counted",
            "Statement": {"RuleGroupReferenceStatement": {"ARN": "short"}},
            "OverrideAction": {"Count": {}},
        },
    ],
    "IpSets": {
        "office": {"Addresses": ["192.0.2.0/24"], "IPAddressVersion": "IPV4", "Name": "office", **KEPT},
        "home": ["2001:db8::/32"],
    },
    "RegexPatternSets": {
        "bad": {"RegularExpressionList": ["a", {"RegexString": "b"}], "Name": "bad", **KEPT},
        "worse": ["c"],
    },
    "RuleGroups": {
        "common": {
            "Rules": [rule("first", A), rule("second", B)],
            "CustomResponseBodies": BODIES,
            "Name": "common",
            "VisibilityConfig": SEEN,
            **KEPT,
        },
        "short": [rule("first", A)],
    },
    "CustomResponseBodies": BODIES,
    "AssociationConfig": {
        "RequestBody": {
            "API_GATEWAY": {"DefaultSizeInspectionLimit": "KB_64"},
            "CLOUDFRONT": {},
            "COGNITO_USER_POOL": {},
            "APP_RUNNER_SERVICE": {},
            "VERIFIED_ACCESS_INSTANCE": {},
        }
    },
    "VisibilityConfig": SEEN,
    **KEPT,
}

Place = tuple[str | int, ...]


def entries(schema: dict[str, Any], document: Any, path: Place = ()) -> Iterator[tuple[Place, str, Any]]:
    """Each object in `document` with its place, and the name of its entry in the schema."""
    for one in (schema, *schema.get("anyOf", ())):
        if "$ref" in one and isinstance(document, dict):
            name = one["$ref"].rpartition("/")[2]
            yield path, name, document
            by_lower = {member.lower(): value for member, value in SCHEMA["$defs"][name]["properties"].items()}
            for member, value in document.items():
                yield from entries(by_lower[member.lower()], value, (*path, member))
        elif "items" in one and isinstance(document, list):
            for index, value in enumerate(document):
                yield from entries(one["items"], value, (*path, index))
        elif isinstance(one.get("additionalProperties"), dict) and isinstance(document, dict):
            for member, value in document.items():
                yield from entries(one["additionalProperties"], value, (*path, member))


ENTRIES = [*entries({"$ref": "#/$defs/WebAclEntry"}, WHOLE)]
ENTRY_AT = {path: entry for path, entry, _ in ENTRIES}
#: Where each member of each entry stands, one place of it.
MEMBERS = [*{(entry, name): (*path, name) for path, entry, document in reversed(ENTRIES) for name in document}.values()]


def spelt(document: Any, spell: Callable[[str], str], path: Place = ()) -> Any:
    """`document` with WAFv2's names in another spelling; those that users choose are left as they are."""
    if isinstance(document, dict):
        return {
            spell(name) if path in ENTRY_AT else name: spelt(value, spell, (*path, name))
            for name, value in document.items()
        }
    if isinstance(document, list):
        return [spelt(one, spell, (*path, index)) for index, one in enumerate(document)]
    return document


def changed(path: Place, change: Callable[[Any, Any], None]) -> dict[str, Any]:
    """A copy of WHOLE in which `change` has been done to the object that has the member at `path`."""
    document = copy.deepcopy(WHOLE)
    inner: Any = document
    for part in path[:-1]:
        inner = inner[part]
    change(inner, path[-1])
    return document


def misspelt(inner: Any, name: Any) -> None:
    inner[f"{name}x"] = inner.pop(name)


def beside(inner: Any, name: Any) -> None:
    inner["Unheard"] = 1


OTHER_VALUES = [None, "", "x", "0", "COUNT", "allow", "none", 0, 1, 5.0, -1, True, False, [], ["x"], [1], {}, {"x": 1}]


def named(path: Place) -> str:
    return ".".join(map(str, path))


SPELLINGS: dict[str, Callable[[str], str]] = {
    "Upper": lambda name: name,
    "lower": lambda name: name[:1].lower() + name[1:],
    "one word": lambda name: re.sub("^[A-Z]+(?=[A-Z][a-z]|$)|^[A-Z]", lambda found: found[0].lower(), name),
    "small": str.lower,
    "capitals": str.upper,
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_what_is_served_fits_in_any_spelling(spell: Callable[[str], str]):
    document = spelt(WHOLE, spell)
    assert web_acl_of(document).problems == ()
    assert FITS(document)


def members_of(entry: str) -> set[str]:
    return {name.lower() for name in SCHEMA["$defs"][entry]["properties"]}


def test_what_is_tried_here_shows_each_member_of_the_schema():
    shown: dict[str, set[str]] = {}
    for _, entry, document in ENTRIES:
        shown.setdefault(entry, set()).update(name.lower() for name in document)
    # Beside what is there they cannot stand.
    shown["WebAclEntry"].add("bodybytes")
    shown["DefaultActionEntry"].add("allow")
    assert shown == {entry: members_of(entry) for entry in web_acl_definitions()}
    assert members_of("StatementEntry") == {name.lower() for name in STATEMENTS}


def test_each_member_that_is_asked_for_is_one_of_the_schema(monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[Place, str]] = []
    take, ignore = Members.take, Members.ignore

    def taking(self: Members, name: str, default: Any = ...) -> Any:
        asked.append((self.path, name))
        return take(self, name, default)

    def ignoring(self: Members, *names: str) -> None:
        asked.extend((self.path, name) for name in names)
        ignore(self, *names)

    monkeypatch.setattr(Members, "take", taking)
    monkeypatch.setattr(Members, "ignore", ignoring)
    assert web_acl_of(WHOLE).problems == ()
    # Short forms are read as what they are short for, which stands elsewhere in WHOLE.
    found = [(ENTRY_AT[path], name) for path, name in asked if path in ENTRY_AT]
    assert [(entry, name) for entry, name in found if name.lower() not in members_of(entry)] == []
    assert len(found) > 300


@pytest.mark.parametrize("path", MEMBERS, ids=named)
def test_a_misspelt_member_does_not_fit(path: Place):
    document = changed(path, misspelt)
    assert web_acl_of(document).problems
    assert not FITS(document)


@pytest.mark.parametrize("path", MEMBERS, ids=named)
def test_a_member_that_nobody_knows_does_not_fit(path: Place):
    document = changed(path, beside)
    assert web_acl_of(document).problems
    assert not FITS(document)


@pytest.mark.parametrize("path", MEMBERS, ids=named)
def test_what_is_served_without_a_member_or_with_another_value_fits(path: Place):
    document = copy.deepcopy(WHOLE)
    inner: Any = document
    for part in path[:-1]:
        inner = inner[part]
    for value in OTHER_VALUES:
        inner[path[-1]] = value
        assert FITS(document) or web_acl_of(document).problems, value
    del inner[path[-1]]
    assert FITS(document) or web_acl_of(document).problems


SHOWN = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/firewall.md").read_text(), re.DOTALL | re.MULTILINE)
FILES = sorted((ROOT / "examples").glob("*/wsgw.yaml"))


@pytest.mark.parametrize("text", [*SHOWN, *(file.read_text() for file in FILES)])
def test_what_documentation_and_examples_show_fits(text: str):
    jsonschema_rs.Draft202012Validator(SCHEMA).validate(yaml.safe_load(text))


def test_the_schema_of_whole_files_holds_web_acls_of_all_kinds_of_stages():
    fits = jsonschema_rs.Draft202012Validator(SCHEMA).is_valid
    for protocol in ("REST", "HTTP", "WEBSOCKET"):
        for members, fit in (({"defaultAction": "BLOCK"}, True), ({"defaultAcion": "BLOCK"}, False)):
            api = {"protocol": protocol, "stages": {"prod": {"webAcl": members}}}
            assert fits({"apis": {"a": api}}) is fit


def test_a_member_that_must_be_there_is_missed():
    what = {"ipSetReferenceStatement": {"arn": "office"}}
    sound = {"rules": [{"name": "it", "statement": what}]}
    assert FITS(sound)
    for name in ("name", "statement"):
        (one,) = copy.deepcopy(sound["rules"])
        del one[name]
        assert not FITS({"rules": [one]})


def test_a_problem_is_said_in_the_words_of_web_acls_not_of_the_schema():
    (problem,) = web_acl_of({"rules": [], "rulse": []}).problems
    assert problem == Problem(("rulse",), "no such member is known here", "remove it, or see docs/firewall.md")
