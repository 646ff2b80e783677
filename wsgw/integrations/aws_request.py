"""What an AWS integration's URI asks for: `arn:aws:apigateway:{region}:{service}:{path|action}/{what}` as a request.

`path/` is the service's own path, with the integration's verb. `action/` names an operation: JSON services get it as
X-Amz-Target, query services as Action and Version.
Source: developer guide, "PutIntegration", uri; what each form sends was read off the service's answers.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote_plus, urlencode

import orjson

from wsgw.authorizers.canonical import has_dot_segment
from wsgw.errors import ApiConfigurationError
from wsgw.integrations.aws_endpoints import WHOLE_NAMES, Service
from wsgw.integrations.aws_services import AwsRequest, query_of
from wsgw.integrations.aws_shapes import typed
from wsgw.invocation import Headers, IntegrationRequest

FORM = "application/x-www-form-urlencoded"
_URI = re.compile(r"arn:aws[a-z-]*:apigateway:([a-z0-9-]*):([A-Za-z0-9._-]+):(path|action)(?:/(.*))?", re.DOTALL)
_FUNCTION = re.compile(r"2015-03-31/functions/(.+)/invocations")
#: Said by the signature, the transport or us; a mapping does not get to say them.
_OURS = frozenset(("authorization", "connection", "content-length", "host", "transfer-encoding", "x-amz-date")) | {
    "x-amz-security-token",
    "x-amz-content-sha256",
}


class AwsUri(NamedTuple):
    """A URI's parts. `subdomain` stands before the service's host; `is_action` tells the two forms apart."""

    region: str
    subdomain: str
    service: str
    is_action: bool
    rest: str

    @property
    def name(self) -> str:
        """Subdomain and service, as the URI has them."""
        return f"{self.subdomain}.{self.service}" if self.subdomain else self.service


@lru_cache(maxsize=1024)
def aws_uri(uri: str) -> AwsUri:
    """The parts of an AWS integration's `uri`, without its query. Raises ApiConfigurationError."""
    found = _URI.fullmatch(uri)
    if found is None:
        raise ApiConfigurationError(
            detail=f"{uri[:200]!r} is no uri of an AWS integration: write arn:aws:apigateway:REGION:SERVICE:path/… "
            "or …:action/OPERATION"
        )
    region, name, form, rest = found.groups()
    subdomain, _, service = name.rpartition(".")
    return AwsUri(region, subdomain, service, form == "action", rest or "")


def function_of(uri: str) -> str | None:
    """The function that a Lambda invocation URI calls; None for another service's, or another operation's."""
    found = _URI.fullmatch(uri.partition("?")[0])
    if found is None or found[2] != "lambda" or found[3] != "path":
        return None
    function = _FUNCTION.fullmatch(found[4] or "")
    return None if function is None else function[1]


def service_request(uri: AwsUri, service: Service, request: IntegrationRequest, role: str | None) -> AwsRequest:
    """`request`, whose url is the URI with its variables filled in, as the request that `service` gets.

    Raises ApiConfigurationError where the service has no such form, or the path would lead elsewhere.
    """
    query = query_of(request.url.partition("?")[2])
    headers = _headers(request)
    if uri.is_action:
        return _action(uri.rest, service, query, headers, request, role)
    path = f"/{uri.rest}"
    prefix = f"{uri.subdomain}." if uri.subdomain and uri.name not in WHOLE_NAMES else ""
    if prefix and service.custom and service.signing_name == "s3":
        path, prefix = f"/{uri.subdomain}{path}", ""
    if has_dot_segment(path):
        raise ApiConfigurationError(detail="a mapped path parameter makes a dot segment")
    return AwsRequest(request.method, path, query, headers, request.body, request.timeout, prefix, role)


def _action(
    action: str,
    service: Service,
    query: list[tuple[str, str]],
    headers: Headers,
    request: IntegrationRequest,
    role: str | None,
) -> AwsRequest:
    metadata = service.metadata
    if not action.isalnum():
        raise ApiConfigurationError(detail=f"{action[:100]!r} names no operation: write action/OPERATION")
    if metadata.get("protocol") in ("query", "ec2") or ("awsQueryCompatible" in metadata and not _is_json(request)):
        return _query_action(action, service, query, headers, request, role)
    if "targetPrefix" not in metadata:
        raise ApiConfigurationError(
            detail=f"{service.signing_name} has no operations by name: write its uri as path/…, with the HTTP method"
        )
    body = request.body or b"{}"
    if wraps(service):
        body = orjson.dumps(typed(service.model, action, _parameters(query, headers, request.body)))
        query = []
    kind = f"application/x-amz-json-{metadata.get('jsonVersion', '1.0')}"
    given = _header(headers, "content-type")
    if given is None or given.partition(";")[0].strip() in ("application/json", FORM):
        headers = [*_without(headers, "content-type"), ("Content-Type", kind)]
    target = ("X-Amz-Target", f"{metadata['targetPrefix']}.{action}")
    headers = [*_without(headers, "x-amz-target"), target]
    return AwsRequest("POST", "/", query, headers, body, request.timeout, "", role)


def wraps(service: Service) -> bool:
    """Whether the service is asked by parameters and answers in its operation's envelope. Recorded for ssm."""
    return service.signing_name == "ssm"


def in_envelope(action: str, body: bytes, request_id: str) -> bytes:
    """A JSON answer as API Gateway gives those of `wraps` services."""
    metadata = b'"ResponseMetadata":' + orjson.dumps({"RequestId": request_id})
    return b'{"%sResponse":{"%sResult":%s,%s}}' % (action.encode(), action.encode(), body or b"null", metadata)


def _query_action(
    action: str,
    service: Service,
    query: list[tuple[str, str]],
    headers: Headers,
    request: IntegrationRequest,
    role: str | None,
) -> AwsRequest:
    called = [("Action", action), ("Version", str(service.metadata["apiVersion"]))]
    # A body may be the client's: a second Action would have the gateway sign for another operation.
    query = [pair for pair in query if not _names_operation(pair[0])]
    if request.method == "GET":
        return AwsRequest("GET", "/", [*called, *query], headers, b"", request.timeout, "", role)
    form = urlencode(called).encode()
    parts = [form, *(f"{name}={value}".encode() for name, value in query)]
    if _is_form(headers) and request.body:
        said = request.body.split(b"&")
        parts += [part for part in said if not _names_operation(part.partition(b"=")[0].decode("latin-1"))]
    headers = [*_without(headers, "content-type"), ("Content-Type", FORM)]
    return AwsRequest(request.method, "/", [], headers, b"&".join(parts), request.timeout, "", role)


def _names_operation(name: str) -> bool:
    return unquote_plus(name).strip().lower() in ("action", "version")


def _headers(request: IntegrationRequest) -> Headers:
    """The mapped headers and those made once (`lines`), Accept, and a Content-Type where a body is possible."""
    headers = [(name, value) for name, value in request.headers if name.lower() not in _OURS]
    if request.lines:
        known = {name.lower() for name, _ in headers}
        for line in request.lines.decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon and name.lower() not in known and name.lower() not in _OURS:
                headers.append((name, value.strip()))
    if request.method not in ("GET", "HEAD", "DELETE") and _header(headers, "content-type") is None:
        headers.append(("Content-Type", "application/json"))
    if _header(headers, "accept") is None:
        # Services of the query protocol answer in XML otherwise.
        headers.append(("Accept", "application/json"))
    return headers


def _header(headers: Headers, wanted: str) -> str | None:
    return next((value for name, value in headers if name.lower() == wanted), None)


def _without(headers: Headers, unwanted: str) -> list[tuple[str, str]]:
    return [pair for pair in headers if pair[0].lower() != unwanted]


def _is_form(headers: Headers) -> bool:
    return (_header(headers, "content-type") or "").lower().startswith(FORM)


def _is_json(request: IntegrationRequest) -> bool:
    """Whether a service that speaks both is meant to read the body as its JSON input."""
    return request.body.lstrip()[:1] == b"{" and "?" not in request.url and not _is_form(request.headers)


def _parameters(query: list[tuple[str, str]], headers: Headers, body: bytes) -> dict[str, Any]:
    """An operation's input: a JSON body's members, or a form's, and the mapped query's."""
    given: dict[str, Any] = {}
    if body and _is_form(headers):
        query = [*query, *query_of(body.decode("latin-1"))]
    elif body:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            document = None
        given = document if isinstance(document, dict) else {}
    said = {unquote_plus(name): unquote_plus(value) for name, value in query}
    said.pop("Action", None)
    said.pop("Version", None)
    return {**given, **said}
