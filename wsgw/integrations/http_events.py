"""What a function behind an HTTP API is told: payload formats 2.0 and 1.0. Every event is made anew.

`Shown` is the request as its mapping has left it; without a mapping, events show the request as it came.
Source: developer guide, "Create AWS Lambda proxy integrations for HTTP APIs", with its samples of both formats.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote

from wsgw.caller import Principal
from wsgw.definitions.route import DEFAULT_KEY
from wsgw.integrations.rest_events import by_name, identity, last_of
from wsgw.invocation import Headers, HttpInvocation
from wsgw.mapping.client_certificate import client_certificate
from wsgw.mapping.times import clf_time

Event = dict[str, Any]

#: Of one hop only: not what the client says to a function.
_OF_ONE_HOP = frozenset(
    ("connection", "expect", "http2-settings", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding")
) | {"upgrade"}
_TEXT_TYPES = frozenset(("application/json", "application/javascript", "application/xml"))


class Shown(NamedTuple):
    """A request as a function is shown it: `query` decoded, `raw_query` as it stands behind the `?`; `path` raw."""

    headers: Headers
    query: Headers
    raw_query: str
    path: str


class MakeEvent(Protocol):
    """Gives the event of an invocation; `shown` None: as it came."""

    def __call__(self, invocation: HttpInvocation, shown: Shown | None = None, /) -> Event: ...


def events_of_2_0(account_id: str, *, bodies: bool = True) -> MakeEvent:
    """Payload format 2.0: one value per name, repeats joined with commas; members without a value are left out.

    bodies: with the request's body, and how it is encoded; authorizers are told neither.
    """

    def event(invocation: HttpInvocation, shown: Shown | None = None, /) -> Event:
        if shown is None:
            shown = as_it_came(invocation)
        headers = _headers_by_name(shown.headers)
        cookies = headers.pop("cookie", None)
        site = invocation.site
        result: Event = {
            "version": "2.0",
            "routeKey": invocation.route_key,
            "rawPath": shown.path,
            "rawQueryString": shown.raw_query,
        }
        if cookies is not None:
            result["cookies"] = [part for line in cookies for one in line.split(";") if (part := one.strip())]
        result["headers"] = {name: ",".join(values) for name, values in headers.items()}
        if shown.query:
            result["queryStringParameters"] = {name: ",".join(v) for name, v in by_name(shown.query).items()}
        result["requestContext"] = _context_of_2_0(invocation, shown.path, account_id)
        encoded = False
        if bodies and invocation.body:
            result["body"], encoded = _body(invocation)
        if invocation.path_parameters:
            result["pathParameters"] = {name: unquote(value) for name, value in invocation.path_parameters.items()}
        if bodies:
            result["isBase64Encoded"] = encoded
        if site.stage_variables:
            result["stageVariables"] = dict(site.stage_variables)
        return result

    return event


def events_of_1_0(account_id: str, *, bodies: bool = True) -> MakeEvent:
    """Payload format 1.0: as REST APIs have it, and `version`; members without a value are null.

    bodies: with the request's body, which authorizers are not told.
    """

    def event(invocation: HttpInvocation, shown: Shown | None = None, /) -> Event:
        base = invocation.base_path
        path = f"/{base}{invocation.rest}" if base else invocation.rest
        if shown is None:
            shown = as_it_came(invocation)
        elif shown.path != invocation.path:
            path = shown.path
        headers = {_capitalized(name): values for name, values in _headers_by_name(shown.headers).items()}
        query = by_name(shown.query)
        body, encoded = _body(invocation) if bodies and invocation.body else (None, False)
        return {
            "version": "1.0",
            "resource": _resource(invocation),
            "path": path,
            "httpMethod": invocation.method,
            "headers": last_of(headers),
            "multiValueHeaders": headers or None,
            "queryStringParameters": last_of(query),
            "multiValueQueryStringParameters": query or None,
            "requestContext": _context_of_1_0(invocation, account_id),
            "pathParameters": {name: unquote(value) for name, value in invocation.path_parameters.items()} or None,
            "stageVariables": dict(invocation.site.stage_variables) or None,
            "body": body,
            "isBase64Encoded": encoded,
        }

    return event


def as_it_came(invocation: HttpInvocation) -> Shown:
    """The request with nothing mapped."""
    return Shown(invocation.headers, invocation.query, invocation.raw_query, invocation.path)


def _context_of_2_0(invocation: HttpInvocation, path: str, account_id: str) -> dict[str, Any]:
    caller = invocation.caller
    context: dict[str, Any] = {
        "accountId": account_id,
        "apiId": invocation.site.api_id,
        "domainName": caller.domain_name,
        "domainPrefix": invocation.domain_prefix,
        "http": {
            "method": invocation.method,
            "path": path,
            "protocol": invocation.protocol,
            "sourceIp": caller.source_ip,
            "userAgent": caller.user_agent or "",
        },
        "requestId": invocation.request_id,
        "routeKey": invocation.route_key,
        "stage": invocation.site.stage,
        "time": clf_time(invocation.request_time),
        "timeEpoch": invocation.request_time,
    }
    if caller.principal is not None:
        context["authorizer"] = _authorizer_of_2_0(caller.principal)
    if caller.certificate is not None:
        context["authentication"] = {"clientCert": client_certificate(caller.certificate.der)}
    return context


def _context_of_1_0(invocation: HttpInvocation, account_id: str) -> dict[str, Any]:
    caller = invocation.caller
    return {
        "accountId": account_id,
        "apiId": invocation.site.api_id,
        "authorizer": _authorizer_of_1_0(caller.principal),
        "domainName": caller.domain_name,
        "domainPrefix": invocation.domain_prefix,
        "extendedRequestId": invocation.extended_request_id,
        "httpMethod": invocation.method,
        "identity": identity(invocation),
        "path": invocation.path,
        "protocol": invocation.protocol,
        "requestId": invocation.request_id,
        "requestTime": clf_time(invocation.request_time),
        "requestTimeEpoch": invocation.request_time,
        "resourceId": None,
        "resourcePath": _resource(invocation),
        "stage": invocation.site.stage,
    }


def _authorizer_of_2_0(principal: Principal) -> dict[str, Any]:
    if principal.kind == "IAM":
        identity = principal.identity
        return {
            "iam": {
                "accessKey": identity.get("accessKey"),
                "accountId": identity.get("accountId"),
                "callerId": identity.get("caller"),
                "cognitoIdentity": None,
                "principalOrgId": identity.get("principalOrgId"),
                "userArn": identity.get("userArn"),
                "userId": identity.get("user"),
            }
        }
    if principal.claims is not None:
        return {"jwt": _claims(principal)}
    return {"lambda": dict(principal.values)}


def _authorizer_of_1_0(principal: Principal | None) -> dict[str, Any]:
    if principal is None or principal.kind == "IAM":
        return {"claims": None, "scopes": None}
    if principal.claims is not None:
        return _claims(principal)
    return {**principal.context, "principalId": principal.id}


def _claims(principal: Principal) -> dict[str, Any]:
    scopes = principal.scopes
    return {"claims": dict(principal.claims or {}), "scopes": list(scopes) if scopes else None}


def _resource(invocation: HttpInvocation) -> str:
    return f"/{DEFAULT_KEY}" if invocation.route_key == DEFAULT_KEY else invocation.resource_path


def _body(invocation: HttpInvocation) -> tuple[str, bool]:
    """The body as events have it, and whether that is base64: it is unless it is surely text."""
    body, fields = invocation.body, invocation.fields
    if _is_text(fields.first("content-type") or "") and (fields.first("content-encoding") or "identity") == "identity":
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            # Not in UTF-8, whatever it says: base64 is all that brings it to the function as it was sent.
            pass
    return b64encode(body).decode("ascii"), True


def _is_text(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type.startswith("text/") or media_type in _TEXT_TYPES or media_type.endswith(("+json", "+xml"))


def _headers_by_name(headers: Headers) -> dict[str, list[str]]:
    """All values of each header in order, by its name in lower case, but those of one hop."""
    values = by_name((name.lower(), value) for name, value in headers)
    return {name: each for name, each in values.items() if name not in _OF_ONE_HOP}


def _capitalized(name: str) -> str:
    return "-".join([part.capitalize() for part in name.split("-")])
