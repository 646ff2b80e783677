"""What checks of every protocol share: an integration's address and time, stage variables, sizes of texts, models.

Source: developer guide, "Amazon API Gateway quotas and important notes".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from wsgw.definitions.api import Api, Stage
from wsgw.definitions.finding import Finding, Path, error, warning
from wsgw.definitions.route import TIMEOUT_MS, Integration

MOST_URI = 2048
MOST_PARAMETER = 512
MOST_TEMPLATE = 300 * 1024
LEAST_TIMEOUT_MS, MOST_TIMEOUT_MS = 50, 900_000
MOST_ROUTES = 300
MOST_STAGES = 10
URL = re.compile(r"https?://[^\s/?#]+[^\s]*|\$\{stageVariables\.[^\s]+", re.IGNORECASE)
STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")
_API_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_METHOD = re.compile(r"[A-Z]+(-[A-Z]+)*")
PYTHON = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
FUNCTION = re.compile(r"[^\s\x00-\x1f/?#]{1,}")
_MODEL_NAME = re.compile(r"[A-Za-z0-9]{1,128}")


def check_id(path: Path, api: Api) -> Iterator[Finding]:
    """Whether the API's id can stand in addresses."""
    if not _API_ID.fullmatch(api.id):
        remedy = "use up to 63 letters, digits, - and _"
        yield error(path, "no id that an API can have: it stands in addresses", remedy)


def check_counts(path: Path, api: Api) -> Iterator[Finding]:
    """Routes, too many routes, too many stages."""
    if not api.routes:
        example = "$default" if api.protocol != "REST" else "GET /"
        yield error((*path, "routes"), "the API has no routes", f"add one, as {example}: http://localhost:9000/")
    count, of = (_resources(api), "resources") if api.protocol == "REST" else (len(api.routes), "routes")
    if count > MOST_ROUTES:
        message = f"{count} {of}; API Gateway allows {MOST_ROUTES} unless asked for more"
        yield warning((*path, "routes"), message)
    if len(api.stages) > MOST_STAGES:
        message = f"{len(api.stages)} stages; API Gateway allows {MOST_STAGES} unless asked for more"
        yield warning((*path, "stages"), message)


def _resources(api: Api) -> int:
    """How many resources the routes of a REST API take: one for each part of their paths, and the root."""
    segments = [key.partition(" ")[2].strip("/").split("/") for key in api.routes]
    return 1 + len({tuple(parts[:end]) for parts in segments if parts != [""] for end in range(1, len(parts) + 1)})


def check_model_names(path: Path, api: Api) -> Iterator[Finding]:
    for name in api.models:
        if not _MODEL_NAME.fullmatch(name):
            remedy = "use 1 to 128 letters and digits"
            yield error((*path, "models", name), "no name that a model can have", remedy)


def check_request_models(path: Path, api: Api, models: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """Whether the models that a route names are there."""
    for key, model in models:
        if model not in api.models:
            known = ", ".join(api.models) or "there are none"
            yield error((*path, "requestModels", key), f"there is no model {model!r}", f"models of this API: {known}")


def check_address(path: Path, integration: Integration) -> Iterator[Finding]:
    """Whether `uri` and `method` can be called by an integration of this type; AWS's have checks of their own."""
    at: Path = (*path, "uri")
    uri = integration.uri
    if len(uri) > MOST_URI:
        yield error(at, f"longer than {MOST_URI} characters", "shorten it")
    if integration.type in ("HTTP", "HTTP_PROXY"):
        if not URL.fullmatch(uri):
            yield error(at, "not a URL that can be called", "write http://HOST/PATH or https://HOST/PATH")
        yield from check_method(path, integration)
    elif integration.type == "PYTHON" and not PYTHON.fullmatch(uri):
        yield error(at, "not a Python function", "write MODULE:FUNCTION, as chat.handlers:send")
    elif integration.type == "AWS_PROXY" and not FUNCTION.fullmatch(uri):
        yield error(at, "not a Lambda function", "write its name or ARN")


def check_method(path: Path, integration: Integration) -> Iterator[Finding]:
    """Whether `method` is one that a backend can be called with."""
    if not _METHOD.fullmatch(integration.method):
        yield error((*path, "method"), "not an HTTP method", "write one in capitals, as POST")


def without_variable(api: Api, name: str) -> list[str]:
    """The stages that have no variable `name`."""
    return [stage.name for stage in api.stages.values() if name not in stage.variables]


def check_variables(path: Path, api: Api, text: str) -> Iterator[Finding]:
    """Whether every stage has the variables that `text`, at `path`, names."""
    for name in dict.fromkeys(STAGE_VARIABLE.findall(text)):
        if without := without_variable(api, name):
            message = f"the stage variable {name!r} is not set in stage {', '.join(without)}"
            yield error(path, message, "set it under variables of the stage")


def check_time(at: Path, api: Api, timeout_ms: int, default_ms: int = TIMEOUT_MS) -> Iterator[Finding]:
    """Whether the stages allow a timeout, at `at`; `default_ms` is that of an integration or authorizer without one."""
    if not LEAST_TIMEOUT_MS <= timeout_ms <= MOST_TIMEOUT_MS:
        yield error(at, f"a timeout is {LEAST_TIMEOUT_MS} to {MOST_TIMEOUT_MS} ms", "choose one in between")
        return
    for stage in api.stages.values():
        allowed = stage.limits.timeout_ms or MOST_TIMEOUT_MS
        # The default is no wish of anybody's: a stage that allows less just cuts it short.
        if timeout_ms > max(allowed, default_ms):
            message = f"{timeout_ms} ms is more than stage {stage.name} allows ({allowed})"
            yield error(at, message, f"lower it, or raise limits.timeoutMs of the stage (API Gateway has {default_ms})")


def check_templates(path: Path, templates: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    for key, template in templates:
        if template and len(template.encode("utf-8", "replace")) > MOST_TEMPLATE:
            yield error((*path, key), f"a template of more than {MOST_TEMPLATE >> 10} KiB", "shorten it")


def check_mappings(path: Path, mappings: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    for target, source in mappings:
        if len(source) > MOST_PARAMETER:
            yield error((*path, target), f"longer than {MOST_PARAMETER} characters", "shorten it")


def check_stage_timeout(path: Path, stage: Stage) -> Iterator[Finding]:
    limits = stage.limits
    if limits.timeout_ms and not LEAST_TIMEOUT_MS <= limits.timeout_ms <= MOST_TIMEOUT_MS:
        message = f"a timeout is {LEAST_TIMEOUT_MS} to {MOST_TIMEOUT_MS} ms, or 0 for no other limit than that"
        yield error((*path, "timeoutMs"), message, "choose one in between")
