"""What is wrong with the authorizers of an API: types, what they call, where identities are, how long results are kept.

Whether their regular expressions compile is proved in `live/prove_access.py`.
Source: API references, CreateAuthorizer of both versions; developer guide, "Use API Gateway Lambda authorizers",
"Control access to HTTP APIs with JWT authorizers" and "Amazon API Gateway quotas and important notes".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from wsgw.definitions.api import Api, Protocol
from wsgw.definitions.authorizer import AUTHORIZER_TIMEOUT_MS, MOST_RESULT_TTL, Authorizer
from wsgw.definitions.check_parts import FUNCTION, PYTHON, URL, check_time, check_variables
from wsgw.definitions.finding import Finding, Path, error, warning

MOST_AUTHORIZERS = 10
MOST_AUDIENCES = 50
#: The types that each kind of API has. JWT for WebSocket APIs is ours.
TYPES: Final[dict[Protocol, tuple[str, ...]]] = {
    "REST": ("TOKEN", "REQUEST", "COGNITO_USER_POOLS"),
    "HTTP": ("REQUEST", "JWT"),
    "WEBSOCKET": ("REQUEST", "JWT"),
}
_KINDS: Final[dict[Protocol, str]] = {"REST": "a REST API", "HTTP": "an HTTP API", "WEBSOCKET": "a WebSocket API"}
_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
#: Of each kind of API: what an identity source is, and how it is written.
_SOURCES: Final[dict[Protocol, tuple[re.Pattern[str], str]]] = {
    "REST": (
        re.compile(rf"(method\.request\.(header|querystring)|stageVariables|context)\.{_NAME}"),
        "method.request.header.NAME, method.request.querystring.NAME, stageVariables.NAME or context.NAME",
    ),
    "WEBSOCKET": (
        re.compile(rf"(route\.request\.(header|querystring)|stageVariables|context)\.{_NAME}"),
        "route.request.header.NAME, route.request.querystring.NAME, stageVariables.NAME or context.NAME",
    ),
    "HTTP": (
        re.compile(rf"\$(request\.(header|querystring)|stageVariables|context)\.{_NAME}"),
        "$request.header.NAME, $request.querystring.NAME, $stageVariables.NAME or $context.NAME",
    ),
}
#: Where a JWT authorizer may look, and TOKEN and COGNITO_USER_POOLS ones.
_JWT_SOURCES: Final[dict[Protocol, tuple[re.Pattern[str], str]]] = {
    "HTTP": (
        re.compile(rf"\$request\.(header|querystring)\.{_NAME}"),
        "$request.header.NAME or $request.querystring.NAME",
    ),
    "WEBSOCKET": (
        re.compile(rf"route\.request\.(header|querystring)\.{_NAME}"),
        "route.request.header.NAME or route.request.querystring.NAME",
    ),
}
_HEADER = (re.compile(rf"method\.request\.header\.{_NAME}"), "method.request.header.NAME")
#: What is wrong with keys that are `anybodys`.
ANYBODYS: Final = "keys that come over plain HTTP could be anybody's"
_POOL = re.compile(
    r"arn:[a-z-]+:cognito-idp:[a-z0-9-]+:[0-9]+:userpool/[\w-]+|.*\$\{stageVariables\.[A-Za-z0-9_]+\}.*", re.ASCII
)


def check_authorizers(path: Path, api: Api) -> Iterator[Finding]:
    """What is wrong with the authorizers of `api`, at `path`."""
    if len(api.authorizers) > MOST_AUTHORIZERS:
        message = f"{len(api.authorizers)} authorizers; API Gateway allows {MOST_AUTHORIZERS} unless asked for more"
        yield warning((*path, "authorizers"), message)
    for authorizer in api.authorizers.values():
        yield from check_authorizer((*path, "authorizers", authorizer.name), api, authorizer)


def check_authorizer(path: Path, api: Api, authorizer: Authorizer) -> Iterator[Finding]:
    """What is wrong with `authorizer` of `api`, at `path`."""
    if authorizer.type not in TYPES[api.protocol]:
        message = f"{_KINDS[api.protocol]} has no {authorizer.type} authorizers"
        yield error((*path, "type"), message, f"use {' or '.join(TYPES[api.protocol])}")
        return
    if authorizer.type in ("TOKEN", "REQUEST"):
        yield from _called(path, api, authorizer)
    elif authorizer.type == "JWT":
        yield from _jwt(path, api, authorizer)
    else:
        yield from _pools(path, api, authorizer)
    yield from _sources(path, api, authorizer)
    yield from _remembered(path, api, authorizer)
    yield from _unused(path, api, authorizer)
    yield from check_time((*path, "timeoutMs"), api, authorizer.timeout_ms, AUTHORIZER_TIMEOUT_MS)


def _called(path: Path, api: Api, authorizer: Authorizer) -> Iterator[Finding]:
    at: Path = (*path, "uri")
    if not authorizer.uri:
        remedy = "add it, as lambda:NAME, https://HOST/PATH or python:MODULE:FUNCTION"
        yield error(at, "it says what is asked about callers, and is missing", remedy)
    elif authorizer.called == "LAMBDA" and not FUNCTION.fullmatch(authorizer.uri):
        remedy = "write lambda:NAME or its ARN, https://HOST/PATH or python:MODULE:FUNCTION"
        yield error(at, "not a Lambda function", remedy)
    elif authorizer.called == "PYTHON" and not PYTHON.fullmatch(authorizer.uri):
        yield error(at, "not a Python function", "write python:MODULE:FUNCTION, as python:chat.auth:verify")
    elif authorizer.called == "HTTP" and not URL.fullmatch(authorizer.uri):
        yield error(at, "not a URL that can be called", "write http://HOST/PATH or https://HOST/PATH")
    yield from check_variables(at, api, authorizer.uri)
    if authorizer.simple_responses and (api.protocol != "HTTP" or authorizer.payload_format_version != "2.0"):
        message = "only functions of HTTP APIs that get payload 2.0 may answer so"
        remedy = "write authorizerPayloadFormatVersion: '2.0'" if api.protocol == "HTTP" else "remove it"
        yield error((*path, "enableSimpleResponses"), message, remedy)
    if api.protocol == "WEBSOCKET" and authorizer.payload_format_version != "1.0":
        message = "only HTTP APIs have payload formats: this has no effect"
        yield warning((*path, "payloadFormatVersion"), message, "remove it")


def _jwt(path: Path, api: Api, authorizer: Authorizer) -> Iterator[Finding]:
    if api.protocol == "WEBSOCKET":
        yield warning((*path, "type"), "API Gateway has no JWT authorizers for WebSocket APIs; this gateway does")
    if not authorizer.issuer:
        message = "it says whose tokens are taken, and is missing"
        yield error((*path, "issuer"), message, "add it, as https://HOST/PATH")
    elif authorizer.jwks_uri is None:
        yield from _issuer((*path, "issuer"), authorizer.issuer)
    if not authorizer.audience:
        message = "without an audience a token for any other service would do"
        yield error((*path, "audience"), message, "name one, or up to 50")
    elif len(authorizer.audience) > MOST_AUDIENCES:
        yield error((*path, "audience"), f"more than {MOST_AUDIENCES} audiences", "remove some")
    elif not all(authorizer.audience):
        yield error((*path, "audience"), "an empty audience", "fill it in, or remove it")
    if authorizer.jwks_uri is not None:
        yield from _keys((*path, "jwksUri"), authorizer.jwks_uri)


def _issuer(path: Path, issuer: str) -> Iterator[Finding]:
    scheme, host = _address(issuer)
    if scheme not in ("https", "http") or not host:
        yield error(path, "not a URL that an issuer can have", "write https://HOST/PATH")
    elif anybodys(issuer):
        yield error(path, ANYBODYS, "use https://")
    elif scheme == "http":
        yield warning(path, "API Gateway takes https:// alone; this is for trying things out")


def _keys(path: Path, uri: str) -> Iterator[Finding]:
    scheme, host = _address(uri)
    if uri.startswith("file:") and len(uri) > len("file:"):
        return
    if scheme not in ("http", "https") or not host:
        yield error(path, "not a place where keys can be", "write https://HOST/PATH or file:keys.json")
    elif anybodys(uri):
        yield error(path, ANYBODYS, "use https://, or file:keys.json")


def anybodys(url: str) -> bool:
    """Whether keys at `url` come over plain HTTP from another machine: whoever is on the way could put in their own."""
    scheme, host = _address(url)
    return scheme == "http" and not _is_loopback(host or "")


def _address(url: str) -> tuple[str, str | None]:
    """Scheme and host of `url`; nothing where it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "", None
    return parts.scheme.lower(), parts.hostname


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _pools(path: Path, api: Api, authorizer: Authorizer) -> Iterator[Finding]:
    at: Path = (*path, "providerARNs")
    if not authorizer.provider_arns:
        remedy = "name a user pool's ARN"
        yield error(at, "they say whose tokens are taken, and are missing", remedy)
    for index, arn in enumerate(authorizer.provider_arns):
        if not _POOL.fullmatch(arn):
            remedy = "write arn:aws:cognito-idp:REGION:ACCOUNT:userpool/ID"
            yield error((*at, index), "not the ARN of a user pool", remedy)
        yield from check_variables((*at, index), api, arn)


def _sources(path: Path, api: Api, authorizer: Authorizer) -> Iterator[Finding]:
    at: Path = (*path, "identitySource")
    pattern, form = _SOURCES[api.protocol]
    if authorizer.type == "JWT":
        pattern, form = _JWT_SOURCES[api.protocol]
    elif authorizer.type != "REQUEST":
        pattern, form = _HEADER
    if authorizer.type != "REQUEST" and len(authorizer.identity_sources) != 1:
        yield error(at, f"a {authorizer.type} authorizer has exactly one identity source", f"write {form}")
    for index, source in enumerate(authorizer.identity_sources):
        if not pattern.fullmatch(source):
            message = f"not an identity source of a {authorizer.type} authorizer of {_KINDS[api.protocol]}"
            yield error((*at, index) if len(authorizer.identity_sources) > 1 else at, message, f"write {form}")
    if api.protocol == "WEBSOCKET" and authorizer.type == "REQUEST" and not authorizer.identity_sources:
        message = "API Gateway wants one here; without one the authorizer is asked about every handshake"
        yield warning(at, message, f"write {form}")


def _remembered(path: Path, api: Api, authorizer: Authorizer) -> Iterator[Finding]:
    at: Path = (*path, "resultTtlInSeconds")
    if not 0 <= authorizer.result_ttl <= MOST_RESULT_TTL:
        yield error(at, f"results are kept 0 to {MOST_RESULT_TTL} seconds", "choose a time in between")
    elif authorizer.type == "JWT" and authorizer.result_ttl > 0:
        yield warning(at, "no result is kept of a JWT authorizer: this has no effect", "remove it")
    elif authorizer.type == "REQUEST" and authorizer.result_ttl > 0:
        if api.protocol == "WEBSOCKET":
            message = "authorizers of WebSocket APIs are asked about every handshake: this has no effect"
            yield warning(at, message, "remove it")
        elif not authorizer.identity_sources:
            message = "without identity sources one caller's result would be every caller's"
            remedy = f"add one, as {_SOURCES[api.protocol][1].partition(',')[0]}, or write resultTtlInSeconds: 0"
            yield error((*path, "identitySource"), message, remedy)


def _unused(path: Path, api: Api, authorizer: Authorizer) -> Iterator[Finding]:
    if authorizer.identity_validation_expression and authorizer.type not in ("TOKEN", "COGNITO_USER_POOLS"):
        message = f"a {authorizer.type} authorizer does not look at it"
        yield warning((*path, "identityValidationExpression"), message, "remove it")
    if authorizer.credentials is not None:
        message = "functions are called with the gateway's own credentials: this has no effect"
        yield warning((*path, "authorizerCredentials"), message, "remove it")
    if authorizer.jwks_uri is not None and authorizer.type != "JWT":
        yield warning((*path, "jwksUri"), f"a {authorizer.type} authorizer does not look at it", "remove it")
