"""Ways to disguise an attack: which transformations bring it to light, and that it hides without them.

The table of docs/firewall.md.
"""

from __future__ import annotations

import pytest

from tests.firewall.web_acls import blocking, contains, is_blocked, ready, statement

#: What is sent as the query's `q`, and the transformations that are needed and enough for it to be `<script>`.
SCRIPT = [
    ("<script>", ()),
    ("%3Cscript%3E", ("URL_DECODE",)),
    ("%253Cscript%253E", ("URL_DECODE", "URL_DECODE")),
    ("%u003Cscript%u003E", ("URL_DECODE_UNI",)),
    ("%uFF1Cscript%uFF1E", ("URL_DECODE_UNI",)),
    ("<ScRiPt>", ("LOWERCASE",)),
    ("%3CSCRIPT%3E", ("URL_DECODE", "LOWERCASE")),
    ("%26lt%3Bscript%26gt%3B", ("URL_DECODE", "HTML_ENTITY_DECODE")),
    ("%26%2360%3Bscript%26%23x3e%3B", ("URL_DECODE", "HTML_ENTITY_DECODE")),
    ("<scr%00ipt>", ("URL_DECODE", "REMOVE_NULLS")),
    ("\\u003cscript\\u003e", ("JS_DECODE",)),
    ("\\x3cscript\\x3e", ("JS_DECODE",)),
    ("\\x3cscript\\x3e", ("ESCAPE_SEQ_DECODE",)),
    ("<scr\\ipt>", ("CSS_DECODE",)),
    ("PHNjcmlwdD4=", ("BASE64_DECODE",)),
    ("PHN.jcml.wdD4=", ("BASE64_DECODE_EXT",)),
    ("3c7363726970743e", ("HEX_DECODE",)),
]


@pytest.mark.parametrize(("sent", "transformations"), SCRIPT, ids=str)
def test_a_disguise_is_seen_through_with_these_transformations(sent: str, transformations: tuple[str, ...]):
    assert is_blocked(
        ready(blocking(contains("<script>", "AllQueryArguments", *transformations))), raw_query=f"q={sent}"
    )


@pytest.mark.parametrize(("sent", "transformations"), [row for row in SCRIPT if row[1]], ids=str)
def test_it_is_not_without_the_last_of_them(sent: str, transformations: tuple[str, ...]):
    firewall = ready(blocking(contains("<script>", "AllQueryArguments", *transformations[:-1])))
    assert not is_blocked(firewall, raw_query=f"q={sent}")


SQL = [
    ("1'%20OR%20'1'='1", ("URL_DECODE",)),
    ("1'+OR+'1'='1", ("URL_DECODE",)),
    ("1%2527%2520OR%2520%25271%2527=%25271", ("URL_DECODE", "URL_DECODE")),
    ("MScgT1IgJzEnPScx", ("BASE64_DECODE",)),
]


@pytest.mark.parametrize(("sent", "transformations"), SQL, ids=str)
def test_disguised_sql_is_found(sent: str, transformations: tuple[str, ...]):
    pytest.importorskip("libmodsecurity")
    firewall = ready(blocking(statement("SqliMatchStatement", "AllQueryArguments", *transformations)))
    assert is_blocked(firewall, raw_query=f"q={sent}")


# ---- names and places

PLACES = [
    ("an encoded name", {"raw_query": "%69d=evil"}, True),
    ("another case", {"raw_query": "ID=evil"}, True),
    ("the second of two", {"raw_query": "id=x&id=evil"}, True),
    ("behind a semicolon", {"raw_query": "x=1;id=evil"}, True),
    ("an array's name", {"raw_query": "id[]=evil"}, False),
    ("in the body", {"body": b"id=evil"}, False),
]


@pytest.mark.parametrize(("where", "members", "found"), PLACES, ids=[row[0] for row in PLACES])
def test_an_argument_is_found_by_its_name(where: str, members: dict, found: bool):
    firewall = ready(blocking(contains("evil", {"SingleQueryArgument": {"Name": "id"}})))
    assert is_blocked(firewall, **members) is found


def test_a_header_sent_in_two_parts_is_seen_as_one():
    firewall = ready(blocking(statement("RegexMatchStatement", {"SingleHeader": {"Name": "x"}}, RegexString="a.*b")))
    assert is_blocked(firewall, headers=[("X", "a"), ("x", "b")])
