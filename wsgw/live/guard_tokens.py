"""What keeps a WebSocket stage's authorization true, made ready: tickets, tokens that end, another token in band."""

from __future__ import annotations

from typing import NamedTuple

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.check_tokens import token_places
from wsgw.definitions.route import Route
from wsgw.invocation import Headers
from wsgw.live.guard_authorizer import authorizer_steps
from wsgw.live.guard_policy import permit_steps
from wsgw.live.parts import Parts
from wsgw.live.route_steps import live_route
from wsgw.live.route_table import LiveRoute, LiveSocketStage
from wsgw.pipeline.credentials import hide_token, without_ticket
from wsgw.pipeline.run import Step


def known_callers(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """Who is calling and whether they may, of any route: nobody of whom it was revoked. Raises ValueError."""
    steps = [*authorizer_steps(api, stage, route, parts), *permit_steps(api, stage, route, parts)]
    if api.protocol != "WEBSOCKET" or route.key != "$connect":
        return steps
    places = stage.tokens
    if places.ticket and steps:
        # Its handshake has looked whether who shows a ticket was revoked.
        steps = [without_ticket(steps)]
    return [*steps, hide_token] if places.subprotocol or places.query or places.cookie else steps


class Reauthorization(NamedTuple):
    """How another token of an open connection is looked at: by the steps that know callers of `$connect`.

    `header` or `parameter` names the place that the authorizer looks for it in; the other one is "".
    """

    route: LiveRoute
    header: str
    parameter: str

    def headers(self, token: str) -> Headers:
        if not self.header:
            return []
        return [(self.header, f"Bearer {token}" if self.header.lower() == "authorization" else token)]

    def query(self, token: str) -> Headers:
        return [(self.parameter, token)] if self.parameter else []


def keep_true(live: LiveSocketStage, api: Api, stage: Stage, parts: Parts) -> None:
    """Fill in what `live`, which is described already, has of it. Raises DefinitionError."""
    places = stage.tokens
    live.tokens = places if places.subprotocol or places.query or places.cookie or places.ticket else None
    live.token_expiry = stage.token_expiry
    live.reauthorization = None
    connect = api.routes.get("$connect")
    guarded = connect is not None and connect.authorization_type != "NONE"
    live.ticket_wanted = bool(places.ticket) and not guarded
    if stage.token_expiry == "REFRESH" and connect is not None and guarded:
        live.reauthorization = _reauthorization(api, stage, connect, parts)


def _reauthorization(api: Api, stage: Stage, connect: Route, parts: Parts) -> Reauthorization:
    """Raises DefinitionError as `$connect` does. That there is one place for another token, check_tokens has found."""

    def steps_for(api: Api, stage: Stage, route: Route, parts: Parts) -> tuple[Step, ...]:
        return (*authorizer_steps(api, stage, route, parts), *permit_steps(api, stage, route, parts))

    route = live_route(api, stage, connect, parts, steps_for)
    ((place, name),) = token_places(api.authorizers[connect.authorizer or ""])
    return Reauthorization(route, name if place == "header" else "", name if place == "querystring" else "")
