"""JWT authorizers: callers known by a token that an OpenID Connect or OAuth 2.0 issuer has signed.

Source: developer guide, "Control access to HTTP APIs with JWT authorizers"; RFC 6750 section 3 (the challenge).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from wsgw.authorizers.jwks_source import IssuerKeys
from wsgw.authorizers.jwt_claims import check_audience, check_issuer, check_times, http_texts, scopes_of, subject
from wsgw.authorizers.jwt_signed import Checked, SignedTokens, refusal
from wsgw.authorizers.jwt_token import InvalidToken, Shown
from wsgw.caller import Authorization, Principal
from wsgw.errors import AccessDenied, AuthorizerFailure, Unauthorized
from wsgw.invocation import Invocation

_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


class JwtTokens(SignedTokens):
    """Tokens of one issuer for one audience."""

    def __init__(
        self,
        keys: IssuerKeys,
        issuer: str,
        audience: Sequence[str],
        now: Callable[[], float],
        *,
        leeway: float,
        remembered: int,
    ) -> None:
        super().__init__(keys.algorithms, now, leeway=leeway, remembered=remembered)
        self._keys = keys
        self._issuer = frozenset((issuer,))
        self._audience = frozenset(audience)

    def _keys_of(self, claims: dict[str, Any]) -> IssuerKeys:
        return self._keys

    def _check(self, claims: dict[str, Any]) -> float:
        check_issuer(claims, self._issuer)
        check_audience(claims, self._audience)
        expires = check_times(claims, self._now(), self._leeway)
        subject(claims)
        return expires


class JwtAuthorizer:
    """Verifies the callers of one route. `read` gives what stands in the identity source; `scopes`: those of the route.

    in_context: claims are shown as an authorizer's context, too, as events of WebSocket APIs know nothing else.
    Raises ValueError for a scope that no challenge could name.
    """

    def __init__(
        self, read: Callable[[Invocation], Shown | None], tokens: JwtTokens, scopes: Sequence[str], *, in_context: bool
    ) -> None:
        for scope in scopes:
            if not _SCOPE.fullmatch(scope):
                raise ValueError(f"authorization scope {scope!r}: a scope has no spaces, quotes or backslashes")
        self._read = read
        self._tokens = tokens
        self._scopes = frozenset(scopes)
        self._in_context = in_context
        self._challenge = f'Bearer scope="{" ".join(scopes)}"'
        self._kind = bool(scopes), in_context

    async def verify(self, invocation: Invocation) -> Principal:
        invocation.authorization = noted = Authorization()
        shown = self._read(invocation)
        if shown is None:
            raise refusal(noted, Unauthorized(), "no token", "Bearer")
        try:
            checked = self._tokens.known(shown) or await self._tokens.checked(shown)
            principal = checked.principal(self._kind, self._principal)
        except InvalidToken as error:
            challenge = f'{self._challenge} error="invalid_token" error_description="{error.description}"'
            raise refusal(noted, Unauthorized(), error.description, challenge) from None
        except AuthorizerFailure as error:
            raise refusal(noted, error, "the keys of the issuer are not known") from None
        if self._scopes and self._scopes.isdisjoint(principal.scopes or ()):
            challenge = f'{self._challenge} error="insufficient_scope"'
            raise refusal(noted, AccessDenied(), "the token has none of the route's scopes", challenge)
        return principal

    def _principal(self, checked: Checked) -> Principal:
        name = subject(checked.claims)
        texts = http_texts(checked.claims)
        return Principal(
            name,
            texts if self._in_context else {},
            kind="JWT",
            claims=texts,
            scopes=scopes_of(checked.claims) if self._scopes else None,
            expires=checked.claims["exp"],
            credential=f"principal/{name}" if name else "",
        )
