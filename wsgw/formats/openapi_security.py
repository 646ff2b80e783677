"""Security schemes and requirements of an OpenAPI document → authorizers, and what guards a method or route."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, NamedTuple

from wsgw.definitions.authorizer import MOST_RESULT_TTL
from wsgw.definitions.check_parts import LEAST_TIMEOUT_MS, MOST_TIMEOUT_MS
from wsgw.definitions.finding import Path
from wsgw.formats.native_access import OURS_OF_AUTHORIZER
from wsgw.formats.openapi_extensions import extended, kept
from wsgw.formats.openapi_ids import made_id
from wsgw.formats.openapi_place import Place, present

_AUTH = "x-amazon-apigateway-auth"
_AUTHORIZER, _AUTHTYPE = "x-amazon-apigateway-authorizer", "x-amazon-apigateway-authtype"
_REST_TYPES = frozenset({"TOKEN", "REQUEST", "COGNITO_USER_POOLS"})
_HTTP_TYPES = frozenset({"JWT", "REQUEST"})
#: The member of an authorizer that holds what API Gateway has none for.
OURS = "x-wsgw"
#: What findings call members of an authorizer that are called otherwise here.
_MEMBERS: dict[str, Path] = {
    "uri": ("authorizerUri",),
    "resultTtlInSeconds": ("authorizerResultTtlInSeconds",),
    "payloadFormatVersion": ("authorizerPayloadFormatVersion",),
    "issuer": ("jwtConfiguration", "issuer"),
    "audience": ("jwtConfiguration", "audience"),
    **{member: (OURS, member) for member in OURS_OF_AUTHORIZER},
}
_SHARED_MEMBERS = frozenset(
    {
        "type",
        "authorizerUri",
        "authorizerCredentials",
        "identitySource",
        "identityValidationExpression",
        "authorizerResultTtlInSeconds",
    }
)
_REST_MEMBERS = frozenset({"providerARNs"})
_HTTP_MEMBERS = frozenset({"authorizerPayloadFormatVersion", "enableSimpleResponses", "jwtConfiguration"})


class Guard(NamedTuple):
    """What a method or route asks of its callers, in the members that Methods and Routes share."""

    authorization_type: str = "NONE"
    authorizer_id: str | None = None
    scopes: tuple[str, ...] = ()
    api_key_required: bool = False
    #: The requirement as written, where a scheme of it is none that API Gateway knows.
    written: Any = None

    def members(self) -> dict[str, Any]:
        return {
            "authorizationType": self.authorization_type,
            **({"authorizerId": self.authorizer_id} if self.authorizer_id else {}),
            **({"authorizationScopes": list(self.scopes)} if self.scopes else {}),
            "apiKeyRequired": self.api_key_required,
        }


class Security:
    """The schemes of one document. `authorizers` are in v1's shapes, or for an HTTP API in v2's."""

    def __init__(self, schemes: Place, is_http: bool) -> None:
        self._is_http = is_http
        self._kinds: dict[str, str] = {}  # scheme name: API_KEY, AWS_IAM, an authorizer's type, "" for none of these
        self.authorizers: list[dict[str, Any]] = []
        self._ids: dict[str, str] = {}
        self._places: dict[str, Path] = {}
        #: Schemes that ask API Gateway for a check and say not by whom, with the extension that they have.
        self._unguarded: dict[str, str] = {}
        #: Schemes without an authorizer, as written: an export needs them.
        self.others: dict[str, Any] = {}
        for name, scheme in schemes.members():
            scheme = scheme.resolved()
            if scheme.is_mapping():
                self._kinds[name] = self._kind(name, scheme)

    def places(self, api: Path) -> dict[Path, Path]:
        """Where the authorizers of the API at `api`, and their members, stand."""
        found = {}
        for name, place in self._places.items():
            at: Path = (*api, "authorizers", name)
            found[at] = place
            found |= {(*at, member): (*place, *written) for member, written in _MEMBERS.items()}
        return found

    def guard(self, operation: Place, root: Place) -> Guard:
        """What guards `operation`: its own requirements, else those of the whole document."""
        found = self._required(operation if "security" in operation else root)
        auth_type = self._auth(operation)
        if auth_type == "AWS_IAM":
            return found._replace(authorization_type="AWS_IAM", authorizer_id=None, scopes=())
        if auth_type == "NONE" and "security" not in operation:
            return Guard()
        return found

    def _auth(self, operation: Place) -> str | None:
        """What the extension of an operation, or of a scheme, says."""
        if _AUTH not in operation or not (auth := operation.at(_AUTH)).is_mapping():
            return None
        kind = auth.at("type")
        if kind.value is None:
            auth.error("the type is missing", "add it, as type: AWS_IAM")
        elif not isinstance(kind.value, str):
            # An error, where any other text of a wrong type is left out: it would leave open who may call.
            kind.error("this must be a text", "write AWS_IAM or NONE")
            return None
        return auth.choice("type", frozenset({"AWS_IAM", "NONE"}))

    def _required(self, owner: Place) -> Guard:
        guard, security = Guard(), owner.at("security")
        if "security" in owner and security.value is None:
            # An error, as all that leaves open who may call.
            security.error("this must be a list, not nothing", "write [] for a method without a guard")
        for requirement in security.items():
            for name, scopes in requirement.members() if requirement.is_mapping() else ():
                guard = self._with(guard, name, scopes, security)
        return guard

    def _with(self, guard: Guard, name: str, scopes: Place, security: Place) -> Guard:
        kind = self._kinds.get(name)
        if kind is None:
            # An error: whoever asked for a guard must not find the API open.
            scopes.error(f"there is no security scheme {name[:100]!r}", f"known are {', '.join(self._kinds) or 'none'}")
        elif kind == "API_KEY":
            return guard._replace(api_key_required=True)
        elif name in self._unguarded:
            message = f"{name[:100]!r} has {self._unguarded[name][:100]} and no authorizer: nothing would guard this"
            scopes.error(message, f"give the scheme an {_AUTHORIZER}, or {_AUTHTYPE}: awsSigv4")
        elif kind == "":
            scopes.warn(
                f"API Gateway does not know how to check {name[:100]!r}: this requirement guards nothing",
                f"give the scheme an {_AUTHORIZER}, or check it in the backend",
            )
            return guard._replace(written=security.value)
        elif guard.authorization_type != "NONE":
            scopes.warn("a method has one authorizer: this one is left out", "remove one")
        elif kind == "AWS_IAM":
            return guard._replace(authorization_type=kind)
        else:
            asked = tuple(scope.value for scope in scopes.items() if isinstance(scope.value, str))
            kind = kind if kind in ("COGNITO_USER_POOLS", "JWT") else "CUSTOM"
            return guard._replace(authorization_type=kind, authorizer_id=self._ids[name], scopes=asked)
        return guard

    def _kind(self, name: str, scheme: Place) -> str:
        authtype = scheme.text(_AUTHTYPE) if _AUTHTYPE in scheme else None
        if _AUTHORIZER in scheme:
            return self._authorizer(name, scheme, authtype)
        self.others[name] = scheme.value
        for key in scheme.value:
            scheme.at(key)  # kept as a whole, with all its extensions
        if authtype is not None and authtype.lower() == "awssigv4":
            return "AWS_IAM"
        if scheme.text("type") == "apiKey" and (scheme.text("name") or "").lower() == "x-api-key":
            return "API_KEY"
        if _AUTH in scheme and self._auth(scheme) == "AWS_IAM":
            return "AWS_IAM"
        # A slip in the extension's name must not open what somebody wanted guarded.
        for key in scheme.value:
            if key != _AUTH and get_close_matches(key, (_AUTHORIZER, _AUTHTYPE), 1, 0.8):
                self._unguarded[name] = key
        return ""

    def _authorizer(self, name: str, scheme: Place, authtype: str | None) -> str:
        self._ids[name] = made_id(6, "authorizer", name)
        place = scheme.at(_AUTHORIZER).resolved()
        self._places[name] = place.path
        if not place.is_mapping():
            return "CUSTOM"
        kind = place.choice("type", _HTTP_TYPES if self._is_http else _REST_TYPES)
        if kind is None:
            if "type" not in place:
                place.error("the authorizer's type is missing", "add it, as type: request")
            return "CUSTOM"
        validation = place.at("identityValidationExpression")
        if isinstance(validation.value, list | dict | bool):
            # An error, where any other text of a wrong type is left out: more callers would be let in.
            validation.error("this must be a text", "write a regular expression")
        identity = {"authorizerId" if self._is_http else "id": self._ids[name]}
        header = f"method.request.header.{scheme.text('name') or 'Authorization'}"
        made = self._http(place, kind) if self._is_http else self._rest(place, kind, header, authtype)
        own, others = (_HTTP_MEMBERS, _REST_MEMBERS) if self._is_http else (_REST_MEMBERS, _HTTP_MEMBERS)
        unknown = {key: value for key, value in place.value.items() if key not in own | _SHARED_MEMBERS | {OURS}}
        for key in unknown:
            if key in others:
                place.at(key).inform("an authorizer of this kind of API does not have it: it is kept")
            else:
                place.at(key).warn("an authorizer has no such member: it is kept, and has no effect")
        written = {key: value for key, value in scheme.value.items() if key != _AUTHORIZER}
        kept(scheme, (_AUTHORIZER, _AUTHTYPE))
        made = {**identity, "name": name, **made, **extended(members=unknown, securityScheme=written, **_ours(place))}
        self.authorizers.append(made)
        return kind

    def _rest(self, place: Place, kind: str, header: str, authtype: str | None) -> dict[str, Any]:
        default = "cognito_user_pools" if kind == "COGNITO_USER_POOLS" else "custom"
        identity = place.text("identitySource") or (header if kind != "REQUEST" else None)
        return {
            "type": kind,
            "authType": authtype or default,
            **present(
                providerARNs=place.texts("providerARNs"),
                authorizerUri=place.text("authorizerUri"),
                authorizerCredentials=place.text("authorizerCredentials"),
                identitySource=identity,
                identityValidationExpression=place.text("identityValidationExpression"),
                authorizerResultTtlInSeconds=place.number("authorizerResultTtlInSeconds", 0, MOST_RESULT_TTL),
            ),
        }

    def _http(self, place: Place, kind: str) -> dict[str, Any]:
        sources = place.at("identitySource").value
        jwt = place.at("jwtConfiguration")
        return {
            "authorizerType": kind,
            **present(
                authorizerUri=place.text("authorizerUri"),
                authorizerCredentialsArn=place.text("authorizerCredentials"),
                authorizerPayloadFormatVersion=place.text("authorizerPayloadFormatVersion"),
                enableSimpleResponses=place.flag("enableSimpleResponses"),
                authorizerResultTtlInSeconds=place.number("authorizerResultTtlInSeconds", 0, MOST_RESULT_TTL),
                identitySource=place.texts("identitySource") if isinstance(sources, list) else _split(place),
                identityValidationExpression=place.text("identityValidationExpression"),
            ),
            **(
                {"jwtConfiguration": present(issuer=jwt.text("issuer"), audience=jwt.texts("audience"))}
                if jwt.value is not None and jwt.is_mapping()
                else {}
            ),
        }


def _ours(place: Place) -> dict[str, Any]:
    """What `x-wsgw` of the authorizer at `place` says."""
    ours = place.at(OURS)
    if OURS not in place or not ours.is_mapping():
        return {}
    ours.has_only(OURS_OF_AUTHORIZER, "an authorizer")
    uri = ours.at("jwksUri")
    if uri.value is not None and not isinstance(uri.value, str):
        # An error, where any other text of a wrong type is left out: other keys would be trusted.
        uri.error("this must be a text", "write https://HOST/PATH or file:keys.json")
    return present(timeoutMs=ours.number("timeoutMs", LEAST_TIMEOUT_MS, MOST_TIMEOUT_MS), jwksUri=ours.text("jwksUri"))


def _split(place: Place) -> list[str] | None:
    text = place.text("identitySource")
    return [part.strip() for part in text.split(",")] if text else None
