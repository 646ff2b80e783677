"""A REST API's Method → one operation."""

from __future__ import annotations

from typing import Any, NamedTuple

from wsgw.definitions.freeze_parts import Document
from wsgw.formats.openapi_form import Form
from wsgw.formats.openapi_integration import INTEGRATION
from wsgw.formats.openapi_root import VALIDATOR
from wsgw.formats.openapi_throttle import THROTTLE
from wsgw.formats.openapi_writer_documentation import Words
from wsgw.formats.openapi_writer_integration import rest_integration
from wsgw.formats.openapi_writer_security import Schemes

_PREFIX, _HEADER = "method.request.", "method.response.header."
_PLACES = {"path": "path", "querystring": "query", "header": "header"}
_KINDS = {"path": "PATH_PARAMETER", "query": "QUERY_PARAMETER", "header": "REQUEST_HEADER"}
_JSON = "application/json"


class Common(NamedTuple):
    """What the operations of one document have in common.

    validators: request validators' names by id; default_validator: the one that the document's root names
    """

    form: Form
    words: Words
    schemes: Schemes
    validators: dict[str, str]
    default_validator: str | None


def operation(method: Document, resource: Document, verb: str, common: Common) -> dict[str, Any]:
    """The operation of the method `verb` of `resource`."""
    form, words, path, ours = common.form, common.words, resource["path"], method.get("x-wsgw", {})
    made: dict[str, Any] = words.method(path, verb)
    if name := method.get("operationName"):
        made["operationId"] = name
    parameters = list(_parameters(method, path, verb, common))
    responses = {
        status: _response(response, path, verb, status, common)
        for status, response in method.get("methodResponses", {}).items()
    }
    models: dict[str, str] = method.get("requestModels", {})
    if form.is_swagger:
        made |= _media_types(method, models)
        body = _swagger_body(models, words.body(path, verb), form)
        parameters += [body] if body else []
    if parameters:
        made["parameters"] = parameters
    if models and not form.is_swagger:
        made["requestBody"] = {**words.body(path, verb), "content": _content(models, form)}
    made["responses"] = responses
    made |= common.schemes.requirement(method)
    validator = common.validators.get(method.get("requestValidatorId", ""))
    if validator is not None and validator != common.default_validator:
        made |= form.when("validators", {VALIDATOR: validator})
    if integration := method.get("methodIntegration"):
        made |= form.when("integrations", {INTEGRATION: rest_integration(integration, resource)})
    if throttle := ours.get("throttle"):
        made |= form.when("apigateway", {THROTTLE: throttle})
    return made | form.when("apigateway", ours.get("extensions", {}))


def _parameters(method: Document, path: str, verb: str, common: Common) -> Any:
    written = method.get("x-wsgw", {}).get("parameters", {})
    for declared, required in method.get("requestParameters", {}).items():
        kind, _, name = declared.removeprefix(_PREFIX).partition(".")
        place = _PLACES.get(kind)
        if place is None:
            continue
        is_required = required or place == "path"
        yield {
            "name": name,
            "in": place,
            **common.words.parameter(_KINDS[place], path, verb, name),
            **({"required": True} if is_required else {}),
            **common.form.said(written.get(declared, {})),
        }


def _content(models: dict[str, str], form: Form) -> dict[str, Any]:
    return {content_type: {"schema": {"$ref": form.model(model)}} for content_type, model in models.items()}


def _response(response: Document, path: str, verb: str, status: str, common: Common) -> dict[str, Any]:
    form, ours = common.form, response.get("x-wsgw", {})
    written = ours.get("headers", {})
    made = common.words.response(path, verb, status)
    names = [name.removeprefix(_HEADER) for name in response.get("responseParameters", ())]
    headers = {
        name: {**common.words.header(path, verb, status, name), **form.said(written.get(name, {}))} for name in names
    }
    if headers:
        made["headers"] = headers
    if models := response.get("responseModels"):
        if form.is_swagger:
            made["schema"] = {"$ref": form.model(_chosen(models))}
        else:
            made["content"] = _content(models, form)
    return made | form.when("apigateway", ours.get("extensions", {}))


def _media_types(method: Document, models: dict[str, str]) -> dict[str, Any]:
    """Swagger's consumes and produces."""
    produced = dict.fromkeys(
        content_type
        for response in method.get("methodResponses", {}).values()
        for content_type in response.get("responseModels", {})
    )
    return {
        **({"consumes": list(models)} if models else {}),
        **({"produces": list(produced)} if produced else {}),
    }


def _swagger_body(models: dict[str, str], said: dict[str, Any], form: Form) -> dict[str, Any] | None:
    if not models:
        return None
    model = _chosen(models)
    return {"in": "body", "name": model, **said, "required": True, "schema": {"$ref": form.model(model)}}


def _chosen(models: dict[str, str]) -> str:
    """Swagger has one schema for all content types: JSON's."""
    return models.get(_JSON) or next(iter(models.values()))
