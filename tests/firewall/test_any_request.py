"""No request makes a rule fail: what is no decision would be an error of ours, and neither yes nor no."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.firewall.web_acls import contains, is_blocked, ready, rule, statement, web_acl
from wsgw.definitions.firewall_fields import TRANSFORMATIONS

ALL = {"MatchPattern": {"All": {}}, "MatchScope": "ALL", "OversizeHandling": "CONTINUE"}
FIELDS: list[Any] = [
    "Method",
    "UriPath",
    "QueryString",
    "AllQueryArguments",
    {"SingleQueryArgument": {"Name": "a"}},
    {"SingleHeader": {"Name": "a"}},
    {"Headers": ALL},
    {"Cookies": ALL},
    "Body",
    {"JsonBody": ALL},
    {"JsonBody": {**ALL, "MatchPattern": {"IncludedPaths": ["/a/0", "/b~1c"]}}},
]
FORWARDED = {"HeaderName": "a", "FallbackBehavior": "MATCH"}
STATEMENTS = [
    *(contains("never there", field, *TRANSFORMATIONS) for field in FIELDS),
    *(statement("RegexMatchStatement", field, RegexString="never there$") for field in FIELDS),
    {"IPSetStatement": {"Addresses": ["192.0.2.1"], "IPSetForwardedIPConfig": {**FORWARDED, "Position": "ANY"}}},
    {"GeoMatchStatement": {"CountryCodes": ["XX"], "ForwardedIPConfig": FORWARDED}},
    {
        "RateBasedStatement": {
            "Limit": 2_000_000_000,
            "AggregateKeyType": "CUSTOM_KEYS",
            "CustomKeys": [{"ForwardedIP": {}}, {"Cookie": {"Name": "a"}}, {"QueryArgument": {"Name": "a"}}],
            "ForwardedIPConfig": FORWARDED,
        }
    },
]
EVERYTHING = ready(web_acl(*(rule(f"r{at}", one, "Count") for at, one in enumerate(STATEMENTS))))

LINE = st.text(st.characters(max_codepoint=255), max_size=40)
NAMES = st.sampled_from(["a", "A", "Cookie", "X-Forwarded-For", "b"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b/c", ""]), inner, max_size=3),
    max_leaves=8,
)


@given(
    method=st.sampled_from(["GET", "PATCH"]),
    rest=st.text(st.characters(max_codepoint=0xFFFF), max_size=40),
    raw_query=st.text(st.sampled_from("a=&;%u0041+<\ud800é"), max_size=40),
    headers=st.lists(st.tuples(NAMES, LINE), max_size=6),
    body=st.binary(max_size=60) | JSON.map(lambda value: str(value).replace("'", '"').encode("utf-8", "replace")),
)
def test_any_request_is_decided_on(**members: Any):
    assert not is_blocked(EVERYTHING, **members)
