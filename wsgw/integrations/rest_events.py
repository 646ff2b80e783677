"""What a function behind a REST API is told and what its answer means: payload format 1.0 of Lambda proxy integrations.

Keys, nulls and which of repeated values counts are as recorded on the service (2026); every event is made anew: a
handler may change it.
Source: developer guide, "Input format of a Lambda function for proxy integration" and "Output format".
"""

from __future__ import annotations

from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from wsgw.caller import Authorization, Principal
from wsgw.errors import ApiConfigurationError, FunctionError
from wsgw.integrations.proxy_result import Answer, kind, member, parsed, single_header, status_of
from wsgw.invocation import HttpInvocation, Reply
from wsgw.mapping.caller_readers import vpc_source
from wsgw.mapping.client_certificate import client_certificate
from wsgw.mapping.times import clf_time

Event = dict[str, Any]
#: Whether the first media type of a header (Content-Type, Accept) is one of the API's binaryMediaTypes.
Binary = Callable[[str | None], bool]

#: Of the client's headers, those that functions are not shown.
_DROPPED = frozenset(
    ("connection", "content-length", "content-md5", "expect", "max-forwards", "proxy-authenticate", "server", "te")
) | {"trailer", "transfer-encoding", "upgrade", "www-authenticate"}
#: Those that are spelled so, however the client spells them.
_SPELLED = {"authorization": "Authorization", "host": "Host", "user-agent": "User-Agent"}
_IDENTITY = ("accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType")
_IDENTITY_IDS = ("cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "sourceIp", "user", "userAgent")
_NO_IDENTITY: Mapping[str, str | None] = dict.fromkeys((*_IDENTITY, *_IDENTITY_IDS, "userArn"))
#: Ends the prelude of what a streaming function writes; JSON cannot hold it.
_PRELUDE_END = bytes(8)
_PRELUDE = frozenset(("statusCode", "headers", "multiValueHeaders", "cookies"))
_MEMBERS = frozenset(("statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"))


def rest_events(binary: Binary) -> Callable[[HttpInvocation], Event]:
    """Gives the event of each invocation of an API whose `binary` bodies are bytes."""

    def event(invocation: HttpInvocation) -> Event:
        result = request_members(invocation)
        context = request_context(invocation)
        if invocation.operation_name:
            context["operationName"] = invocation.operation_name
        result["requestContext"] = context
        encoded = bool(invocation.body) and binary(invocation.fields.first("content-type"))
        result["body"] = body_text(invocation.body, encoded)
        result["isBase64Encoded"] = encoded
        return result

    return event


def request_members(invocation: HttpInvocation) -> Event:
    """The event up to its requestContext: what was asked for."""
    base = invocation.base_path
    headers = shown_headers(invocation)
    query = by_name(invocation.query)
    return {
        "resource": invocation.resource_path,
        "path": f"/{base}{invocation.rest}" if base else invocation.rest,
        "httpMethod": invocation.method,
        "headers": last_of(headers),
        "multiValueHeaders": headers or None,
        "queryStringParameters": last_of(query),
        "multiValueQueryStringParameters": query or None,
        "pathParameters": dict(invocation.path_parameters) or None,
        "stageVariables": dict(invocation.site.stage_variables) or None,
    }


def request_context(invocation: HttpInvocation) -> dict[str, Any]:
    """The requestContext: by which route of which API, when, and who asked."""
    site, caller = invocation.site, invocation.caller
    context: dict[str, Any] = {
        "accountId": site.account_id,
        "apiId": site.api_id,
        "deploymentId": site.deployment_id,
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
        "resourceId": invocation.resource_id,
        "resourcePath": invocation.resource_path,
        "stage": site.stage,
    }
    principal = caller.principal
    # A caller with a signature has an identity; only an authorizer's answer has a section of its own.
    if principal is not None and principal.kind != "IAM":
        context["authorizer"] = _authorizer(principal, invocation.authorization)
    return context


def identity(invocation: HttpInvocation) -> dict[str, Any]:
    """Every key that the service shows, null where nobody says so."""
    caller = invocation.caller
    result: dict[str, Any] = dict(_NO_IDENTITY)
    if caller.principal is not None:
        result.update(caller.principal.identity)
    if caller.api_key is not None:
        result["apiKey"], result["apiKeyId"] = caller.api_key.value, caller.api_key.id
    result["sourceIp"] = caller.source_ip
    result["userAgent"] = caller.user_agent
    if caller.certificate is not None:
        result["clientCert"] = client_certificate(caller.certificate.der)
    source = vpc_source(invocation)
    if source is not None:
        result["vpcId"], result["vpceId"] = source.vpc, source.endpoint
    return result


def body_text(body: bytes, encoded: bool) -> str | None:
    """A body as events have it: null for none, text (U+FFFD for what is no UTF-8), or base64 if `encoded`."""
    if not body:
        return None
    return b64encode(body).decode("ascii") if encoded else body.decode("utf-8", "replace")


def shown_headers(invocation: HttpInvocation) -> dict[str, list[str]]:
    """All values of each header that a function may see, in order, under its first spelling. Made anew."""
    made = invocation.fields.made.get("of events")
    if made is None:
        made = invocation.fields.made["of events"] = _by_spelling(invocation.fields.lines)
    headers = {name: list(values) for name, values in made.items()}
    for name, value in invocation.forwarded:
        headers[name] = [value]
    headers["X-Amzn-Trace-Id"] = [invocation.trace]
    return headers


def rest_proxy_answer(binary: Binary) -> Answer:
    """Reads the results of functions behind a REST API; an IntegrationRequest's `target` is the client's Accept header.

    What it gives raises FunctionError (502) for what is no proxy result, ApiConfigurationError (500) for a body that
    is not the base64 that it is said to be. It has no Content-Type, no length and no remapped name of its own:
    whoever answers the client adds them.
    """

    def answer(given: Any, accept: str | None) -> Reply:
        if isinstance(given, bytes) and _PRELUDE_END in given:
            return _streamed(given)
        result = parsed(given) if isinstance(given, bytes) else given
        if not isinstance(result, dict):
            raise FunctionError(detail=f"the result is {kind(result)}, not an object")
        if not result.keys() <= _MEMBERS:
            raise FunctionError(detail=f"the result has members beyond {', '.join(sorted(_MEMBERS))}")
        body = _text(result.get("body"))
        if body and result.get("isBase64Encoded") is True and binary(accept):
            return Reply(_status(result), _decoded(body), _headers(result))
        return Reply(_status(result), body.encode("utf-8", "replace"), _headers(result))

    return answer


def _streamed(written: bytes) -> Reply:
    """What a function of response transfer mode STREAM wrote: a prelude of JSON, eight zeros, the body as it is."""
    prelude, _, body = written.partition(_PRELUDE_END)
    result = parsed(prelude)
    if not isinstance(result, dict) or not result.keys() <= _PRELUDE:
        raise FunctionError(detail="the prelude of a streamed result is no object of status, headers and cookies")
    cookies = result.get("cookies") or ()
    if not isinstance(cookies, (list, tuple)):
        raise FunctionError(detail="the cookies of a streamed result are not a list")
    return Reply(_status(result), body, [*_headers(result), *(single_header("Set-Cookie", one) for one in cookies)])


def _status(result: Mapping[str, Any]) -> int:
    if result.get("statusCode") is None:
        return 200
    status = status_of(result)
    if status is None:
        raise FunctionError(detail="the result's statusCode is no status from 200 to 599")
    return status


def _text(body: Any) -> str:
    if body is None:
        return ""
    if not isinstance(body, str):
        raise FunctionError(detail=f"the result's body is {kind(body)}, not a string")
    return body


def _decoded(body: str) -> bytes:
    try:
        return a2b_base64(body.encode("ascii"), strict_mode=True)
    except (Base64Error, UnicodeEncodeError) as error:
        raise ApiConfigurationError(detail="the result's body is not base64, as isBase64Encoded says") from error


def _headers(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """multiValueHeaders first, then headers; a name that both have is spelled as multiValueHeaders spell it."""
    headers: list[tuple[str, str]] = []
    spelled: dict[str, str] = {}
    for name, values in member(result, "multiValueHeaders").items():
        if not isinstance(values, list):
            raise FunctionError(detail="a member of multiValueHeaders is not a list")
        spelled.setdefault(str(name).lower(), name)
        headers += [single_header(name, value) for value in values if value is not None]
    for name, value in member(result, "headers").items():
        if value is not None:
            headers.append(single_header(spelled.get(str(name).lower(), name), value))
    return headers


def _authorizer(principal: Principal, authorization: Authorization | None) -> dict[str, Any]:
    if principal.claims is not None:
        return {"claims": dict(principal.claims)}
    section: dict[str, Any] = {"principalId": principal.id}
    section.update(principal.context)
    # Again, now in its place as the first: a context key of this name must not say who is calling.
    section["principalId"] = principal.id
    if authorization is not None:
        section["integrationLatency"] = authorization.function_latency
    return section


def _by_spelling(lines: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    spelled: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in lines:
        lower = name.lower()
        if lower not in _DROPPED:
            values.setdefault(spelled.setdefault(lower, _SPELLED.get(lower, name)), []).append(value)
    return values


def by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """All values of each name, in order."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def last_of(values: Mapping[str, list[str]]) -> dict[str, str] | None:
    """The last value of each name; None where there is no name."""
    return {name: each[-1] for name, each in values.items()} or None
