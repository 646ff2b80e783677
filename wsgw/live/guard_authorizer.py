"""A route's authorizer made ready, by its type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wsgw.authorizers.base import Verifier
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.authorizer import Authorizer, AuthorizerType
from wsgw.definitions.check_guard import AUTHORIZATION
from wsgw.definitions.route import Route
from wsgw.live.guard_function import function_verifier
from wsgw.live.guard_iam import iam_verifier
from wsgw.live.guard_jwt import cognito_verifier, jwt_verifier
from wsgw.live.parts import Parts
from wsgw.pipeline.authorize import authorize
from wsgw.pipeline.run import Step

#: Makes what one authorizer verifies the callers of one route with. Raises ValueError for what cannot be made ready.
MakeVerifier = Callable[[Api, Stage, Route, Authorizer, Parts], Verifier]

_MAKERS: Final[dict[AuthorizerType, MakeVerifier]] = {
    "TOKEN": function_verifier,
    "REQUEST": function_verifier,
    "JWT": jwt_verifier,
    "COGNITO_USER_POOLS": cognito_verifier,
}


def authorizer_steps(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """What finds out who is calling `route`, nobody of whom it was revoked: nothing, or one step. Raises ValueError."""
    kind = route.authorization_type
    if kind == "NONE":
        return []
    if kind == "AWS_IAM":
        return [authorize(iam_verifier(api, stage, route, parts), parts.access.revoked)]
    authorizer = api.authorizers.get(route.authorizer or "")
    if authorizer is None or authorizer.type not in AUTHORIZATION[api.protocol].get(kind, ()):
        # What is wrong with it, guards() has found out; here it is just not let pass.
        raise ValueError(f"authorizationType {kind}: there is no authorizer of this type to ask")
    verifier = _MAKERS[authorizer.type](api, stage, route, authorizer, parts)
    return [authorize(verifier, parts.access.revoked)]
