"""Reading tokens: strictly, and without ever failing in another way than by refusing."""

from __future__ import annotations

import contextlib
import json
import re
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.token_issuer import segment
from wsgw.authorizers import jwt_token
from wsgw.authorizers.jwt_token import MALFORMED, InvalidToken, read_token, token_reader, without_bearer

RSA = frozenset(("RS256", "RS384", "RS512"))
HEADER = {"alg": "RS256", "kid": "k"}
LETTERS = string.ascii_letters + string.digits + "-_"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.text() | st.text(alphabet=LETTERS + ".=+/ "))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    said = ""
    try:
        read_token(text, RSA)
    except InvalidToken as error:
        said = error.description
    assert re.fullmatch("[a-z ]*", said)  # it goes into a header, in quotes


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=20))
def test_any_bytes_in_the_segments_are_a_token_or_refused(header: bytes, claims: bytes, signature: bytes) -> None:
    with pytest.raises(InvalidToken):
        read_token(f"{segment(header)}.{segment(claims)}.{segment(signature)}", RSA)


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jku"]) | st.text(), json_values))
def test_any_header_is_read_or_refused(header: dict[str, Any]) -> None:
    try:
        token = read_token(f"{segment(header)}.{segment({})}.AA", RSA)
    except InvalidToken:
        return
    assert header["alg"] in RSA
    assert token.kid == header["kid"]
    assert "crit" not in header


@given(st.dictionaries(st.text(), json_values, max_size=6), st.binary(max_size=300))
def test_what_was_written_is_read(claims: dict[str, Any], signature: bytes) -> None:
    text = f"{segment(HEADER)}.{segment(claims)}.{segment(signature)}"
    try:
        token = read_token(text, RSA)
    except InvalidToken:
        # Half of a surrogate pair, which JSON can write and no text can hold.
        with pytest.raises(UnicodeEncodeError):
            json.dumps(claims, ensure_ascii=False).encode()
        return
    assert (token.algorithm, token.kid, token.claims, token.signature) == ("RS256", "k", claims, signature)
    assert token.signed == text.rpartition(".")[0].encode()


@given(st.binary(min_size=1, max_size=40), st.integers(0, 3), st.sampled_from(LETTERS + "=+/ \n\u00e9"))
def test_bytes_are_written_in_one_way_only(data: bytes, place: int, letter: str) -> None:
    good = segment(data)
    changed = good[: len(good) - 1 - place % len(good)] + letter + good[len(good) - place % len(good) :]
    head = f"{segment(HEADER)}.{segment({})}."
    assert read_token(head + good, RSA).signature == data
    if changed != good:
        with contextlib.suppress(InvalidToken):
            assert read_token(head + changed, RSA).signature != data


def test_a_token_of_a_megabyte_is_refused_before_anything_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """S-13: 1 MB token."""
    monkeypatch.setattr(jwt_token, "_object", lambda _segment: pytest.fail("parsed"))
    with pytest.raises(InvalidToken, match=MALFORMED):
        read_token("a" * 1_000_000 + ".b.c", RSA)


@pytest.mark.parametrize(
    "claims",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'{"o":[{"b":1,"b":2}]}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":NaN}',
        b'{"a":01}',
        b"{'a':1}",
        b'{"a":1}}',
        b'{"a":1} {"b":2}',
        b"",
        b"null",
        b'"text"',
        b"[]",
        b"\xff\xfe{}",
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\xff"}',
        b'{"a":"\\udc00"}',
        b'{"a":' + b"9" * 5_000 + b"}",
        b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
    ],
)
def test_claims_that_could_be_read_in_two_ways_are_refused(claims: bytes) -> None:
    """S-13: duplicate JSON keys, and what parsers disagree on."""
    with pytest.raises(InvalidToken):
        read_token(f"{segment(HEADER)}.{segment(claims)}.AA", RSA)


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_the_types_of_tokens_that_say_who_calls(typ: str) -> None:
    assert read_token(f"{segment({**HEADER, 'typ': typ})}.{segment({})}.AA", RSA).kid == "k"


@pytest.mark.parametrize("typ", ["JOSE", "logout+jwt", "secevent+jwt", "dpop+jwt", "", None, 1, ["JWT"]])
def test_other_types_are_refused(typ: Any) -> None:
    """S-12: wrong typ."""
    with pytest.raises(InvalidToken, match="valid type"):
        read_token(f"{segment({**HEADER, 'typ': typ})}.{segment({})}.AA", RSA)


@pytest.mark.parametrize(
    ("text", "token"),
    [("a.b.c", "a.b.c"), ("Bearer a.b.c", "a.b.c"), ("bEARER  a ", "a"), ("Bearera", "Bearera"), ("Bearer", "Bearer")],
)
def test_the_scheme_is_taken_off(text: str, token: str) -> None:
    assert without_bearer(text) == token


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("$request.header.", "$request"),
        ("$request.body", "$request"),
        ("$context.identity.sourceIp", "$request"),
        ("route.request.header.a", "$request"),
        ("$request.header.a", "route.request"),
        ("route.request.path.a", "route.request"),
        ("method.request.querystring.a", "method.request"),
        ("method.request.header.a b", "method.request"),
        ("", "$request"),
    ],
)
def test_other_sources_are_none(source: str, form: str) -> None:
    with pytest.raises(ValueError, match="a token stands in"):
        token_reader(source, form)
