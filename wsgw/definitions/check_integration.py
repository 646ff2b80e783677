"""What is wrong with an integration: its type, address, time, templates and responses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from wsgw.definitions.api import Api
from wsgw.definitions.finding import Finding, Path, error, warning
from wsgw.definitions.route import LIFECYCLE_KEYS, Integration, Route

MOST_URI = 2048
MOST_PARAMETER = 512
MOST_TEMPLATE = 300 * 1024
LEAST_TIMEOUT_MS, MOST_TIMEOUT_MS = 50, 900_000
NON_PROXY = frozenset({"HTTP", "MOCK", "AWS"})
# Samples of API Gateway's write it either way.
DEFAULT_KEYS = frozenset({"$default", "\\$default"})
_URL = re.compile(r"https?://[^\s/?#]+[^\s]*|\$\{stageVariables\.[^\s]+", re.IGNORECASE)
_METHOD = re.compile(r"[A-Z]+(-[A-Z]+)*")
_PYTHON = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_FUNCTION = re.compile(r"[^\s\x00-\x1f/?#]{1,}")
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")
_STATUS_CODE = re.compile(r"[\"']?statusCode[\"']?\s*:")


def check_integration(path: Path, api: Api, route: Route, integration: Integration) -> Iterator[Finding]:
    """What is wrong with `integration` of `route`, at `path`."""
    if integration.type == "AWS":
        remedy = "use AWS_PROXY for a Lambda function, or HTTP"
        yield error((*path, "type"), "AWS integrations are not served by this version", remedy)
        return
    yield from _address(path, api, integration)
    yield from _time(path, api, integration)
    yield from _texts(path, integration)
    yield from _without_effect(path, integration)
    if integration.type in NON_PROXY:
        yield from _responses(path, route, integration)
    else:
        yield from _unused(path, integration)
    if integration.type == "MOCK":
        yield from _mock(path, integration)


def _address(path: Path, api: Api, integration: Integration) -> Iterator[Finding]:
    at: Path = (*path, "uri")
    uri = integration.uri
    if len(uri) > MOST_URI:
        yield error(at, f"longer than {MOST_URI} characters", "shorten it")
    if integration.type in ("HTTP", "HTTP_PROXY"):
        if not _URL.fullmatch(uri):
            yield error(at, "not a URL that can be called", "write http://HOST/PATH or https://HOST/PATH")
        if not _METHOD.fullmatch(integration.method):
            yield error((*path, "method"), "not an HTTP method", "write one in capitals, as POST")
    elif integration.type == "PYTHON" and not _PYTHON.fullmatch(uri):
        yield error(at, "not a Python function", "write MODULE:FUNCTION, as chat.handlers:send")
    elif integration.type == "AWS_PROXY" and not _FUNCTION.fullmatch(uri):
        yield error(at, "not a Lambda function", "write its name or ARN")
    for name in dict.fromkeys(_STAGE_VARIABLE.findall(uri)):
        without = [stage.name for stage in api.stages.values() if name not in stage.variables]
        if without:
            message = f"the stage variable {name!r} is not set in stage {', '.join(without)}"
            yield error(at, message, "set it under variables of the stage")


def _time(path: Path, api: Api, integration: Integration) -> Iterator[Finding]:
    at: Path = (*path, "timeoutInMillis")
    if not LEAST_TIMEOUT_MS <= integration.timeout_ms <= MOST_TIMEOUT_MS:
        yield error(at, f"a timeout is {LEAST_TIMEOUT_MS} to {MOST_TIMEOUT_MS} ms", "choose one in between")
        return
    for stage in api.stages.values():
        allowed = stage.limits.timeout_ms or MOST_TIMEOUT_MS
        # 29000 is what an integration has that says nothing: a stage that allows less just cuts it short.
        if integration.timeout_ms > max(allowed, 29_000):
            message = f"{integration.timeout_ms} ms is more than stage {stage.name} allows ({allowed})"
            yield error(at, message, "lower it, or raise limits.timeoutMs of the stage (API Gateway has 29000)")


def _texts(path: Path, integration: Integration) -> Iterator[Finding]:
    yield from _templates((*path, "requestTemplates"), integration.request_templates.items())
    yield from _mappings((*path, "requestParameters"), integration.request_parameters.items())
    for response in integration.responses:
        at: Path = (*path, "integrationResponses", response.key)
        yield from _templates((*at, "responseTemplates"), response.response_templates.items())
        yield from _mappings((*at, "responseParameters"), response.response_parameters.items())


def _without_effect(path: Path, integration: Integration) -> Iterator[Finding]:
    if integration.credentials is not None:
        message = "functions are called with the gateway's own credentials"
        yield warning((*path, "credentialsArn"), message, "remove it")
    for response in integration.responses:
        if response.response_parameters:
            at: Path = (*path, "integrationResponses", response.key, "responseParameters")
            yield warning(at, "response parameters are not mapped by this version", "remove them")


def _templates(path: Path, templates: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    for key, template in templates:
        if len(template.encode()) > MOST_TEMPLATE:
            yield error((*path, key), f"a template of more than {MOST_TEMPLATE >> 10} KiB", "shorten it")


def _mappings(path: Path, mappings: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    for target, source in mappings:
        if len(source) > MOST_PARAMETER:
            yield error((*path, target), f"longer than {MOST_PARAMETER} characters", "shorten it")


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


def _mock(path: Path, integration: Integration) -> Iterator[Finding]:
    """A mock answers with the status that its request template gives. Source: developer guide, "Mock integrations"."""
    at: Path = (*path, "requestTemplates")
    remedy = 'have the template give {"statusCode": 200}'
    if not integration.request_templates:
        yield warning(at, "a mock without a request template has no statusCode to answer with", remedy)
    for key, template in integration.request_templates.items():
        if not _STATUS_CODE.search(template):
            yield warning((*at, key), "the template gives no statusCode for the mock to answer with", remedy)
