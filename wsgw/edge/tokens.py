"""Where a browser can put a token in a handshake: a subprotocol, a parameter of the query, a cookie.

A page cannot set headers of a WebSocket. What is found in these places is given to the authorizer as if it had stood in
`Authorization`, and taken away from all that events, backends and logs see. Ours; API Gateway knows none of it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from wsgw.definitions.access import TokenPlaces
from wsgw.errors import AccessDenied, Unauthorized
from wsgw.invocation import Headers
from wsgw.pipeline.credentials import WithToken

#: What a subprotocol that is a token begins with.
SUBPROTOCOL: Final = "wsgw.auth."

#: Visible ASCII: whatever else came decoded from a query could end a header line.
_TOKEN = re.compile(r"[!-~]+")
_PROTOCOLS: Final = "sec-websocket-protocol"


class Shown(NamedTuple):
    """What a handshake has shown of itself, and what is left of it for everybody else.

    `token` and `ticket`: "" where there is none. `headers` have the token as their Authorization.
    """

    token: str
    ticket: str
    by_cookie: bool
    headers: Headers
    query: Headers
    subprotocols: tuple[str, ...]


def shown(places: TokenPlaces, headers: Headers, query: Headers, subprotocols: tuple[str, ...]) -> Shown:
    """Look for a token and a ticket in `places`. A ticket says who it is, so that tokens beside it are of no meaning.

    Raises Unauthorized for tokens that differ, or that cannot be ones.
    """
    found: list[str] = []
    tickets: list[str] = []
    if places.subprotocol:
        found += [offer[len(SUBPROTOCOL) :] for offer in subprotocols if offer.startswith(SUBPROTOCOL)]
        subprotocols = tuple(offer for offer in subprotocols if not offer.startswith(SUBPROTOCOL))
        headers = _without_offers(headers)
    by_query = (places.query, places.ticket)
    if any(by_query):
        found += [value for name, value in query if name == places.query]
        tickets = [value for name, value in query if name == places.ticket]
        query = [(name, value) for name, value in query if name not in by_query]
    cookies: list[str] = []
    if places.cookie:
        cookies, headers = _from_cookies(places.cookie, headers)
    ticket = _only(tickets)
    tokens = [token for token in (*found, *cookies) if token]
    if ticket or not tokens:
        return Shown("", ticket, False, headers, query, subprotocols)
    token = _only([*tokens, *_bearer(headers)])
    if not any(name.lower() == "authorization" for name, _ in headers):
        headers = WithToken([*headers, ("Authorization", f"Bearer {token}")])
    return Shown(token, "", any(cookies), headers, query, subprotocols)


def check_origin(origins: list[str], own: tuple[str, ...]) -> None:
    """Where a cookie has said who it is: whether a page of ours has sent it. Raises AccessDenied.

    A browser sends a site's cookies with whatever page opens the WebSocket. origins: the values of Origin.
    """
    if len(origins) != 1 or origins[0] not in own:
        raise AccessDenied(detail="cookie_of_another_origin" if origins else "cookie_without_origin")


def _only(values: list[str]) -> str:
    """The one value of `values`, "" if they are empty."""
    different = {value for value in values if value}
    if len(different) > 1:
        raise Unauthorized(detail="tokens_disagree")
    value = different.pop() if different else ""
    if value and not _TOKEN.fullmatch(value):
        raise Unauthorized(detail="token_malformed")
    return value


def _bearer(headers: Headers) -> list[str]:
    """The token in Authorization. One of another scheme stands beside ours and is the authorizer's to read."""
    given = [value.partition(" ") for name, value in headers if name.lower() == "authorization"]
    return [token.strip() for scheme, _, token in given if scheme.lower() == "bearer"]


def _without_offers(headers: Headers) -> Headers:
    """`headers` with no subprotocol offered that is a token."""
    kept = []
    for name, value in headers:
        if name.lower() != _PROTOCOLS or SUBPROTOCOL not in value:
            kept.append((name, value))
            continue
        offers = [offer for part in value.split(",") if (offer := part.strip())]
        if others := [offer for offer in offers if not offer.startswith(SUBPROTOCOL)]:
            kept.append((name, ", ".join(others)))
    return kept


def _from_cookies(wanted: str, headers: Headers) -> tuple[list[str], Headers]:
    """The values of the cookie `wanted`, and `headers` without it (RFC 6265 §4.2)."""
    values: list[str] = []
    kept: list[tuple[str, str]] = []
    for name, value in headers:
        if name.lower() != "cookie":
            kept.append((name, value))
            continue
        others = []
        for pair in value.split(";"):
            key, _, text = pair.strip().partition("=")
            if key.strip() == wanted:
                values.append(text.strip().removeprefix('"').removesuffix('"'))
            else:
                others.append(pair.strip())
        if others:
            kept.append((name, "; ".join(others)))
    return values, kept
