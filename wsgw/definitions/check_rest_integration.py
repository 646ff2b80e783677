"""What is wrong with an integration of a REST API: its type's rules, placeholders, reserved headers, responses.

Source: API reference, PutIntegration and PutIntegrationResponse; developer guide, "Amazon API Gateway important notes".
What API Gateway itself answers to such an input is used as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wsgw.definitions.api import Api
from wsgw.definitions.check_integration import NON_PROXY, check_mock
from wsgw.definitions.check_parts import (
    STAGE_VARIABLE,
    URL,
    check_address,
    check_mappings,
    check_method,
    check_templates,
    check_time,
    without_variable,
)
from wsgw.definitions.finding import Finding, Path, error, warning
from wsgw.definitions.route import Integration, IntegrationResponse, Route

STATUS = re.compile(r"[1-5][0-9][0-9]")
_PATH = "integration.request.path."
_PLACEHOLDER = re.compile(r"(?<!\$)\{([^{}]+)\}")
#: Region and service may hold stage variables, but no `{name}`: a client would choose what is signed for.
_PART = r"(?:[^:{]|\$\{[^{}]*\})+"
_SERVICE_ARN = re.compile(rf"arn:[^:{{]+:apigateway:{_PART}:({_PART}):(path|action)/.*", re.DOTALL)
_LAMBDA_ONLY = (
    "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations."
)


def check_rest_integration(path: Path, api: Api, route: Route, integration: Integration) -> Iterator[Finding]:
    """What is wrong with `integration` of `route`, at `path`."""
    yield from _address(path, integration)
    yield from _connection(path, integration)
    yield from _variables((*path, "uri"), api, integration.uri)
    yield from check_time((*path, "timeoutInMillis"), api, integration.timeout_ms)
    yield from check_templates((*path, "requestTemplates"), integration.request_templates.items())
    yield from check_mappings((*path, "requestParameters"), integration.request_parameters.items())
    yield from _placeholders(path, integration)
    if integration.type in NON_PROXY:
        yield from _responses((*path, "integrationResponses"), route, integration)
    else:
        yield from _unused(path, integration)
    if integration.type == "MOCK":
        yield from check_mock(path, integration)


def _address(path: Path, integration: Integration) -> Iterator[Finding]:
    at: Path = (*path, "uri")
    uri = integration.uri
    if integration.type in ("HTTP", "HTTP_PROXY") and not URL.fullmatch(uri):
        yield error(at, "Invalid HTTP endpoint specified for URI", "write http://HOST/PATH or https://HOST/PATH")
    elif integration.type == "AWS":
        if not uri.startswith("arn:"):
            remedy = "write arn:aws:apigateway:REGION:SERVICE:action/NAME or …:path/PATH"
            yield error(at, "Invalid ARN specified in the request", remedy)
        elif not _SERVICE_ARN.fullmatch(uri):
            remedy = "write arn:aws:apigateway:REGION:SERVICE:action/NAME or …:path/PATH"
            yield error(at, "AWS ARN for integration must contain path or action", remedy)
        yield from check_method(path, integration)
    elif integration.type == "AWS_PROXY" and ":apigateway:" in uri:
        # An invocation ARN of Lambda's does not come here: its function has been taken out.
        known = _SERVICE_ARN.fullmatch(uri)
        message = _LAMBDA_ONLY if known else "AWS ARN for integration must contain path or action"
        yield error(at, message, "write lambda:NAME, or the function's invocation ARN")
    else:
        yield from check_address(path, integration)


def _connection(path: Path, integration: Integration) -> Iterator[Finding]:
    if integration.connection_type == "VPC_LINK":
        if integration.type not in ("HTTP", "HTTP_PROXY"):
            message = f"{integration.type} integrations have no VPC_LINK"
            yield error((*path, "connectionType"), message, "use HTTP or HTTP_PROXY, or remove it")
        elif not integration.connection_id:
            yield error((*path, "connectionId"), "a VPC_LINK needs the id of one", "add connectionId")
    if integration.tls is not None and integration.type not in ("HTTP", "HTTP_PROXY"):
        yield warning((*path, "tlsConfig"), "only HTTP backends have a tlsConfig", "remove it")
    if integration.response_transfer_mode == "STREAM" and integration.type in NON_PROXY:
        message = f"the answers of {integration.type} integrations are mapped whole: they are not streamed"
        yield error((*path, "responseTransferMode"), message, "use HTTP_PROXY or AWS_PROXY, or remove it")


def _variables(path: Path, api: Api, text: str) -> Iterator[Finding]:
    """A variable that a stage lacks is empty, as in API Gateway: what that makes of the address, requests find out."""
    for name in dict.fromkeys(STAGE_VARIABLE.findall(text)):
        if without := without_variable(api, name):
            message = f"the stage variable {name!r} is not set in stage {', '.join(without)}, and so empty"
            yield warning(path, message, "set it under variables of the stage")


def _placeholders(path: Path, integration: Integration) -> Iterator[Finding]:
    if integration.type not in ("HTTP", "HTTP_PROXY", "AWS"):
        return
    mapped = {target.removeprefix(_PATH) for target in integration.request_parameters if target.startswith(_PATH)}
    for name in dict.fromkeys(_PLACEHOLDER.findall(integration.uri)):
        if name not in mapped:
            remedy = f"add requestParameters: {{{_PATH}{name}: method.request.path.{name}}}"
            yield warning((*path, "uri"), f"nothing is mapped to {{{name}}}", remedy)


def _responses(path: Path, route: Route, integration: Integration) -> Iterator[Finding]:
    if not integration.responses:
        message = "without an integration response every answer is a 500"
        yield warning(path, message, 'add one, as "200": {}')
        return
    defaults = [one.status_code for one in integration.responses if not one.selection_pattern]
    if len(defaults) > 1:
        message = f"{', '.join(sorted(defaults))} have no selectionPattern: the first of them is the default"
        yield warning(path, message, "add selectionPattern to all but one")
    for response in integration.responses:
        at: Path = (*path, response.key)
        if not STATUS.fullmatch(response.status_code):
            yield error(at, "not a status that a method can answer with", "use 100 to 599")
        elif response.status_code not in route.responses:
            message = f"there is no method response {response.status_code}: an answer that takes this is a 500"
            remedy = f'add "{response.status_code}": {{}} to methodResponses, in OpenAPI to the responses of the method'
            yield warning(at, message, remedy)
        else:
            yield from _undeclared((*at, "responseParameters"), route, response)
        yield from check_templates((*at, "responseTemplates"), response.response_templates.items())
        yield from check_mappings((*at, "responseParameters"), response.response_parameters.items())


def _undeclared(path: Path, route: Route, response: IntegrationResponse) -> Iterator[Finding]:
    declared = route.responses[response.status_code].parameters
    for target in response.response_parameters:
        if target not in declared:
            message = (
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : "
                f"[Invalid mapping expression parameter specified: {target}]"
            )
            remedy = f"declare it in responseParameters of the method response {response.status_code}"
            yield error((*path, target), message, remedy)


def _unused(path: Path, integration: Integration) -> Iterator[Finding]:
    mapped = any(one.response_templates or one.response_parameters for one in integration.responses)
    for name, value in (
        ("requestTemplates", bool(integration.request_templates)),
        ("integrationResponses", mapped),
    ):
        if value:
            remedy = "remove them, or use type HTTP" if integration.type == "HTTP_PROXY" else "remove them"
            message = f"{integration.type} passes everything on: {name} are not used"
            yield warning((*path, name), message, remedy)
    if integration.type == "AWS_PROXY" and integration.method not in ("POST", "ANY"):
        message = f"functions are called with POST: with {integration.method} every answer is a 500"
        yield warning((*path, "method"), message, "write httpMethod: POST")
    if integration.type == "AWS_PROXY" and integration.credentials is not None:
        message = "functions are called with the gateway's own credentials"
        yield warning((*path, "credentials"), message, "remove it")
