"""JSON Web Key Sets read: the public keys of an issuer that may verify signatures, each with what it is for.

Symmetric keys are never among them, whatever the set says: whoever could read the set could sign.
Source: RFC 7517 (JWK), RFC 7518 (algorithms and key parameters), RFC 8725 (best current practices).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import Algorithm, ECAlgorithm, RSAAlgorithm
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

#: RSA keys: the least bits that are safe, and the most that are quick enough to verify with.
_RSA_BITS: Final = (2_048, 8_192)
_KINDS: Final = {"RSA": ("RS", "PS"), "EC": ("ES",)}
#: The members of a key that are read; a private key that was published by mistake is used as the public one.
_MEMBERS: Final = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y")}
_JWS: Final = PyJWS()

PublicKey = RSAPublicKey | EllipticCurvePublicKey


class JwksError(Exception):
    """There is no set of keys, or none that can be used; the text says where, and why. Never seen by a client."""


class VerifyingKey:
    """One public key and the algorithms whose signatures it may verify."""

    __slots__ = ("_algorithms", "_key", "_stated", "kid")

    def __init__(self, kid: str, key: PublicKey, algorithms: Mapping[str, Algorithm], stated: object) -> None:
        self.kid = kid
        self._key = key
        self._algorithms = algorithms
        self._stated = stated

    @property
    def algorithms(self) -> tuple[str, ...]:
        return tuple(self._algorithms)

    def is_for(self, algorithm: str) -> bool:
        """Whether signatures made with `algorithm` can be of this key at all."""
        return algorithm in self._algorithms

    def verifies(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's, over `signed`. `algorithm` is one that it is for."""
        return self._algorithms[algorithm].verify(signed, self._key, signature)

    def is_same(self, other: VerifyingKey) -> bool:
        """Whether an issuer has said the same of both."""
        return self._stated == other._stated


def read_jwks(body: bytes, algorithms: Iterable[str]) -> dict[str, VerifyingKey]:
    """The keys in `body` by their kid, that are for one of `algorithms`; what cannot be used is passed over.

    Raises JwksError where that leaves none, and says why of each.
    """
    try:
        document = orjson.loads(body)
    except ValueError:
        raise JwksError("that is no JSON") from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list):
        raise JwksError("it has no list of keys")
    allowed = tuple(algorithms)
    keys: dict[str, VerifyingKey] = {}
    faults = []
    for number, member in enumerate(members):
        try:
            key = _key(member, allowed)
            if key.kid in keys:
                raise JwksError("its kid is that of a key before it")
            keys[key.kid] = key
        except JwksError as error:
            faults.append(f"key {number}: {error}")
    if not keys:
        raise JwksError(f"it has no key that could verify a token ({'; '.join(faults[:5]) or 'it is empty'})")
    return keys


def kept_keys(before: Mapping[str, VerifyingKey], now: Mapping[str, VerifyingKey]) -> dict[str, VerifyingKey]:
    """`now`, with the objects of `before` where nothing has changed: what was verified with them stays so."""
    return {kid: old if (old := before.get(kid)) is not None and old.is_same(key) else key for kid, key in now.items()}


def _key(member: Any, allowed: tuple[str, ...]) -> VerifyingKey:
    if not isinstance(member, dict):
        raise JwksError("not an object")
    kind, kid = member.get("kty"), member.get("kid")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise JwksError(f"only keys of kty {' and '.join(_KINDS)} are used")
    if not isinstance(kid, str) or not kid:
        raise JwksError("it has no kid, so that no token can name it")
    if member.get("use", "sig") != "sig":
        raise JwksError("its use is not sig")
    operations = member.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise JwksError("its key_ops do not have verify")
    fitting = [name for name in allowed if name.startswith(_KINDS[kind])]
    if "alg" in member:
        fitting = [name for name in fitting if name == member["alg"]]
    key, prepared = _public_key(kind, {name: member.get(name) for name in _MEMBERS[kind]}), {}
    for name in fitting:
        algorithm = _JWS.get_algorithm_by_name(name)
        try:
            algorithm.prepare_key(key)  # looks at the curve
        except PyJWTError:
            continue
        prepared[name] = algorithm
    if not prepared:
        raise JwksError(f"it is for none of {', '.join(allowed)}")
    return VerifyingKey(kid, key, prepared, (tuple(prepared), [member.get(name) for name in _MEMBERS[kind]]))


def _public_key(kind: str, members: dict[str, Any]) -> PublicKey:
    # Anything may stand in these members, and the libraries are not made for that.
    if not all(isinstance(value, str) and len(value) < 4_096 for value in members.values()):
        raise JwksError(f"it lacks one of {', '.join(members)}")
    key: Any
    try:
        key = RSAAlgorithm.from_jwk(members) if kind == "RSA" else ECAlgorithm.from_jwk(members)
    except (ValueError, TypeError, ArithmeticError, PyJWTError):
        raise JwksError("its numbers make no key") from None
    if kind == "EC":
        assert isinstance(key, EllipticCurvePublicKey)
        return key
    assert isinstance(key, RSAPublicKey)
    if not _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]:
        raise JwksError(f"{key.key_size} bits; RSA keys have {_RSA_BITS[0]} to {_RSA_BITS[1]}")
    return key
