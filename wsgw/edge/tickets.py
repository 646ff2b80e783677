"""One-time connect tickets: a backend has one made for a user of its own, whose page shows it when it connects.

A ticket is a random text that says nothing. What it stands for lies in the Cache, under its hash, in a group that is
the stage's: taken out once, by the handshake that shows it. Ours; API Gateway has nothing of the kind.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import Annotated, Final

import msgspec

from wsgw.authorizers.results import MOST_TIME
from wsgw.caller import Principal
from wsgw.errors import BadRequest, ServiceUnavailable, StoreUnavailable, Unauthorized
from wsgw.stores.base import Cache

#: The most that a ticket's context may have, as an authorizer's result, in bytes.
MOST_CONTEXT: Final = 8_192

_Value = str | bool | int | float
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What a backend wants a ticket for. `expires_at` (epoch seconds): when the principal ends, not the ticket."""

    principal_id: _Name
    context: dict[str, _Value] = {}
    ttl_seconds: Annotated[int, msgspec.Meta(ge=1, le=300)] = 30
    expires_at: float | None = None
    usage_identifier_key: str | None = None


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """What lies in the Cache: the order, and until when the ticket is good."""

    order: Order
    until: float


class Issued(msgspec.Struct, frozen=True, rename="camel"):
    """The answer: the ticket, and the epoch second at which nobody takes it any more."""

    ticket: str
    expires_at: int


class Tickets:
    """Issues and redeems the tickets of all stages. `now` gives epoch seconds."""

    def __init__(self, cache: Cache, now: Callable[[], float]) -> None:
        self._cache = cache
        self._now = now

    async def issue(self, api_id: str, stage: str, body: bytes) -> Issued:
        """A new ticket as `body`, an Order, asks. Raises BadRequest, and ServiceUnavailable without the store."""
        order = self._order(body)
        ticket = secrets.token_urlsafe(32)
        until = self._now() + order.ttl_seconds
        kept = msgspec.json.encode(_Kept(order, until))
        try:
            await self._cache.put(_group(api_id, stage), _key(ticket), kept, order.ttl_seconds)
        except StoreUnavailable as error:
            raise ServiceUnavailable(detail=f"tickets cannot be kept: {error}") from error
        return Issued(ticket, int(until))

    async def redeem(self, api_id: str, stage: str, ticket: str) -> Principal:
        """Whom `ticket` stands for. Nobody gets it again. Raises Unauthorized, ServiceUnavailable without the store."""
        try:
            kept = await self._cache.take(_group(api_id, stage), _key(ticket))
        except StoreUnavailable as error:
            raise ServiceUnavailable(detail=f"tickets cannot be looked up: {error}") from error
        if kept is None:
            raise Unauthorized(detail="ticket_unknown")
        order, until = _read(kept)
        if until <= self._now():
            raise Unauthorized(detail="ticket_expired")
        if order.expires_at is not None and order.expires_at <= self._now():
            raise Unauthorized(detail="ticket_of_expired_principal")
        return Principal(
            order.principal_id,
            {name: _text(value) for name, value in order.context.items()},
            kind="TICKET",
            values=order.context,
            usage_key=order.usage_identifier_key,
            expires=order.expires_at,
        )

    def _order(self, body: bytes) -> Order:
        try:
            order = msgspec.json.decode(body, type=Order)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest(f"Invalid request body: {error}") from None
        if len(msgspec.json.encode(order.context)) > MOST_CONTEXT:
            raise BadRequest(f"Invalid request body: context has more than {MOST_CONTEXT} bytes")
        if order.expires_at is not None and not self._now() < order.expires_at < MOST_TIME:
            raise BadRequest("Invalid request body: expiresAt is no time in the future (seconds of the epoch)")
        return order


def _read(kept: bytes) -> tuple[Order, float]:
    try:
        found = msgspec.json.decode(kept, type=_Kept)
    except msgspec.DecodeError as error:
        raise Unauthorized(detail="ticket_unreadable") from error
    return found.order, found.until


def _group(api_id: str, stage: str) -> str:
    return f"tickets/{api_id}/{stage}"


def _key(ticket: str) -> str:
    # Whoever reads the store learns no ticket that would let them in.
    return sha256(ticket.encode()).hexdigest()


def _text(value: _Value) -> str:
    """A context value as events show it."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
