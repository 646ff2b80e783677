"""JWT and Cognito authorizers made ready. Keys and tokens already checked outlive deployments."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wsgw.authorizers.base import Verifier
from wsgw.authorizers.cognito import POOL_ALGORITHMS, CognitoAuthorizer, PoolTokens, pool_of
from wsgw.authorizers.jwks import JwksError
from wsgw.authorizers.jwks_source import DISCOVERY_PATH, Fetch, IssuerKeys, KeysPlace
from wsgw.authorizers.jwt import JwtAuthorizer, JwtTokens
from wsgw.authorizers.jwt_token import token_reader
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.check_authorizer import ANYBODYS, anybodys
from wsgw.definitions.route import Route
from wsgw.integrations.http_pool import HttpPool
from wsgw.integrations.http_wire import header_block
from wsgw.invocation import Reply
from wsgw.live.parts import Parts
from wsgw.mapping.expressions import expression
from wsgw.mapping.parameters import stage_variables_in

log = logging.getLogger("wsgw.jwks")

_FORMS = {"HTTP": "$request", "WEBSOCKET": "route.request", "REST": "method.request"}


def jwt_verifier(api: Api, stage: Stage, route: Route, authorizer: Authorizer, parts: Parts) -> Verifier:
    """What checks the tokens of callers of an HTTP API, or of `$connect`. Raises ValueError."""
    if len(authorizer.identity_sources) != 1:
        raise ValueError("a JWT authorizer has exactly one identity source, where the token stands")
    if not authorizer.audience:
        raise ValueError("jwtConfiguration.audience is empty, so that no token would do; name whom tokens are for")
    read = token_reader(authorizer.identity_sources[0], _FORMS[api.protocol])
    settings = parts.settings
    place = keys_place(authorizer.issuer, authorizer.jwks_uri, parts.base)
    keys = _issuer_keys(place, settings.jwt_algorithms, parts)
    tokens = parts.access.shared(
        ("jwt tokens", place, authorizer.audience),
        lambda: JwtTokens(
            keys,
            authorizer.issuer,
            authorizer.audience,
            parts.access.now,
            leeway=settings.jwt_leeway_seconds,
            remembered=settings.jwt_remembered,
        ),
    )
    return JwtAuthorizer(read, tokens, route.authorization_scopes, in_context=api.protocol == "WEBSOCKET")


def cognito_verifier(api: Api, stage: Stage, route: Route, authorizer: Authorizer, parts: Parts) -> Verifier:
    """What checks the tokens of user pools. Raises ValueError."""
    if not authorizer.provider_arns:
        raise ValueError("providerARNs is empty: name the user pools whose tokens will do")
    if len(authorizer.identity_sources) != 1:
        raise ValueError("a COGNITO_USER_POOLS authorizer has exactly one identity source, a header")
    read = token_reader(authorizer.identity_sources[0], _FORMS[api.protocol])
    pools = tuple(
        pool_of(stage_variables_in(arn)(stage.variables), parts.settings.cognito_endpoint)
        for arn in authorizer.provider_arns
    )
    text = authorizer.identity_validation_expression
    try:
        validation = expression(text).fullmatch if text else None
    except ValueError as error:
        raise ValueError(f"identityValidationExpression: {error}") from error
    keys = {}
    for pool in pools:
        of_pool = _issuer_keys(KeysPlace(pool.issuers[0], pool.jwks_uri), POOL_ALGORITHMS, parts)
        keys.update(dict.fromkeys(pool.issuers, of_pool))
    tokens = parts.access.shared(
        ("pool tokens", pools, text),
        lambda: PoolTokens(
            keys,
            validation,
            parts.access.now,
            leeway=parts.settings.jwt_leeway_seconds,
            remembered=parts.settings.jwt_remembered,
        ),
    )
    return CognitoAuthorizer(read, tokens, route.authorization_scopes)


def _issuer_keys(place: KeysPlace, algorithms: tuple[str, ...], parts: Parts) -> IssuerKeys:
    """The keys at `place`. Where they are to be fetched, that has begun; a file is read."""
    if place.file is None:
        # A URL that cannot be called is found out now, not with the first request.
        parts.http_pool.target(place.jwks_uri or place.issuer.rstrip("/") + DISCOVERY_PATH)
    access = parts.access
    keys = access.shared(
        ("issuer keys", place, algorithms),
        lambda: _new_keys(place, algorithms, parts),
    )
    if place.file is None:
        keys.look()
        return keys
    try:
        keys.read_file()
    except JwksError as error:
        raise ValueError(f"jwksUri: {error}") from error
    return keys


def _new_keys(place: KeysPlace, algorithms: tuple[str, ...], parts: Parts) -> IssuerKeys:
    if place.file is None and (place.jwks_uri or place.issuer).startswith("http://"):
        log.warning("the keys of %s come over http: whoever is on the way can put in their own", place.issuer)
    access, refresh = parts.access, parts.settings.jwks_refresh_seconds
    return IssuerKeys(place, _fetch(parts.http_pool), access.begin, access.now, algorithms=algorithms, refresh=refresh)


def keys_place(issuer: str, jwks_uri: str | None, base: Path) -> KeysPlace:
    """Where an issuer's keys are; a file is looked for in `base`. Raises ValueError."""
    if not issuer:
        raise ValueError("jwtConfiguration.issuer is missing: it is what tokens have as iss")
    uri = jwks_uri or ""
    if uri.startswith("file:"):
        parts = urlsplit(uri)
        if parts.netloc or not parts.path:
            raise ValueError(f"jwksUri {uri!r} names no file; write file:keys.json or file:///etc/keys.json")
        return KeysPlace(issuer, file=base / unquote(parts.path))
    if uri and not uri.startswith(("https://", "http://")):
        raise ValueError(f"jwksUri {uri!r}: keys are at a https URL, or in a file (file:keys.json)")
    if not uri and not issuer.startswith(("https://", "http://")):
        raise ValueError(f"jwtConfiguration.issuer {issuer!r} is no https URL; say in jwksUri where its keys are")
    if anybodys(uri or issuer):
        raise ValueError(f"{uri or issuer}: {ANYBODYS}; use https://")
    return KeysPlace(issuer, uri)


def _fetch(pool: HttpPool) -> Fetch:
    headers = header_block((("Accept", "application/json"), ("User-Agent", "wsgw")))

    async def fetch(url: str) -> Reply:
        # Streamed, so that an endless answer is cut off rather than kept. Who waits sets the time.
        return await pool.send_to(pool.target(url), "GET", headers, b"", 10, streams=True)

    return fetch
