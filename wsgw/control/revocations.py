"""The control port's /revocations and /principals: whom to refuse from now on, and whose connections to end.

POST   /revocations                 {"principalId" | "accessKeyId" | "apiKeyId": NAME, "until": epoch seconds}
GET    /revocations
DELETE /revocations/{kind}/{name}   let in again; kind: principal, accessKey, apiKey
DELETE /principals/{principalId}    end its connections with 1000; query: api, stage
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from wsgw.authorizers.revoked import KINDS
from wsgw.control.guard import json_response
from wsgw.edge.authority import Authority
from wsgw.edge.revocations import described
from wsgw.errors import StoreUnavailable

_MEMBERS: Final = {f"{kind}Id": kind for kind in KINDS}
_LONGEST: Final = 1_024
#: The end of the year 9999: later ones cannot be shown as a date.
_LATEST: Final = 253_402_300_799


class RevocationRoutes:
    """Answers them for the whole cluster, on whichever node is asked. `now` gives epoch seconds."""

    def __init__(self, authority: Authority, now: Callable[[], float]) -> None:
        self._authority = authority
        self._now = now

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/revocations", self.list)
        app.router.add_post("/revocations", self.revoke)
        app.router.add_delete("/revocations/{kind}/{name}", self.lift)
        app.router.add_delete("/principals/{principal}", self.end)

    async def list(self, request: web.Request) -> web.StreamResponse:
        """Every revocation in force."""
        return json_response(200, {"revocations": list(described(self._authority.revocations()))})

    async def revoke(self, request: web.Request) -> web.StreamResponse:
        """Refuse one principal or key from now on, and close what it has opened with 4401."""
        try:
            kind, name, until = _asked(await request.read(), self._now())
        except ValueError as error:
            return json_response(400, {"message": str(error)})
        try:
            one = await self._authority.revoke(kind, name, until)
        except StoreUnavailable as error:
            return _away(error)
        return json_response(200, {"kind": kind, "name": name, "at": one.at, "until": one.until})

    async def lift(self, request: web.Request) -> web.StreamResponse:
        """Let it in again."""
        kind, name = request.match_info["kind"], request.match_info["name"]
        if kind not in KINDS:
            return json_response(400, {"message": f"kind: expected {', '.join(KINDS)}"})
        try:
            lifted = await self._authority.lift(kind, name)
        except StoreUnavailable as error:
            return _away(error)
        return web.Response(status=204) if lifted else json_response(404, {"message": "It is not revoked"})

    async def end(self, request: web.Request) -> web.StreamResponse:
        """End all connections of a principal: 202, for other nodes do it when they have heard of it."""
        api, stage = request.query.get("api", ""), request.query.get("stage", "")
        if bool(api) != bool(stage):
            return json_response(400, {"message": "api, stage: expected both, or neither"})
        try:
            await self._authority.end_principal(request.match_info["principal"], api, stage)
        except StoreUnavailable as error:
            return _away(error)
        return json_response(202, {})


def _asked(body: bytes, now: float) -> tuple[str, str, float | None]:
    """Kind, name and end of what is to be revoked. Raises ValueError with what is wrong."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError("expected a JSON object") from None
    named = [member for member in _MEMBERS if isinstance(document, dict) and member in document]
    if len(named) != 1:
        raise ValueError(f"expected exactly one of {', '.join(_MEMBERS)}")
    unknown = sorted(set(document) - {*named, "until"})
    if unknown:
        raise ValueError(f"{unknown[0]}: there is no such member")
    (member,) = named
    name = document[member]
    if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST:
        raise ValueError(f"{member}: expected a text of 1 to {_LONGEST} characters")
    return _MEMBERS[member], name, _end(document.get("until"), now)


def _end(until: Any, now: float) -> float | None:
    if until is None:
        return None
    if not isinstance(until, int | float) or isinstance(until, bool) or not until <= _LATEST:
        raise ValueError("until: expected seconds of the epoch")
    if until <= now:
        # It would be said to be revoked, and nobody would be refused.
        raise ValueError("until: it has passed")
    return until


def _away(error: StoreUnavailable) -> web.Response:
    return json_response(503, {"message": f"Nothing was changed, for the store does not answer: {error}"})
