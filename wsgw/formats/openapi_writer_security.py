"""Authorizers and what guards a method or route → security schemes and requirements."""

from __future__ import annotations

from typing import Any

from wsgw.definitions.freeze_parts import Document
from wsgw.formats.native_access import OURS_OF_AUTHORIZER
from wsgw.formats.openapi_extensions import extended
from wsgw.formats.openapi_form import Form
from wsgw.formats.openapi_place import present

_AUTH = "x-amazon-apigateway-auth"
_AUTHORIZER, _AUTHTYPE = "x-amazon-apigateway-authorizer", "x-amazon-apigateway-authtype"
#: As API Gateway's own exports call them.
_API_KEY, _SIGV4 = "api_key", "sigv4"
_HEADER = "method.request.header."


class Schemes:
    """The security schemes of one document. `made` grows as requirements ask for some that the document lacks."""

    def __init__(self, document: Document, form: Form) -> None:
        self._form = form
        self._is_http = document["protocolType"] == "HTTP"
        self._names: dict[str, str] = {}
        self.made: dict[str, Any] = {}
        for authorizer in document.get("authorizers", ()):
            name = authorizer["name"]
            self._names[authorizer["authorizerId" if self._is_http else "id"]] = name
            self.made[name] = self._http(authorizer) if self._is_http else self._rest(authorizer)
        self._kinds: dict[str, str] = {}
        for name, scheme in document.get("x-wsgw", {}).get("securitySchemes", {}).items():
            self._kinds.setdefault(_kind(scheme), name)
            self.made[name] = self._moved(scheme)

    def requirement(self, guarded: Document) -> dict[str, Any]:
        """The members of an operation that say what guards the Method or Route `guarded`."""
        kind = guarded.get("authorizationType", "NONE")
        written = guarded.get("x-wsgw", {}).get("security")
        auth = self._form.when("authorizers", {_AUTH: {"type": "AWS_IAM"}}) if kind == "AWS_IAM" else {}
        if written:
            return {"security": written, **auth}
        security: list[dict[str, list[str]]] = []
        if guarded.get("apiKeyRequired"):
            key = {"type": "apiKey", "name": "x-api-key", "in": "header"}
            security.append({self._scheme("API_KEY", _API_KEY, key): []})
        if kind == "AWS_IAM":
            if "AWS_IAM" not in self._kinds and self._form.has("authorizers"):
                return {**({"security": security} if security else {}), **auth}
            signed = {"type": "apiKey", "name": "Authorization", "in": "header", _AUTHTYPE: "awsSigv4"}
            security.append({self._scheme("AWS_IAM", _SIGV4, self._moved(signed)): []})
        elif authorizer := guarded.get("authorizerId"):
            # One that is not there keeps its name: an import must refuse what nobody guards.
            name = self._names.get(authorizer, str(authorizer))
            security.append({name: list(guarded.get("authorizationScopes", ()))})
        return {"security": security} if security else {}

    def _scheme(self, kind: str, name: str, scheme: dict[str, Any]) -> str:
        """The name of the scheme of this kind; one is made where the document has none."""
        if kind not in self._kinds:
            while name in self.made:
                name += "_"
            self._kinds[kind] = name
            self.made[name] = scheme
        return self._kinds[kind]

    def _rest(self, one: Document) -> dict[str, Any]:
        ours = one.get("x-wsgw", {})
        kind, identity = one["type"], one.get("identitySource")
        header = (identity or "").removeprefix(_HEADER) if (identity or "").startswith(_HEADER) else "Authorization"
        scheme = dict(ours.get("securityScheme") or {"type": "apiKey", "name": header, "in": "header"})
        default = "cognito_user_pools" if kind == "COGNITO_USER_POOLS" else "custom"
        if _AUTHTYPE in scheme or "securityScheme" not in ours or one.get("authType", default) != default:
            scheme[_AUTHTYPE] = one.get("authType", default)
        if kind != "REQUEST" and identity == f"{_HEADER}{scheme.get('name') or 'Authorization'}":
            identity = None
        extension = {
            **present(
                type=kind.lower(),
                providerARNs=one.get("providerARNs"),
                authorizerUri=one.get("authorizerUri"),
                authorizerCredentials=one.get("authorizerCredentials"),
                identitySource=identity,
                identityValidationExpression=one.get("identityValidationExpression"),
                authorizerResultTtlInSeconds=one.get("authorizerResultTtlInSeconds"),
            ),
            **ours.get("members", {}),
            **_extended(ours),
        }
        return self._moved({**scheme, _AUTHORIZER: extension})

    def _http(self, one: Document) -> dict[str, Any]:
        ours = one.get("x-wsgw", {})
        kind, sources = one["authorizerType"], one.get("identitySource")
        made = {"type": "oauth2", "flows": {}} if kind == "JWT" else _header_scheme(sources)
        extension = {
            **present(
                type=kind.lower(),
                authorizerUri=one.get("authorizerUri"),
                authorizerCredentials=one.get("authorizerCredentialsArn"),
                authorizerPayloadFormatVersion=one.get("authorizerPayloadFormatVersion"),
                enableSimpleResponses=one.get("enableSimpleResponses"),
                authorizerResultTtlInSeconds=one.get("authorizerResultTtlInSeconds"),
                identitySource=_joined(sources),
                identityValidationExpression=one.get("identityValidationExpression"),
                jwtConfiguration=one.get("jwtConfiguration"),
            ),
            **ours.get("members", {}),
            **_extended(ours),
        }
        return self._moved({**(ours.get("securityScheme") or made), _AUTHORIZER: extension})

    def _moved(self, scheme: dict[str, Any]) -> dict[str, Any]:
        """`scheme` in the form that is written, with the extensions that are wanted."""
        made = {}
        for key, value in scheme.items():
            group = "authorizers" if key in (_AUTH, _AUTHORIZER, _AUTHTYPE) else "apigateway"
            if not key.startswith("x-") or self._form.has(group):
                made[key] = value
        if self._form.is_swagger and made.get("type") == "http" and made.get("scheme") == "basic":
            del made["scheme"]
            return {**made, "type": "basic"}
        if not self._form.is_swagger and made.get("type") == "basic":
            return {**made, "type": "http", "scheme": "basic"}
        return made


def _kind(scheme: Any) -> str:
    """What the importer takes a scheme without an authorizer for."""
    if str(scheme.get(_AUTHTYPE, "")).lower() == "awssigv4":
        return "AWS_IAM"
    if scheme.get("type") == "apiKey" and str(scheme.get("name", "")).lower() == "x-api-key":
        return "API_KEY"
    auth = scheme.get(_AUTH)
    return "AWS_IAM" if isinstance(auth, dict) and str(auth.get("type")).upper() == "AWS_IAM" else ""


def _extended(ours: Document) -> dict[str, Any]:
    """What API Gateway has no member for."""
    return extended(**{name: ours.get(name) for name in OURS_OF_AUTHORIZER})


def _header_scheme(sources: list[str] | None) -> dict[str, Any]:
    header = next((one for one in sources or () if one.startswith("$request.header.")), "$request.header.Authorization")
    return {"type": "apiKey", "name": header.removeprefix("$request.header."), "in": "header"}


def _joined(sources: list[str] | None) -> str | list[str] | None:
    """Identity sources as one text, where reading it gives them back."""
    if sources is None:
        return None
    text = ", ".join(sources)
    return text if sources and [part.strip() for part in text.split(",")] == list(sources) else sources
