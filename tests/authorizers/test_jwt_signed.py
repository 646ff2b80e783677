"""Tokens remembered: as long as they would be found good again, and no more of them than the bound."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.harness.token_issuer import jwk, rsa_key
from wsgw.authorizers.jwks_source import IssuerKeys, KeysPlace
from wsgw.authorizers.jwt_signed import Checked, Remembered
from wsgw.authorizers.jwt_token import Shown, shown


def issuer_keys(file: Any) -> IssuerKeys:
    async def nowhere(_url: str) -> Any:
        raise AssertionError

    begin: Any = asyncio.ensure_future
    keys = IssuerKeys(KeysPlace("i", file=file), nowhere, begin, lambda: 0.0, algorithms=("RS256",), refresh=60)
    keys.read_file()
    return keys


def token(text: str) -> Shown:
    found = shown(f"Bearer {text}")
    assert found is not None
    assert found.text == text.strip()
    return found


def test_a_token_is_forgotten_when_it_expires_or_its_key_is_withdrawn(tmp_path: Any) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [jwk(rsa_key("a"), "k")]}))
    keys, now = issuer_keys(file), [0.0]
    remembered = Remembered(10, lambda: now[0])
    key = keys.find("k")
    assert key is not None
    remembered.put(token("one"), Checked({}, 100.0, key, keys))
    remembered.put(token("two"), Checked({}, 200.0, key, keys))
    assert remembered.find(token("one"))
    assert not remembered.find(token("On"))
    now[0] = 100.0
    assert not remembered.find(token("one"))
    assert remembered.find(token("two"))
    keys.read_file()
    assert remembered.find(token("two"))  # the same key still
    file.write_text(json.dumps({"keys": [jwk(rsa_key("b"), "k")]}))
    keys.read_file()
    assert not remembered.find(token("two"))
    assert len(remembered) == 0


@given(st.lists(st.text(max_size=3), max_size=60), st.integers(0, 5))
def test_there_are_never_more_than_the_bound(texts: list[str], most: int) -> None:
    class Always:
        kid = "k"

        def find(self, _kid: str) -> Any:
            return self

    keys: Any = Always()
    remembered = Remembered(most, lambda: 0.0)
    for text in texts:
        if remembered.find(token(text)) is None:
            remembered.put(token(text), Checked({}, 1.0, keys, keys))
        assert len(remembered) <= most
        assert (remembered.find(token(text)) is not None) is bool(most)
