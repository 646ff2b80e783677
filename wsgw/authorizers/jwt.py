"""JWT authorizers: callers known by a token that an OpenID Connect or OAuth 2.0 issuer has signed.

Source: developer guide, "Control access to HTTP APIs with JWT authorizers"; RFC 6750 section 3 (the challenge).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from wsgw.authorizers.jwks_source import IssuerKeys
from wsgw.authorizers.jwt_claims import check_audience, check_issuer, check_times, http_texts, scopes_of, subject
from wsgw.authorizers.jwt_signed import Checked, Remembered, check_signature, refusal
from wsgw.authorizers.jwt_token import InvalidToken, read_token, without_bearer
from wsgw.caller import Authorization, Principal
from wsgw.errors import AccessDenied, AuthorizerFailure, Unauthorized
from wsgw.invocation import Invocation

_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


class JwtTokens:
    """Tokens of one issuer for one audience, checked and remembered. Routes and deployments share it.

    leeway: seconds by which the issuer's clock may be off; `now` gives epoch seconds.
    """

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
        self.keys = keys
        self._issuer = frozenset((issuer,))
        self._audience = frozenset(audience)
        self._now = now
        self._leeway = leeway
        self._remembered = Remembered(remembered, now)

    async def checked(self, text: str) -> Checked:
        """The token in `text`. Raises InvalidToken, and AuthorizerFailure where the issuer's keys are not known."""
        known = self._remembered.find(text)
        if known is not None:
            return known
        token = read_token(text, self.keys.algorithms)
        key = await check_signature(token, self.keys, again=self._may_be_good(token.claims))
        expires = self._check(token.claims)
        checked = Checked(token.claims, expires + self._leeway, key, self.keys)
        self._remembered.put(text, checked)
        return checked

    def _check(self, claims: dict[str, object]) -> float:
        check_issuer(claims, self._issuer)
        check_audience(claims, self._audience)
        expires = check_times(claims, self._now(), self._leeway)
        subject(claims)
        return expires

    def _may_be_good(self, claims: dict[str, object]) -> bool:
        """Whether only the signature is in question."""
        try:
            self._check(claims)
        except InvalidToken:
            return False
        return True


class JwtAuthorizer:
    """Verifies the callers of one route. `read` gives the identity source's text; `scopes`: those of the route.

    in_context: claims are shown as an authorizer's context, too, as events of WebSocket APIs know nothing else.
    Raises ValueError for a scope that no challenge could name.
    """

    def __init__(
        self, read: Callable[[Invocation], str], tokens: JwtTokens, scopes: Sequence[str], *, in_context: bool
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
        text = self._read(invocation)
        if not text:
            raise refusal(noted, Unauthorized(), "no token", "Bearer")
        try:
            checked = await self._tokens.checked(without_bearer(text))
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
