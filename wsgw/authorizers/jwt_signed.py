"""Tokens whose signature was checked: the step between reading a token and believing its claims.

Verifying a signature costs more than all else that a request needs here, so tokens are remembered by their hash, until
they expire or their issuer withdraws the key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

from wsgw.authorizers.jwks import VerifyingKey
from wsgw.authorizers.jwks_source import IssuerKeys
from wsgw.authorizers.jwt_token import WRONG_ALGORITHM, InvalidToken, Shown, Token, read_token
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

    def find(self, shown: Shown) -> Checked | None:
        """The token `shown`, if it is still what it was when it was checked."""
        checked = self._tokens.get(shown.digest)
        if checked is None:
            return None
        if checked.expires > self._now() and checked.keys.find(checked.key.kid) is checked.key:
            return checked
        del self._tokens[shown.digest]
        return None

    def put(self, shown: Shown, checked: Checked) -> None:
        if len(self._tokens) >= self._most:
            if not self._most:
                return
            del self._tokens[next(iter(self._tokens))]
        self._tokens[shown.digest] = checked


class SignedTokens:
    """Tokens of issuers that are trusted, checked and remembered. Routes and deployments share it.

    algorithms: what may have signed them. leeway: seconds by which an issuer's clock may be off; `now` gives epoch
    seconds. Whose keys are asked for, and what claims must say, is its kinds' own: JwtTokens and PoolTokens.
    """

    def __init__(
        self, algorithms: Collection[str], now: Callable[[], float], *, leeway: float, remembered: int
    ) -> None:
        self._algorithms = frozenset(algorithms)
        self._now = now
        self._leeway = leeway
        self._remembered = Remembered(remembered, now)
        #: The token that a caller shows, where it was found good lately and still is.
        self.known = self._remembered.find

    async def checked(self, shown: Shown) -> Checked:
        """The token `shown`, if it is good. Raises InvalidToken, and AuthorizerFailure without the issuer's keys."""
        token = read_token(shown.text, self._algorithms)
        keys = self._keys_of(token.claims)
        key = await check_signature(token, keys, again=self._may_be_good(token.claims))
        checked = Checked(token.claims, self._check(token.claims) + self._leeway, key, keys)
        self._remembered.put(shown, checked)
        return checked

    def _keys_of(self, claims: dict[str, Any]) -> IssuerKeys:
        """The keys that such a token may be signed with. Raises InvalidToken for what is refused before all else."""
        raise NotImplementedError

    def _check(self, claims: dict[str, Any]) -> float:
        """Gives `exp`, in epoch seconds. Raises InvalidToken unless the claims of a genuine token will do now."""
        raise NotImplementedError

    def _may_be_good(self, claims: dict[str, Any]) -> bool:
        """Whether only the signature is in question."""
        try:
            self._check(claims)
        except InvalidToken:
            return False
        return True


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
