"""What guards routes and whole APIs: whether all that a definition asks for can be enforced. What cannot is an error.

A warning would not do: whoever asked for a guard must not find the API open. Authorizers themselves are looked at in
`check_authorizer`, web ACLs in `check_firewall`.
Source: API references, PutMethod, CreateRoute and UpdateRestApi; the service's own texts where they are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import orjson

from wsgw.definitions.api import Api, Protocol
from wsgw.definitions.finding import Finding, Path, error, warning
from wsgw.definitions.route import Route
from wsgw.definitions.usage import UsagePlan

MOST_POLICY = 8_192
#: By what a route's authorizationType may be: the types of authorizers that it then has.
AUTHORIZATION: Final[dict[Protocol, dict[str, tuple[str, ...]]]] = {
    "REST": {"AWS_IAM": (), "CUSTOM": ("TOKEN", "REQUEST"), "COGNITO_USER_POOLS": ("COGNITO_USER_POOLS",)},
    "HTTP": {"AWS_IAM": (), "CUSTOM": ("REQUEST",), "JWT": ("JWT",)},
    "WEBSOCKET": {"AWS_IAM": (), "CUSTOM": ("REQUEST",), "JWT": ("JWT",)},
}
#: Types of authorization that look at scopes.
_WITH_SCOPES = ("JWT", "COGNITO_USER_POOLS")
#: Source: RFC 6749, section 3.3.
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def check_guards(path: Path, api: Api, route: Route) -> Iterator[Finding]:
    """Authorization and API keys of `route` of `api`, at `path`."""
    if api.protocol == "WEBSOCKET" and route.key != "$connect":
        yield from _only_connect(path, api, route)
    elif route.authorization_type == "NONE":
        if route.authorizer is not None:
            message = "authorizationType NONE asks no authorizer: the route would be open"
            yield error((*path, "authorizationType"), message, "remove it, or remove the authorizer")
        elif route.authorization_scopes:
            message = "scopes without an authorizer: nothing would check them"
            yield error((*path, "authorizationScopes"), message, "name an authorizer, or remove them")
    else:
        yield from _authorization(path, api, route)
    if route.api_key_required and api.protocol == "HTTP":
        message = "HTTP APIs have no API keys: nothing would ask for one"
        yield error((*path, "apiKeyRequired"), message, "remove it, or use a REST API")


def _only_connect(path: Path, api: Api, route: Route) -> Iterator[Finding]:
    if route.authorization_type != "NONE" or route.authorizer is not None or route.authorization_scopes:
        message = "Currently, authorization is restricted to the $connect route only"
        remedy = "move it there; authorizeMessages of a stage then asks about each message's route, too"
        yield error((*path, "authorizationType"), message, remedy)
    connect = api.routes.get("$connect")
    if route.api_key_required and (connect is None or not connect.api_key_required):
        message = "API keys are asked for with the handshake only, and $connect asks for none"
        yield error((*path, "apiKeyRequired"), message, "move it to $connect")


def _authorization(path: Path, api: Api, route: Route) -> Iterator[Finding]:
    kind = route.authorization_type
    types = AUTHORIZATION[api.protocol].get(kind)
    at: Path = (*path, "authorizationType")
    if types is None:
        known = ", ".join(("NONE", *AUTHORIZATION[api.protocol]))
        yield error(at, f"no authorization that a route of this kind of API has: {kind}", f"known: {known}")
        return
    if kind == "AWS_IAM":
        if route.authorizer is not None:
            message = "AWS_IAM looks at signatures: the authorizer would not be asked"
            yield error((*path, "authorizer"), message, "remove one of them")
    else:
        yield from _authorizer((*path, "authorizer"), api, route, types)
    for index, scope in enumerate(route.authorization_scopes if kind in _WITH_SCOPES else ()):
        if not _SCOPE.fullmatch(scope):
            message = "a scope has no spaces, quotes or backslashes"
            yield error((*path, "authorizationScopes", index), message, "write each scope as an entry of its own")
    if route.authorization_scopes and kind == "CUSTOM":
        message = "the authorizer's function decides alone: scopes have no effect"
        yield warning((*path, "authorizationScopes"), message, "remove them")
    elif route.authorization_scopes and kind not in _WITH_SCOPES:
        message = f"{kind} looks at no scopes: nothing would check them"
        yield error((*path, "authorizationScopes"), message, "remove them, or name an authorizer that does")


def _authorizer(path: Path, api: Api, route: Route, types: tuple[str, ...]) -> Iterator[Finding]:
    known = ", ".join(one.name for one in api.authorizers.values() if one.type in types) or "there are none"
    remedy = f"authorizers of this API for {route.authorization_type}: {known}"
    if route.authorizer is None:
        message = (
            "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS "
            "requires a valid authorizer."
            if api.protocol == "REST"
            else f"authorizationType {route.authorization_type} needs an authorizer"
        )
        yield error(path, message, remedy)
    elif route.authorizer not in api.authorizers:
        yield error(path, f"there is no authorizer {route.authorizer!r}", remedy)
    elif (kind := api.authorizers[route.authorizer].type) not in types:
        message = f"the authorizer is a {kind} one, which {route.authorization_type} does not ask"
        yield error(path, message, remedy)


def check_keys_wanted(apis: Iterable[Api], plans: Iterable[UsagePlan]) -> Iterator[Finding]:
    """Stages with routes that ask for API keys, and without a usage plan that gives anybody one."""
    given = {(one.api_id, one.stage) for plan in plans if plan.keys for one in plan.stages}
    for api in apis:
        wanting = next((key for key, route in api.routes.items() if route.api_key_required), None)
        for stage in api.stages if wanting is not None else ():
            if (api.id, stage) not in given:
                message = f"no usage plan has keys for the stage {stage}: nobody can call this"
                remedy = f"add it to one of usagePlans, as apiStages: [{{apiId: {api.id}, stage: {stage}}}]"
                yield warning(("apis", api.id, "routes", str(wanting), "apiKeyRequired"), message, remedy)


def check_signers(apis: Iterable[Api]) -> Iterator[Finding]:
    """Routes of `apis` that want signatures, where there is no access key that could sign."""
    for api in apis:
        for key, route in api.routes.items():
            if route.authorization_type == "AWS_IAM":
                message = "there is no access key in force to sign requests with: nobody can call this"
                remedy = "add one under accessKeys, here or in what is served beside it: another file, what is stored"
                yield warning(("apis", api.id, "routes", key, "authorizationType"), message, remedy)
                break


def check_policy(path: Path, api: Api) -> Iterator[Finding]:
    """The resource policy, and whether a PRIVATE API has one; its statements are proved later."""
    if api.policy is None:
        if api.private:
            message = "a PRIVATE API without a policy lets nobody in, as in API Gateway"
            yield warning((*path, "endpointConfiguration"), message, "add a policy")
        return
    if api.protocol != "REST":
        message = "only REST APIs have resource policies: nothing would look at it"
        yield error((*path, "policy"), message, "remove it, and give the routes an authorizer")
    size = len(orjson.dumps(api.policy))
    if size > MOST_POLICY:
        yield error((*path, "policy"), f"{size} characters; a policy has up to {MOST_POLICY}", "shorten it")
    if not api.policy.get("Statement"):
        yield error((*path, "policy"), "a policy needs a statement", "write it as IAM policies are, or remove it")
