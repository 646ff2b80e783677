"""`protocol: REST` of the native format: its routes written out as resources and methods, in v1 shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import orjson

from wsgw.definitions.finding import Finding, Path, error
from wsgw.definitions.model_schema import DEFAULT_MODELS, MOST_NESTED, models_in, nested
from wsgw.formats.native_access import guarded, rest_authorizer
from wsgw.formats.native_parts import extended, model_document, move_access_log, route_settings
from wsgw.formats.native_rest_integration import method_responses, rest_integration
from wsgw.formats.native_schema_parts import ModelEntry
from wsgw.formats.native_schema_rest import (
    GatewayResponseEntry,
    MethodEntry,
    RestApiEntry,
    RestIntegrationEntry,
    RestStageEntry,
    ValidatorEntry,
)

#: Members of a stage that API Gateway has none for.
OURS_OF_STAGE = ("limits", "callerThrottles", "webAcl")


def rest_document(api_id: str, api: RestApiEntry, findings: list[Finding]) -> dict[str, Any]:
    """The document of the API `api_id`; `findings` gets what is wrong with it."""
    document = msgspec.to_builtins(api)
    kept = (
        "description",
        "version",
        "binaryMediaTypes",
        "minimumCompressionSize",
        "apiKeySource",
        "disableExecuteApiEndpoint",
        "endpointConfiguration",
        "tags",
    )
    validators = Validators(api)
    authorizers = [
        rest_authorizer(name, entry, ("apis", api_id, "authorizers", name), findings)
        for name, entry in api.authorizers.items()
    ]
    resources = _resources(api_id, api, validators, findings)
    return {
        "id": api_id,
        "name": document.get("name", api_id),
        "protocolType": "REST",
        **{name: document[name] for name in kept if name in document},
        **({"policy": _policy(document["policy"])} if "policy" in document else {}),
        "resources": resources,
        "authorizers": authorizers,
        "models": _models(api),
        "requestValidators": validators.documents,
        "gatewayResponses": [_gateway_response(kind, one) for kind, one in api.gateway_responses.items()],
        "documentationParts": [],
        "stages": [rest_stage(name, stage or RestStageEntry()) for name, stage in api.stages.items()],
    }


class Validators:
    """Request validators: those with names, and one for each other choice that a method makes."""

    def __init__(self, api: RestApiEntry) -> None:
        self._names = {name: f"v{number}" for number, name in enumerate(api.request_validators, 1)}
        self._unnamed: dict[ValidatorEntry, str] = {}
        self.documents = [_validator(self._names[name], name, one) for name, one in api.request_validators.items()]

    def id_of(self, chosen: str | ValidatorEntry, path: Path, findings: list[Finding]) -> str | None:
        if isinstance(chosen, str):
            if chosen not in self._names:
                known = ", ".join(self._names) or "there are none"
                findings.append(error(path, f"there is no request validator {chosen!r}", f"requestValidators: {known}"))
            return self._names.get(chosen)
        if chosen not in self._unnamed:
            number = len(self.documents) + 1
            self._unnamed[chosen] = f"v{number}"
            self.documents.append(_validator(f"v{number}", f"validator{number}", chosen))
        return self._unnamed[chosen]


class Named(NamedTuple):
    """What methods name. `authorizer_types` by id."""

    validators: Validators
    authorizer_types: Mapping[str, str]


def _validator(validator_id: str, name: str, entry: ValidatorEntry) -> dict[str, Any]:
    return {"id": validator_id, "name": name, **msgspec.to_builtins(entry)}


def _resources(api_id: str, api: RestApiEntry, validators: Validators, findings: list[Finding]) -> list[dict[str, Any]]:
    """The tree of resources that the routes' paths need, parents first."""
    types = {name: authorizer.type for name, authorizer in api.authorizers.items()}
    resources: dict[str, dict[str, Any]] = {"/": {"id": "root", "path": "/", "resourceMethods": {}}}
    for key, entry in api.routes.items():
        path: Path = ("apis", api_id, "routes", key)
        verb, _, template = key.partition(" ")
        if not template.startswith("/"):
            findings.append(error(path, "not a route key of a REST API", "write METHOD /PATH, as GET /pets/{id}"))
            continue
        method = MethodEntry(integration=entry) if isinstance(entry, str) else entry
        methods = _resource(resources, template)["resourceMethods"]
        methods[verb] = rest_method(verb, template, method, Named(validators, types), path, findings)
    return list(resources.values())


def _resource(resources: dict[str, dict[str, Any]], template: str) -> dict[str, Any]:
    """The resource of the path `template`, made with its parents where it is not there yet."""
    found = resources.get(template)
    if found is None:
        before, _, part = template.rpartition("/")
        parent = _resource(resources, before or "/")
        found = resources[template] = {
            "id": f"r{len(resources)}",
            "parentId": parent["id"],
            "pathPart": part,
            "path": template,
            "resourceMethods": {},
        }
    return found


def rest_method(
    verb: str, template: str, entry: MethodEntry, named: Named, path: Path, findings: list[Finding]
) -> dict[str, Any]:
    document = guarded(msgspec.to_builtins(entry), named.authorizer_types, path, findings)
    throttle = document.pop("throttle", None)
    document.pop("integration", None)
    document.pop("requestValidator", None)
    responses = document.pop("methodResponses", None)
    written: dict[str, Any] = {"httpMethod": verb, "authorizationType": "NONE", "apiKeyRequired": False, **document}
    if isinstance(entry.request_validator, str | ValidatorEntry):
        validator_id = named.validators.id_of(entry.request_validator, (*path, "requestValidator"), findings)
        if validator_id is not None:
            written["requestValidatorId"] = validator_id
    integration: dict[str, Any] | None = None
    if isinstance(entry.integration, str | RestIntegrationEntry):
        integration = rest_integration(entry.integration, template, (*path, "integration"), findings)
    written["methodResponses"] = method_responses(responses, integration)
    if integration is not None:
        written["methodIntegration"] = integration
    return {**written, **extended({"throttle": throttle} if throttle else {})}


def _models(api: RestApiEntry) -> list[dict[str, Any]]:
    """Those of the file, and what every API has of those that methods name."""
    named = {
        model
        for entry in api.routes.values()
        if isinstance(entry, MethodEntry) and isinstance(entry.request_models, dict)
        for model in entry.request_models.values()
    }
    for model in api.models.values():
        named |= models_in(_schema_of(model))
    built_in = {name: ModelEntry(schema=one["schema"]) for name, one in DEFAULT_MODELS.items() if name in named}
    models = {**built_in, **api.models}
    return [model_document("id", f"m{number}", name, one) for number, (name, one) in enumerate(models.items(), 1)]


def _schema_of(model: ModelEntry) -> Any:
    """The schema; None where it is no JSON, or too deep to look at: both are found later, with its place."""
    try:
        schema = orjson.loads(model.schema) if isinstance(model.schema, str) else model.schema
    except orjson.JSONDecodeError:
        return None
    return schema if nested(schema) <= MOST_NESTED else None


def _policy(policy: dict[str, Any] | str) -> str:
    return policy if isinstance(policy, str) else orjson.dumps(policy).decode()


def _gateway_response(kind: str, entry: GatewayResponseEntry) -> dict[str, Any]:
    document = msgspec.to_builtins(entry)
    if "statusCode" in document:
        document["statusCode"] = str(document["statusCode"])
    return {"responseType": kind, "defaultResponse": False, **document}


def rest_stage(name: str, stage: RestStageEntry) -> dict[str, Any]:
    """The Stage `name`, in v1's shape."""
    document = msgspec.to_builtins(stage)
    written: dict[str, Any] = {"stageName": name}
    settings = {settings_key(key): value for key, value in document.pop("methodSettings", {}).items()}
    if (throttle := document.pop("throttle", None)) is not None:
        settings["*/*"] = {**settings.get("*/*", {}), **route_settings(throttle)}
    if settings:
        written["methodSettings"] = settings
    ours = {member: document.pop(member) for member in OURS_OF_STAGE if member in document}
    access_log = {"accessLog": document.pop("accessLog")}
    move_access_log(access_log, written)
    return {**written, **document, **extended({**ours, **access_log})}


def settings_key(key: str) -> str:
    """`GET /pets/{id}` as API Gateway writes it: `pets~1{id}/GET`; what is written so already stays."""
    verb, blank, path = key.partition(" ")
    return f"{path.removeprefix('/').replace('/', '~1')}/{verb}" if blank else key
