"""What is wrong with an integration of a WebSocket API: its type, address, time, templates and responses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wsgw.definitions.api import Api
from wsgw.definitions.check_parts import check_address, check_mappings, check_templates, check_time, check_variables
from wsgw.definitions.finding import Finding, Path, error, warning
from wsgw.definitions.route import LIFECYCLE_KEYS, Integration, Route

NON_PROXY = frozenset({"HTTP", "MOCK", "AWS"})
# Samples of API Gateway's write it either way.
DEFAULT_KEYS = frozenset({"$default", "\\$default"})
_STATUS_CODE = re.compile(r"[\"']?statusCode[\"']?\s*:")


def check_integration(path: Path, api: Api, route: Route, integration: Integration) -> Iterator[Finding]:
    """What is wrong with `integration` of `route`, at `path`."""
    if integration.type == "AWS":
        remedy = "use AWS_PROXY for a Lambda function, or HTTP"
        yield error((*path, "type"), "AWS integrations are not served by this version", remedy)
        return
    yield from check_address(path, integration)
    yield from check_variables((*path, "uri"), api, integration.uri)
    yield from check_time((*path, "timeoutInMillis"), api, integration.timeout_ms)
    yield from _texts(path, integration)
    yield from _without_effect(path, integration)
    if integration.type in NON_PROXY:
        yield from _responses(path, route, integration)
    else:
        yield from _unused(path, integration)
    if integration.type == "MOCK":
        yield from check_mock(path, integration)


def _texts(path: Path, integration: Integration) -> Iterator[Finding]:
    yield from check_templates((*path, "requestTemplates"), integration.request_templates.items())
    yield from check_mappings((*path, "requestParameters"), integration.request_parameters.items())
    for response in integration.responses:
        at: Path = (*path, "integrationResponses", response.key)
        yield from check_templates((*at, "responseTemplates"), response.response_templates.items())
        yield from check_mappings((*at, "responseParameters"), response.response_parameters.items())


def _without_effect(path: Path, integration: Integration) -> Iterator[Finding]:
    if integration.credentials is not None:
        message = "functions are called with the gateway's own credentials"
        yield warning((*path, "credentialsArn"), message, "remove it")
    for response in integration.responses:
        if response.response_parameters:
            at: Path = (*path, "integrationResponses", response.key, "responseParameters")
            yield warning(at, "response parameters are not mapped by this version", "remove them")


def _responses(path: Path, route: Route, integration: Integration) -> Iterator[Finding]:
    at: Path = (*path, "integrationResponses")
    keys = [response.key for response in integration.responses]
    for key in keys:
        if key not in DEFAULT_KEYS and not (len(key) > 2 and key.startswith("/") and key.endswith("/")):
            remedy = "write $default or /regular expression/, as /2\\d\\d/"
            yield error((*at, key), "not a key of an integration response", remedy)
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield error((*at, key), "there are two integration responses with this key", "remove one")
    if not route.two_way or route.key in LIFECYCLE_KEYS:
        return
    if not keys:
        remedy = "add integrationResponses: {$default: {}}"
        message = "a two-way route needs an integration response to answer with"
        yield error(at, message, remedy)
    elif DEFAULT_KEYS.isdisjoint(keys):
        message = "without a $default response, an answer that no key matches is an error"
        yield warning(at, message, "add $default")


def _unused(path: Path, integration: Integration) -> Iterator[Finding]:
    for name, value in (
        ("requestTemplates", integration.request_templates),
        ("integrationResponses", integration.responses),
    ):
        if value:
            message = f"{integration.type} passes everything on: {name} are not used"
            yield warning((*path, name), message, "remove them" + _alternative(integration))


def _alternative(integration: Integration) -> str:
    return ", or use type HTTP" if integration.type == "HTTP_PROXY" else ""


def check_mock(path: Path, integration: Integration) -> Iterator[Finding]:
    """A mock answers with the status that its request template gives. Source: developer guide, "Mock integrations"."""
    at: Path = (*path, "requestTemplates")
    remedy = 'have the template give {"statusCode": 200}'
    if not integration.request_templates:
        yield warning(at, "a mock without a request template has no statusCode to answer with", remedy)
    for key, template in integration.request_templates.items():
        if not _STATUS_CODE.search(template):
            yield warning((*at, key), "the template gives no statusCode for the mock to answer with", remedy)
