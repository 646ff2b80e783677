"""COGNITO_USER_POOLS authorizers: callers of REST APIs known by a token of an Amazon Cognito user pool.

Source: developer guide, "Control access to REST APIs using Amazon Cognito user pools as an authorizer"; Amazon Cognito
developer guide, "Verifying JSON web tokens".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from wsgw.authorizers.jwks_source import IssuerKeys
from wsgw.authorizers.jwt_claims import audiences, check_issuer, check_times, rest_texts, scopes_of, subject
from wsgw.authorizers.jwt_signed import Checked, SignedTokens, refusal
from wsgw.authorizers.jwt_token import InvalidToken, Shown
from wsgw.caller import Authorization, Principal
from wsgw.errors import AuthorizerFailure, Unauthorized
from wsgw.invocation import Invocation

#: What user pools sign with.
POOL_ALGORITHMS: Final = ("RS256",)
EXPIRED: Final = "The incoming token has expired"
_POOL: Final = re.compile(r"arn:(aws[a-z-]*):cognito-idp:([a-z0-9-]+):\d*:userpool/([a-z0-9-]+_[A-Za-z0-9]+)")


class Pool(NamedTuple):
    """A user pool: what its tokens may have as `iss`, and where its keys are."""

    issuers: tuple[str, ...]
    jwks_uri: str


def pool_of(arn: str, endpoint: str = "") -> Pool:
    """The user pool with this ARN. Raises ValueError for what is none.

    endpoint: where user pools are served instead of at AWS; its own tokens may name it or, as copies of AWS do, AWS.
    """
    match = _POOL.fullmatch(arn)
    if match is None:
        raise ValueError(f"providerARNs: {arn!r} is no user pool; write arn:aws:cognito-idp:REGION:ACCOUNT:userpool/ID")
    partition, region, pool = match.groups()
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    issuer = f"https://cognito-idp.{region}.{suffix}/{pool}"
    if not endpoint:
        return Pool((issuer,), f"{issuer}/.well-known/jwks.json")
    local = f"{endpoint.rstrip('/')}/{pool}"
    return Pool((issuer, local), f"{local}/.well-known/jwks.json")


class PoolTokens(SignedTokens):
    """Tokens of some user pools. `keys` by issuer.

    validation: whether the audience of a token will do; None where all do.
    """

    def __init__(
        self,
        keys: Mapping[str, IssuerKeys],
        validation: Callable[[str], Any] | None,
        now: Callable[[], float],
        *,
        leeway: float,
        remembered: int,
    ) -> None:
        super().__init__(POOL_ALGORITHMS, now, leeway=leeway, remembered=remembered)
        self._keys = keys
        self._validation = validation

    def _keys_of(self, claims: dict[str, Any]) -> IssuerKeys:
        # The expression comes before all else: it is there to refuse a token without asking anybody.
        if self._validation is not None and not any(map(self._validation, audiences(claims))):
            raise InvalidToken("the token does not have a valid audience")
        return self._keys[check_issuer(claims, self._keys)]

    def _check(self, claims: dict[str, Any]) -> float:
        expires = check_times(claims, self._now(), self._leeway)
        subject(claims)
        return expires


class CognitoAuthorizer:
    """Verifies the callers of one method. Without `scopes` they show an ID token, with some an access token."""

    def __init__(self, read: Callable[[Invocation], Shown | None], tokens: PoolTokens, scopes: Sequence[str]) -> None:
        self._read = read
        self._tokens = tokens
        self._scopes = frozenset(scopes)
        self._use = "access" if scopes else "id"

    async def verify(self, invocation: Invocation) -> Principal:
        invocation.authorization = noted = Authorization()
        shown = self._read(invocation)
        if shown is None:
            raise refusal(noted, Unauthorized(), "no token")
        try:
            checked = self._tokens.known(shown) or await self._tokens.checked(shown)
            return checked.principal(self._scopes, self._principal)
        except InvalidToken as error:
            unauthorized = Unauthorized(EXPIRED) if error.expired else Unauthorized()
            raise refusal(noted, unauthorized, error.description) from None
        except AuthorizerFailure as error:
            raise refusal(noted, error, "the keys of the user pool are not known") from None

    def _principal(self, checked: Checked) -> Principal:
        claims = checked.claims
        if claims.get("token_use") != self._use:
            raise InvalidToken(f"the token is no {self._use} token")
        if self._scopes and self._scopes.isdisjoint(scopes_of(claims)):
            raise InvalidToken("the token has none of the method's scopes")
        name = subject(claims)
        return Principal(
            name,
            {},
            kind="COGNITO",
            claims=rest_texts(claims),
            scopes=scopes_of(claims) if self._scopes else None,
            expires=claims["exp"],
            credential=f"principal/{name}" if name else "",
        )
