"""Which keys of an issuer's set are used, and for what."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.pace import SLOWER
from tests.harness.token_issuer import ec_key, jwk, rsa_key, segment
from wsgw.authorizers.jwks import JwksError, kept_keys, read_jwks
from wsgw.authorizers.jwks_source import MOST_BYTES

#: What API Gateway takes, and what the settings may add.
RSA_ALGORITHMS = ("RS256", "RS384", "RS512")
ALGORITHMS = (*RSA_ALGORITHMS, "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")


def one(member: dict[str, Any], algorithms: tuple[str, ...] = RSA_ALGORITHMS) -> tuple[str, ...]:
    """What the one key of a set is for; nothing where it is passed over."""
    try:
        keys = read_jwks(json.dumps({"keys": [member]}).encode(), algorithms)
    except JwksError:
        return ()
    return keys["k"].algorithms


KEY = jwk(rsa_key("a"), "k")
ROWS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("nothing said", {**KEY}, RSA_ALGORITHMS),
    ("an alg of its own", {**KEY, "alg": "RS384"}, ("RS384",)),
    ("an alg that is not in the list", {**KEY, "alg": "PS256"}, ()),
    ("the alg of encryption", {**KEY, "alg": "RSA-OAEP"}, ()),
    ("alg none", {**KEY, "alg": "none"}, ()),
    ("alg a list", {**KEY, "alg": ["RS256"]}, ()),
    ("alg null", {**KEY, "alg": None}, ()),
    ("use sig", {**KEY, "use": "sig"}, RSA_ALGORITHMS),
    ("use enc", {**KEY, "use": "enc"}, ()),
    ("key_ops verify", {**KEY, "key_ops": ["verify"]}, RSA_ALGORITHMS),
    ("key_ops encrypt", {**KEY, "key_ops": ["encrypt"]}, ()),
    ("key_ops a text", {**KEY, "key_ops": "verify"}, ()),
    ("no kid", {name: value for name, value in KEY.items() if name != "kid"}, ()),
    ("kid empty", {**KEY, "kid": ""}, ()),
    ("kid a number", {**KEY, "kid": 1}, ()),
    ("symmetric", {"kty": "oct", "kid": "k", "k": "c2VjcmV0", "alg": "HS256"}, ()),
    ("symmetric that says RS256", {"kty": "oct", "kid": "k", "k": "c2VjcmV0", "alg": "RS256"}, ()),
    ("OKP", {"kty": "OKP", "kid": "k", "crv": "Ed25519", "x": "AA"}, ()),
    ("1024 bits", jwk(rsa_key("weak", 1024), "k"), ()),
    ("too many bits", {**KEY, "n": segment(b"\xff" * 1_200)}, ()),
    ("no modulus", {name: value for name, value in KEY.items() if name != "n"}, ()),
    ("modulus empty", {**KEY, "n": ""}, ()),
    ("modulus a number", {**KEY, "n": 7}, ()),
    ("exponent 1", {**KEY, "e": "AQ"}, ()),
    ("exponent 0", {**KEY, "e": "AA"}, ()),
    ("exponent even", {**KEY, "e": "Ag"}, ()),
    ("a private key, published", {**KEY, "d": "AQ"}, RSA_ALGORITHMS),
    ("a certificate's address", {**KEY, "x5u": "https://evil.example/"}, RSA_ALGORITHMS),
    ("elliptic", jwk(ec_key("a"), "k"), ()),
    ("not an object", ["RSA"], ()),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("member", "algorithms"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_a_key_is_used_for(member: dict[str, Any], algorithms: tuple[str, ...]) -> None:
    assert one(member) == algorithms


def test_with_more_algorithms_a_key_is_for_those_of_its_kind_and_curve() -> None:
    assert one(KEY, ALGORITHMS) == (*RSA_ALGORITHMS, "PS256", "PS384", "PS512")
    assert one(jwk(ec_key("a"), "k"), ALGORITHMS) == ("ES256",)


def test_keys_that_cannot_be_used_do_not_spoil_the_others() -> None:
    members = [{"kty": "oct", "kid": "s", "k": "AA"}, KEY, 7, jwk(rsa_key("b"), "other")]
    assert list(read_jwks(json.dumps({"keys": members}).encode(), RSA_ALGORITHMS)) == ["k", "other"]


def test_of_two_keys_with_one_kid_the_first_counts() -> None:
    members = [{**KEY, "alg": "RS256"}, jwk(rsa_key("b"), "k", alg="RS512")]
    assert read_jwks(json.dumps({"keys": members}).encode(), RSA_ALGORITHMS)["k"].algorithms == ("RS256",)


def test_a_key_verifies_what_it_signed_and_nothing_else() -> None:
    key = read_jwks(json.dumps({"keys": [KEY]}).encode(), RSA_ALGORITHMS)["k"]
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    signature = rsa_key("a").sign(b"signed", PKCS1v15(), SHA256())
    assert key.verifies("RS256", b"signed", signature)
    assert not key.verifies("RS384", b"signed", signature)
    assert not key.verifies("RS256", b"signed!", signature)
    assert not key.verifies("RS256", b"signed", b"")


def test_a_key_that_says_the_same_is_kept() -> None:
    before = read_jwks(json.dumps({"keys": [KEY, jwk(rsa_key("b"), "b")]}).encode(), RSA_ALGORITHMS)
    after = read_jwks(json.dumps({"keys": [KEY, jwk(rsa_key("c"), "b")]}).encode(), RSA_ALGORITHMS)
    kept = kept_keys(before, after)
    assert kept["k"] is before["k"]
    assert kept["b"] is after["b"]
    narrower = read_jwks(json.dumps({"keys": [{**KEY, "alg": "RS256"}]}).encode(), RSA_ALGORITHMS)
    assert kept_keys(before, narrower)["k"] is narrower["k"]


members = st.dictionaries(
    st.sampled_from(["kty", "kid", "n", "e", "d", "alg", "use", "key_ops", "crv", "x", "y", "k"]),
    st.sampled_from(["RSA", "EC", "sig", "verify", "RS256", "P-256", "AQAB", KEY["n"], ""])
    | st.text(max_size=20)
    | st.none()
    | st.integers()
    | st.lists(st.text(max_size=6), max_size=2),
)


@given(st.lists(members, max_size=4))
def test_any_set_is_read_or_refused(keys: list[dict[str, Any]]) -> None:
    try:
        found = read_jwks(json.dumps({"keys": keys}).encode(), ALGORITHMS)
    except JwksError:
        return
    assert all(key.algorithms for key in found.values())


@given(st.binary(max_size=50))
def test_any_bytes_are_a_set_or_refused(body: bytes) -> None:
    with pytest.raises(JwksError):
        read_jwks(body, RSA_ALGORITHMS)


@pytest.mark.parametrize("member", [jwk(ec_key("a"), "k"), jwk(rsa_key("a"), "k")], ids=["EC", "RSA"])
def test_as_many_keys_as_a_set_has_room_for_do_not_hold_the_loop(member: dict[str, Any]):
    """S-14: 10,000 keys are more than its 150,000 bytes; those that fit are read in tens of milliseconds."""

    def body(count: int) -> bytes:
        keys = [{**member, "kid": str(number)} for number in range(count)]
        return json.dumps({"keys": keys}, separators=(",", ":")).encode()

    assert len(body(10_000)) > MOST_BYTES
    count = MOST_BYTES // len(json.dumps(member))
    began = time.process_time()
    assert len(read_jwks(body(count), ALGORITHMS)) == count
    assert time.process_time() - began < 0.15 * SLOWER
