"""What the claims of a token must say, and how events and templates show them. No I/O, no clock.

Source: developer guide, "Control access to HTTP APIs with JWT authorizers"; how claims become text is measured on the
service. RFC 7519 section 4.1 (exp, nbf, iat, aud), RFC 8693 section 4.2 (scope).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from wsgw.authorizers.jwt_token import InvalidToken

Claims = Mapping[str, Any]

#: No time of a token is beyond it: numbers that are larger than any float are JSON, too.
_END: Final = 1e15


def check_issuer(claims: Claims, issuers: Collection[str]) -> str:
    """Gives the `iss`. Raises InvalidToken unless it is one of `issuers`."""
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or issuer not in issuers:
        raise InvalidToken("the token does not have a valid issuer")
    return issuer


def check_audience(claims: Claims, audience: Collection[str]) -> None:
    """Raises InvalidToken unless `aud` has one of `audience`; where there is no `aud`, `client_id` counts."""
    if not any(one in audience for one in audiences(claims)):
        raise InvalidToken("the token does not have a valid audience")


def audiences(claims: Claims) -> list[str]:
    """Whom a token is for."""
    value = claims["aud"] if "aud" in claims else claims.get("client_id")
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str)]


def check_times(claims: Claims, now: float, leeway: float) -> float:
    """Gives `exp`, in epoch seconds. Raises InvalidToken. leeway: seconds by which the issuer's clock may be off."""
    expires = _seconds(claims, "exp")
    if expires is None:
        raise InvalidToken("the token does not have a valid exp")
    if expires + leeway <= now:
        raise InvalidToken("the token has expired", expired=True)
    not_before, issued = _seconds(claims, "nbf"), _seconds(claims, "iat")
    if not_before is not None and not_before - leeway > now:
        raise InvalidToken("the token is not valid yet")
    if issued is not None and issued - leeway > now:
        raise InvalidToken("the token was issued in the future")
    return expires


def subject(claims: Claims) -> str:
    """The `sub`, "" where there is none. Raises InvalidToken for one that is no text."""
    value = claims.get("sub", "")
    if not isinstance(value, str):
        raise InvalidToken("the token does not have a valid sub")
    return value


def scopes_of(claims: Claims) -> tuple[str, ...]:
    """What a token may be used for: `scp`, and where there is none `scope`; a list, or a text with spaces."""
    value = claims["scp"] if "scp" in claims else claims.get("scope")
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def http_texts(claims: Claims) -> dict[str, str]:
    """Claims as an HTTP API shows them: lists as `[a b]`, objects as JSON; what is null is left out."""
    return {name: _http_text(value) for name, value in claims.items() if value is not None}


def rest_texts(claims: Claims) -> dict[str, str]:
    """Claims as a REST API shows them: lists as `a,b`, objects as JSON; what is null is left out."""
    return {
        name: ",".join(map(_text, value)) if isinstance(value, list) else _text(value)
        for name, value in claims.items()
        if value is not None
    }


def _http_text(value: Any) -> str:
    return f"[{' '.join(map(_http_text, value))}]" if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _seconds(claims: Claims, name: str) -> float | None:
    """A NumericDate. Raises InvalidToken for one that is none: a text with digits, too, would mean what others say."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, int | float) and not isinstance(value, bool) and -_END < value < _END:
        return float(value)
    raise InvalidToken(f"the token does not have a valid {name}")
