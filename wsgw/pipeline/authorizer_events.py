"""What an authorizer is told of a request or handshake, by the kind of API and the payload format. Never a body.

Source: developer guide, "Input to an API Gateway Lambda authorizer", "Control access to HTTP APIs with AWS Lambda
authorizers"; what is there without a value is as in its samples: `{}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from wsgw.authorizers.arns import method_arn, route_arn
from wsgw.authorizers.lambda_verifier import MakeEvent
from wsgw.definitions.api import Protocol
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.route import DEFAULT_KEY
from wsgw.integrations.http_events import events_of_1_0, events_of_2_0
from wsgw.integrations.lambda_events import handshake_members
from wsgw.integrations.rest_events import request_context, request_members
from wsgw.invocation import HttpInvocation, Invocation

Event = dict[str, Any]

#: What the event of an HTTP API's authorizer has of payload format 1.0.
_MEMBERS_OF_1_0: Final = ("resource", "path", "httpMethod", "headers", "queryStringParameters", "pathParameters")


def authorizer_events(protocol: Protocol, authorizer: Authorizer, region: str, account_id: str) -> MakeEvent:
    """What makes the event of `authorizer`, of an invocation and the values of its identity sources."""
    if protocol == "WEBSOCKET":
        return _handshakes(region)
    if protocol == "REST":
        return _tokens(region) if authorizer.type == "TOKEN" else _rest_requests(region)
    if authorizer.payload_format_version == "2.0":
        return _http_requests_2_0(region, account_id)
    return _http_requests_1_0(region, account_id)


def request_arn(invocation: HttpInvocation, region: str) -> str:
    """The ARN of what is asked for; of an HTTP API's `$default` route it names the route."""
    site = invocation.site
    if invocation.route_key == DEFAULT_KEY:
        return route_arn(region, site.account_id, site.api_id, site.stage, DEFAULT_KEY)
    return method_arn(region, site.account_id, site.api_id, site.stage, invocation.method, invocation.rest)


def _tokens(region: str) -> MakeEvent:
    def event(invocation: Invocation, values: Sequence[str]) -> Event:
        assert isinstance(invocation, HttpInvocation)
        arn = request_arn(invocation, region)
        return {"type": "TOKEN", "methodArn": arn, "authorizationToken": values[0]}

    return event


def _rest_requests(region: str) -> MakeEvent:
    def event(invocation: Invocation, values: Sequence[str]) -> Event:
        assert isinstance(invocation, HttpInvocation)
        members = {name: {} if value is None else value for name, value in request_members(invocation).items()}
        context = request_context(invocation)
        return {"type": "REQUEST", "methodArn": request_arn(invocation, region), **members, "requestContext": context}

    return event


def _handshakes(region: str) -> MakeEvent:
    def event(invocation: Invocation, values: Sequence[str]) -> Event:
        site = invocation.site
        arn = route_arn(region, site.account_id, site.api_id, site.stage, invocation.route_key)
        return {"type": "REQUEST", "methodArn": arn, **handshake_members(invocation)}

    return event


def _http_requests_2_0(region: str, account_id: str) -> MakeEvent:
    make = events_of_2_0(account_id, bodies=False)

    def event(invocation: Invocation, values: Sequence[str]) -> Event:
        assert isinstance(invocation, HttpInvocation)
        made = make(invocation)
        told = {"type": "REQUEST", "routeArn": request_arn(invocation, region), "identitySource": list(values)}
        return {"version": made.pop("version"), **told, **made}

    return event


def _http_requests_1_0(region: str, account_id: str) -> MakeEvent:
    make = events_of_1_0(account_id, bodies=False)

    def event(invocation: Invocation, values: Sequence[str]) -> Event:
        assert isinstance(invocation, HttpInvocation)
        made = make(invocation)
        made["requestContext"].pop("authorizer")
        identity = ",".join(values)
        return {
            "version": "1.0",
            "type": "REQUEST",
            "methodArn": request_arn(invocation, region),
            "identitySource": identity,
            "authorizationToken": identity,
            **{name: made[name] or {} for name in (*_MEMBERS_OF_1_0, "stageVariables")},
            "requestContext": made["requestContext"],
        }

    return event
