"""What claims must say, to the second, and how they are shown."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.authorizers.jwt_claims import audiences, check_times, http_texts, rest_texts, scopes_of
from wsgw.authorizers.jwt_token import InvalidToken

NOW = 1_700_000_000.0
EDGES: list[tuple[str, dict[str, Any], bool]] = [
    ("exp after now", {"exp": NOW + 1}, True),
    ("exp a moment after now", {"exp": NOW + 0.001}, True),
    ("exp now", {"exp": NOW}, False),
    ("exp before now", {"exp": NOW - 1}, False),
    ("nbf before now", {"exp": NOW + 1, "nbf": NOW - 1}, True),
    ("nbf now", {"exp": NOW + 1, "nbf": NOW}, True),
    ("nbf after now", {"exp": NOW + 1, "nbf": NOW + 1}, False),
    ("iat now", {"exp": NOW + 1, "iat": NOW}, True),
    ("iat after now", {"exp": NOW + 1, "iat": NOW + 1}, False),
]


@pytest.mark.parametrize(("claims", "good"), [row[1:] for row in EDGES], ids=[row[0] for row in EDGES])
def test_the_edges_of_time(claims: dict[str, Any], good: bool) -> None:
    """S-13: exp, nbf and iat edges."""
    if good:
        assert check_times(claims, NOW, 0) == claims["exp"]
        return
    with pytest.raises(InvalidToken):
        check_times(claims, NOW, 0)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.integers() | st.floats() | st.booleans() | st.text() | st.none() | st.lists(st.integers())
            for name in ("exp", "nbf", "iat")
        },
    ),
    st.floats(0, 4e9),
)
def test_no_claims_of_time_make_anything_but_a_time_or_a_refusal(claims: dict[str, Any], now: float) -> None:
    refusal = None
    try:
        expires = check_times(claims, now, 0)
    except InvalidToken as error:
        refusal = error
    if refusal is not None:
        assert not refusal.expired or claims["exp"] <= now
        return
    assert math.isfinite(expires)
    assert expires > now
    assert claims.get("nbf", 0) <= now
    assert claims.get("iat", 0) <= now


def test_aud_hides_client_id() -> None:
    assert audiences({"aud": ["a", 1, "b"], "client_id": "c"}) == ["a", "b"]
    assert audiences({"client_id": "c"}) == ["c"]
    assert audiences({"aud": None, "client_id": "c"}) == []


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "a b  c"}, ("a", "b", "c")),
        ({"scp": ["a", 1, "b"], "scope": "c"}, ("a", "b")),
        ({"scp": "a b"}, ("a", "b")),
        ({"scp": None, "scope": "c"}, ()),
        ({"scope": {"a": 1}}, ()),
        ({}, ()),
    ],
)
def test_scopes_are_a_text_or_a_list(claims: dict[str, Any], scopes: tuple[str, ...]) -> None:
    assert scopes_of(claims) == scopes


VALUES: list[tuple[Any, str, str]] = [
    ("text", "text", "text"),
    (7, "7", "7"),
    (10**30, "1" + "0" * 30, "1" + "0" * 30),
    (1.5, "1.5", "1.5"),
    (True, "true", "true"),
    (False, "false", "false"),
    (["admin", "poweruser"], "[admin poweruser]", "admin,poweruser"),
    ([], "[]", ""),
    ([1, True, None], "[1 true null]", "1,true,null"),
    ([["a"], "b"], "[[a] b]", '["a"],b'),
    ({"a": ["é"]}, '{"a":["é"]}', '{"a":["é"]}'),
]


@pytest.mark.parametrize(("value", "http", "rest"), VALUES)
def test_claims_are_shown_as_text(value: Any, http: str, rest: str) -> None:
    assert http_texts({"claim": value, "none": None}) == {"claim": http}
    assert rest_texts({"claim": value, "none": None}) == {"claim": rest}
