"""What is said about tokens that the authorizer of `$connect` would not find, or could not be shown again."""

from __future__ import annotations

from typing import Any

import pytest

from wsgw.definitions.access import TokenPlaces
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.check_tokens import check_tokens
from wsgw.definitions.route import Route

AUTHORIZATION = "route.request.header.Authorization"
IN_QUERY = "route.request.querystring.t"


def said(*sources: str, kind: str = "CUSTOM", tokens: TokenPlaces | None = None, **members: Any) -> list[str]:
    authorizer = Authorizer(id="x1", name="login", type="REQUEST", identity_sources=sources)
    connect = Route(key="$connect", authorization_type=kind, authorizer=None if kind in ("NONE", "AWS_IAM") else "x1")
    one = Api(id="c", name="c", protocol="WEBSOCKET", routes={"$connect": connect}, authorizers={"x1": authorizer})
    stage = Stage(name="prod", tokens=tokens or TokenPlaces(), **members)
    return [str(finding) for finding in check_tokens(("s",), one, stage)]


@pytest.mark.parametrize("sources", [(), (AUTHORIZATION,), ("route.request.header.authorization",)])
def test_a_token_that_is_found_is_not_remarked_on(sources: tuple[str, ...]):
    places = TokenPlaces(subprotocol=True, query="t", cookie="c", ticket="k")
    assert said(*sources, tokens=places, token_expiry="REFRESH") == []


@pytest.mark.parametrize("kind", ["NONE", "AWS_IAM"])
def test_close_asks_nothing_of_authorizers(kind: str):
    assert said(kind=kind, token_expiry="CLOSE") == []


def test_a_signature_cannot_be_refreshed():
    (one,) = said(kind="AWS_IAM", token_expiry="REFRESH")
    assert one.startswith("error: s.tokenExpiry: a signature cannot be shown again")


@pytest.mark.parametrize("sources", [(AUTHORIZATION, IN_QUERY), ("context.identity.sourceIp",)])
def test_refresh_wants_one_place_of_a_token(sources: tuple[str, ...]):
    (one,) = said(*sources, token_expiry="REFRESH")
    assert one.startswith("error: s.tokenExpiry: REFRESH needs one place of the request")


@pytest.mark.parametrize("member", ["query", "ticket"])
def test_a_parameter_that_is_taken_away_cannot_be_the_identity_source(member: str):
    found = said(IN_QUERY, tokens=TokenPlaces(**{member: "t"}))
    assert found[0].startswith(f"error: s.tokens.{member}: t is taken out of the query before login looks for it there")


@pytest.mark.parametrize("places", [{"subprotocol": True}, {"query": "q"}, {"cookie": "c"}], ids=str)
def test_a_token_that_nobody_looks_for_is_a_warning(places: dict[str, Any]):
    (one,) = said("route.request.header.x-token", tokens=TokenPlaces(**places))
    assert one.startswith(f"warning: s.tokens.{next(iter(places))}: login does not look where it then finds the token")
