"""Tokens whose signature was checked: the step between reading a token and believing its claims.

Verifying a signature costs more than all else that a request needs here, so tokens are remembered by their hash, until
they expire or their issuer withdraws the key.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from wsgw.authorizers.jwks import VerifyingKey
from wsgw.authorizers.jwks_source import IssuerKeys
from wsgw.authorizers.jwt_token import MOST_BYTES, WRONG_ALGORITHM, InvalidToken, Token
from wsgw.caller import Authorization, Principal
from wsgw.errors import GatewayError

#: Kept for one token: what it means to routes with other scopes.
_MOST_PRINCIPALS: Final = 64


class Checked:
    """A token that was found good. `expires` in epoch seconds; `key` of `keys` has signed it.

    `principals`: who it says is calling, by whatever else that depends on.
    """

    __slots__ = ("claims", "expires", "key", "keys", "principals")

    def __init__(self, claims: dict[str, Any], expires: float, key: VerifyingKey, keys: IssuerKeys) -> None:
        self.claims = claims
        self.expires = expires
        self.key = key
        self.keys = keys
        self.principals: dict[Any, Principal] = {}

    def principal(self, kind: Any, make: Callable[[Checked], Principal]) -> Principal:
        """What `make` gives, made once for each `kind`."""
        found = self.principals.get(kind)
        if found is None:
            found = make(self)
            if len(self.principals) < _MOST_PRINCIPALS:
                self.principals[kind] = found
        return found


class Remembered:
    """The tokens found good lately, by hash, at most `most`: the oldest makes room."""

    def __init__(self, most: int, now: Callable[[], float]) -> None:
        self._most = most
        self._now = now
        self._tokens: dict[bytes, Checked] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def find(self, text: str) -> Checked | None:
        """The token `text`, if it is still what it was when it was checked."""
        if len(text) > MOST_BYTES:
            return None
        digest = _digest(text)
        checked = self._tokens.get(digest)
        if checked is None:
            return None
        if checked.expires > self._now() and checked.keys.find(checked.key.kid) is checked.key:
            return checked
        del self._tokens[digest]
        return None

    def put(self, text: str, checked: Checked) -> None:
        if len(self._tokens) >= self._most:
            if not self._most:
                return
            del self._tokens[next(iter(self._tokens))]
        self._tokens[_digest(text)] = checked


async def check_signature(token: Token, keys: IssuerKeys, *, again: bool) -> VerifyingKey:
    """The key of `keys` that signed `token`. Raises InvalidToken, and AuthorizerFailure where there are no keys.

    again: whether an unknown kid is worth a question to the issuer; not where the token would be refused anyway.
    """
    key = keys.find(token.kid) or await keys.asked(token.kid, again=again)
    if key is None:
        raise InvalidToken("the token does not name a known key")
    if not key.is_for(token.algorithm):
        raise InvalidToken(WRONG_ALGORITHM)
    if not key.verifies(token.algorithm, token.signed, token.signature):
        raise InvalidToken("unable to verify the signature")
    return key


def refusal(noted: Authorization, error: GatewayError, said: str, challenge: str = "") -> GatewayError:
    """`error`, with what logs (`said`) and clients (`challenge`) are to read."""
    noted.status, noted.error = error.status, said
    error.detail = error.detail or said
    if challenge:
        error.challenge = challenge
    return error


def _digest(text: str) -> bytes:
    # Texts that are no token may become alike; none of them was ever put in.
    return sha256(text.encode("ascii", "replace")).digest()
