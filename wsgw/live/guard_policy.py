"""Resource policies, and what principals' own policies allow, made ready.

Which of the two is asked when, and whether one is enough, depends on how a route's callers are authorized: developer
guide, "How API Gateway resource policies affect authorization workflow".
"""

from __future__ import annotations

from typing import cast

from wsgw.authorizers.arns import literal, method_arn, route_arn
from wsgw.authorizers.facts import InvocationFacts, VpcSources
from wsgw.authorizers.grants import Grants
from wsgw.authorizers.policy import PolicyError
from wsgw.authorizers.resource_policy import resource_policy
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import DEFAULT_KEY, Route
from wsgw.invocation import HttpInvocation, Invocation
from wsgw.live.parts import Parts
from wsgw.pipeline.permit import (
    ArnOf,
    FactsOf,
    Place,
    http_wording,
    limited,
    must_be_allowed,
    must_not_be_denied,
    nobody,
    permit,
    rest_wording,
    websocket_wording,
)
from wsgw.pipeline.run import Step

#: Authorization that says who is calling, and nothing of what they may.
_WITHOUT_POLICIES = frozenset(("COGNITO_USER_POOLS", "JWT"))


def policy_steps(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """What the resource policy says before anybody is asked who they are. Raises ValueError."""
    policy = _policy(api, parts)
    place = _place(api, stage, route, parts)
    if policy is None:
        return [nobody(place)] if api.private else []
    if route.authorization_type == "NONE":
        return [must_be_allowed(policy, place)]
    return [must_not_be_denied(policy, place)] if route.authorization_type == "CUSTOM" else []


def permit_steps(api: Api, stage: Stage, route: Route, parts: Parts) -> list[Step]:
    """Whether who is calling may: their policies together with the resource policy. Raises ValueError."""
    policy = _policy(api, parts)
    kind = route.authorization_type
    if kind == "NONE" or (kind in _WITHOUT_POLICIES and policy is None):
        return []
    place = _place(api, stage, route, parts)
    if policy is not None and kind in _WITHOUT_POLICIES:
        return [must_be_allowed(policy, place)]
    return [permit(policy, place, parts.settings.account_id)]


def request_facts(parts: Parts) -> FactsOf:
    """Gives what policies may ask about an invocation."""
    region, clock = parts.settings.region, parts.access.now
    vpcs = vpc_sources(parts)
    return lambda invocation: InvocationFacts(invocation, clock, region, vpcs)


def vpc_sources(parts: Parts) -> VpcSources:
    """The networks that stand for VPCs and their endpoints: the node's."""
    texts = parts.settings.vpc_sources
    return parts.access.kept(("vpc_sources", texts), lambda: VpcSources(texts))


def _policy(api: Api, parts: Parts) -> Grants | None:
    if api.policy is None:
        return None
    settings = parts.settings
    try:
        return resource_policy(api.policy, settings.region, settings.account_id, api.id)
    except PolicyError as error:
        raise ValueError(f"the resource policy: {'; '.join(error.faults)}") from error


def _place(api: Api, stage: Stage, route: Route, parts: Parts) -> Place:
    facts = request_facts(parts)
    if api.protocol == "WEBSOCKET":
        name = route_arn(parts.settings.region, parts.settings.account_id, api.id, stage.name, route.key)
        return Place(lambda _invocation: name, facts, websocket_wording)
    arn = _arn_of_requests(api, stage, parts)
    if api.protocol == "REST":
        return Place(limited(arn), facts, rest_wording, slashes=True)
    if route.authorization_type == "CUSTOM" and route.key == DEFAULT_KEY:
        # What its authorizer was told: a policy that allows the routeArn allows it.
        name = route_arn(parts.settings.region, parts.settings.account_id, api.id, stage.name, DEFAULT_KEY)
        return Place(lambda _invocation: name, facts, http_wording)
    return Place(arn, facts, http_wording)


def _arn_of_requests(api: Api, stage: Stage, parts: Parts) -> ArnOf:
    prefix = method_arn(parts.settings.region, parts.settings.account_id, api.id, stage.name, "", "")

    def arn(invocation: Invocation) -> str:
        request = cast(HttpInvocation, invocation)
        return prefix + literal(request.method + request.rest)

    return arn
