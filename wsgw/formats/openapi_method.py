"""One operation of an OpenAPI document → a REST API's Method."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from wsgw.formats.openapi_documentation import Documentation
from wsgw.formats.openapi_extensions import extended, kept
from wsgw.formats.openapi_integration import INTEGRATION, rest_integration
from wsgw.formats.openapi_models import Models
from wsgw.formats.openapi_place import Place
from wsgw.formats.openapi_security import Security
from wsgw.formats.openapi_throttle import THROTTLE, throttle_of

_PLACES = {"path": "path", "query": "querystring", "header": "header"}
_NAME = re.compile(r"[A-Za-z0-9._$-]+")
_STATUS = re.compile(r"[1-5][0-9]{2}")
_VALIDATOR = "x-amazon-apigateway-request-validator"
KNOWN = frozenset({INTEGRATION, _VALIDATOR, "x-amazon-apigateway-auth", THROTTLE})
# What says no more than that a parameter or header is a text.
_PLAIN: tuple[dict[str, Any], ...] = ({}, {"schema": {"type": "string"}})
# Of a Swagger parameter: what is no part of its schema.
_BESIDE = frozenset({"collectionFormat", "allowEmptyValue"})
_NOT_SUPPORTED = ("callbacks", "servers")


class Shared(NamedTuple):
    """What the operations of one document have in common. `validators` gives a request validator's id by name."""

    root: Place
    models: Models
    security: Security
    validators: dict[str, str]
    documentation: Documentation

    @property
    def is_swagger(self) -> bool:
        return "swagger" in self.root


def method_of(operation: Place, item: Place, resource: dict[str, Any], verb: str, shared: Shared) -> dict[str, Any]:
    """The Method `verb` of `resource` that `operation` of the path item `item` describes."""
    shared.documentation.method(operation, resource["path"], verb)
    parameters = _Parameters(operation, item, resource["path"], verb, shared)
    guard = shared.security.guard(operation, shared.root)
    for key in _NOT_SUPPORTED:
        if key in operation:
            operation.at(key).warn("API Gateway does not support it: it is left out")
    integration = operation.at(INTEGRATION)
    made = None if integration.value is None else rest_integration(integration, resource, verb)
    name = operation.text("operationId")
    return {
        "httpMethod": verb,
        **guard.members(),
        **_validator(operation, shared),
        **({"operationName": name} if name else {}),
        **({"requestParameters": parameters.declared} if parameters.declared else {}),
        **({"requestModels": parameters.models} if parameters.models else {}),
        "methodResponses": dict(_responses(operation, resource["path"], verb, shared)),
        **({"methodIntegration": made} if made else {}),
        **extended(
            extensions=kept(operation, KNOWN),
            security=guard.written,
            parameters=parameters.written,
            throttle=throttle_of(operation),
        ),
    }


class _Parameters:
    """What an operation declares of its requests: parameters, and models of the body by content type."""

    def __init__(self, operation: Place, item: Place, path: str, verb: str, shared: Shared) -> None:
        self.declared: dict[str, bool] = {}
        self.models: dict[str, str] = {}
        #: By declared name, what API Gateway has no member for, as the schema.
        self.written: dict[str, Any] = {}
        self._operation, self._path, self._verb, self._shared = operation, path, verb, shared
        # The operation's own come last: they replace the path's.
        for owner in (item, operation):
            for parameter in owner.at("parameters").items():
                parameter = parameter.resolved()
                if parameter.value is not None and parameter.is_mapping():
                    self._add(parameter)
        self._body(operation.at("requestBody"))
        names = [name.rpartition(".")[2] for name in self.declared]
        for name in sorted({name for name in names if names.count(name) > 1}):
            message = f"two parameters are called {name!r}: API Gateway wants names that are unique over all kinds"
            operation.warn(message)

    def _add(self, parameter: Place) -> None:
        place, name = parameter.text("in"), parameter.text("name")
        if place == "body":
            types = _content_types(self._operation, self._shared.root, "consumes")
            self._model(parameter.at("schema"), types)
            self._shared.documentation.body(parameter, self._path, self._verb)
            return
        if place is None or name is None:
            parameter.warn("a parameter needs a name and in: it is left out", "add them")
        elif place not in _PLACES:
            parameter.warn(f"API Gateway has no {place[:100]} parameters: it is left out")
        elif not _NAME.fullmatch(name):
            parameter.warn(
                f"{name[:100]!r} is no name of a parameter: it is left out", "use letters, digits and . _ $ -"
            )
        else:
            # A path has all its variables, whatever is said of them.
            required = parameter.flag("required") or place == "path"
            declared = f"method.request.{_PLACES[place]}.{name}"
            self.declared[declared] = required
            self.written.pop(declared, None)
            if written := _written(parameter, ("name", "in", "required", "description"), self._shared):
                self.written[declared] = written
            self._shared.documentation.parameter(parameter, self._path, self._verb, place, name)

    def _body(self, body: Place) -> None:
        if body.value is None:
            return
        body = body.resolved()
        if body.value is None or not body.is_mapping():
            return
        self._shared.documentation.body(body, self._path, self._verb)
        for content_type, media in body.at("content").members():
            if media.is_mapping():
                self._model(media.at("schema"), [content_type])

    def _model(self, schema: Place, content_types: list[str]) -> None:
        model = self._shared.models.model_of(schema)
        if model is not None:
            self.models.update(dict.fromkeys(content_types, model))


def _validator(operation: Place, shared: Shared) -> dict[str, str]:
    owner = operation if _VALIDATOR in operation else shared.root
    name = owner.text(_VALIDATOR)
    if name is None:
        return {}
    if name not in shared.validators:
        known = ", ".join(shared.validators) or "there are none"
        owner.at(_VALIDATOR).error(f"there is no request validator {name[:100]!r}", f"known are: {known}")
        return {}
    return {"requestValidatorId": shared.validators[name]}


def _responses(operation: Place, path: str, verb: str, shared: Shared) -> Iterator[tuple[str, dict[str, Any]]]:
    """MethodResponses by status."""
    for status, response in operation.at("responses").members():
        if status.startswith("x-"):
            continue
        if not _STATUS.fullmatch(status):
            if status == "default":
                response.inform("a default response is left out: API Gateway wants a status")
            else:
                response.warn("API Gateway has no responses but those of one status: it is left out")
            continue
        response = response.resolved()
        if response.value is None or not response.is_mapping():
            continue
        shared.documentation.response(response, path, verb, status)
        if "links" in response:
            response.at("links").warn("API Gateway does not support it: it is left out")
        headers, written = {}, {}
        for name, header in response.at("headers").members():
            if not _NAME.fullmatch(name):
                header.warn("this is no name of a header: it is left out")
                continue
            headers[f"method.response.header.{name}"] = False
            header = header.resolved()
            shared.documentation.header(header, path, verb, status, name)
            if isinstance(header.value, dict) and (said := _written(header, ("description",), shared)):
                written[name] = said
        models = dict(_response_models(operation, response, shared))
        yield (
            status,
            {
                "statusCode": status,
                **({"responseParameters": headers} if headers else {}),
                **({"responseModels": models} if models else {}),
                **extended(extensions=kept(response), headers=written),
            },
        )


def _written(place: Place, read: tuple[str, ...], shared: Shared) -> dict[str, Any]:
    """What the parameter or header at `place` says besides what is `read`, if it is more than that it is a text."""
    kept(place)
    said = {key: value for key, value in place.value.items() if key not in read}
    if shared.is_swagger and "type" in said:
        # As OpenAPI 3 has it: one form for what is kept.
        beside = {key: one for key, one in said.items() if key in _BESIDE or key.startswith("x-")}
        said = {"schema": {key: one for key, one in said.items() if key not in beside}, **beside}
    return {} if said in _PLAIN else shared.models.renamed(said)


def _response_models(operation: Place, response: Place, shared: Shared) -> Iterator[tuple[str, str]]:
    if shared.is_swagger:
        model = shared.models.model_of(response.at("schema"))
        if model is not None:
            for content_type in _content_types(operation, shared.root, "produces"):
                yield content_type, model
        return
    for content_type, media in response.at("content").members():
        if not media.is_mapping():
            continue
        schema = media.at("schema")
        model = "Empty" if schema.value == {} else shared.models.model_of(schema)
        if model is not None:
            yield content_type, model


def _content_types(operation: Place, root: Place, key: str) -> list[str]:
    owner = operation if key in operation else root
    return owner.texts(key) or ["application/json"]
