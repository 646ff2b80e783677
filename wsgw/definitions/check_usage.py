"""What is wrong with API keys and usage plans: their values and limits, and whatever plans name that is not there.

Source: developer guide, "Amazon API Gateway quotas" and "API Gateway API key file format"; service model `apigateway`,
types ApiKey and UsagePlan.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from wsgw.definitions.api import Api
from wsgw.definitions.finding import Finding, Path, error, warning
from wsgw.definitions.usage import ApiKey, PlanStage, UsagePlan
from wsgw.definitions.usage_documents import method_key

FEWEST_VALUE, MOST_VALUE, MOST_NAME, MOST_DESCRIPTION = 20, 128, 1024, 125_000
MOST_METHODS, MOST_PLANS_OF_A_KEY = 20, 10
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
#: What a header can carry from its first character to its last.
_SENDABLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


def check_usage(keys: Sequence[ApiKey], plans: Sequence[UsagePlan], apis: Iterable[Api]) -> list[Finding]:
    """Every finding of `keys` and `plans`, which lead to `apis`. Values are shown by none of them."""
    findings = [finding for key in keys for finding in _key(("apiKeys", key.id), key)]
    findings += _same_values(keys)
    key_ids, by_api = {key.id for key in keys}, {api.id: api for api in apis}
    for plan in plans:
        findings += _plan(("usagePlans", plan.id), plan, key_ids, by_api)
    findings += _memberships(plans)
    return findings


def _same_values(keys: Sequence[ApiKey]) -> Iterator[Finding]:
    by_value: dict[str, str] = {}
    for key in keys:
        if key.value and (first := by_value.setdefault(key.value, key.id)) != key.id:
            yield error(("apiKeys", key.id, "value"), "API Key already exists", f"it is the value of {first!r}, too")


def _key(path: Path, key: ApiKey) -> Iterator[Finding]:
    yield from _id(path, key.id)
    # A reference that nobody has filled in yet says nothing of the value.
    if not _REFERENCE.search(key.value):
        yield from _value((*path, "value"), key.value)
    if len(key.name) > MOST_NAME:
        yield error((*path, "name"), f"Invalid API Key name, can be at most {MOST_NAME} characters", "shorten it")
    if len(key.description) > MOST_DESCRIPTION:
        message = "Invalid API Key description specified"
        yield error((*path, "description"), message, f"up to {MOST_DESCRIPTION:,} characters")


def _value(path: Path, value: str) -> Iterator[Finding]:
    remedy = f"{FEWEST_VALUE} to {MOST_VALUE} characters, as `openssl rand -hex 20` gives them"
    if not value:
        return  # the variable that is not set is a finding already
    if len(value) < FEWEST_VALUE:
        yield error(path, f"API Key value should be at least {FEWEST_VALUE} characters", remedy)
    elif len(value) > MOST_VALUE:
        yield error(path, f"API Key value exceeds maximum size of {MOST_VALUE} characters", remedy)
    if not _SENDABLE.fullmatch(value):
        yield error(path, "no header can carry this value", "printable ASCII, no blank at its ends")


def _id(path: Path, id: str) -> Iterator[Finding]:
    if not _ID.fullmatch(id):
        yield error(path, "not an id that counters can have", "up to 64 letters, digits, dots, hyphens, underscores")


def _plan(path: Path, plan: UsagePlan, key_ids: set[str], apis: Mapping[str, Api]) -> Iterator[Finding]:
    yield from _id(path, plan.id)
    seen: set[tuple[str, str]] = set()
    for index, stage in enumerate(plan.stages):
        at: Path = (*path, "apiStages", index)
        if (stage.api_id, stage.stage) in seen:
            yield error(at, f"the plan has the stage {stage.api_id}:{stage.stage} twice", "remove one")
        seen.add((stage.api_id, stage.stage))
        yield from _stage(at, stage, apis)
    own: set[str] = set()
    for index, key_id in enumerate(plan.keys):
        if key_id not in key_ids:
            yield error((*path, "keys", index), f"there is no API key {key_id!r}", "add it under apiKeys")
        elif key_id in own:
            yield warning((*path, "keys", index), f"the key {key_id!r} is there twice", "remove one")
        own.add(key_id)
    if plan.quota is not None and plan.quota.offset > plan.quota.limit:
        message = "more than the limit is taken off a key's first period: nothing is left of it"
        yield warning((*path, "quota", "offset"), message, "give less than the limit")


def _stage(path: Path, stage: PlanStage, apis: Mapping[str, Api]) -> Iterator[Finding]:
    api = apis.get(stage.api_id)
    if api is None:
        yield error(
            (*path, "apiId"), f"there is no API {stage.api_id!r}", f"APIs: {', '.join(apis) or 'there are none'}"
        )
        return
    if stage.stage not in api.stages:
        remedy = f"stages of {api.id}: {', '.join(api.stages)}"
        yield error((*path, "stage"), f"the API has no stage {stage.stage!r}", remedy)
    if len(stage.throttle) > MOST_METHODS:
        message = f"limits for {len(stage.throttle)} methods, and {MOST_METHODS} may have one"
        yield error((*path, "throttle"), message, "remove some, or use the plan's throttle")
    for key in stage.throttle:
        if key not in api.routes or (api.protocol == "WEBSOCKET" and key != "$connect"):
            method = method_key(key)
            example = "$connect" if api.protocol == "WEBSOCKET" else next(map(method_key, api.routes), "/path/VERB")
            yield error((*path, "throttle", method), "the API has no such method", f"name one as {example}")
        elif not api.routes[key].api_key_required:
            message = "the method requires no API key: nobody's requests are counted"
            yield warning((*path, "throttle", method_key(key)), message, "set apiKeyRequired on it")


def _memberships(plans: Sequence[UsagePlan]) -> Iterator[Finding]:
    """Keys in too many plans, or in two that have the same stage."""
    stages: dict[str, dict[tuple[str, str], str]] = {}
    counts: dict[str, int] = {}
    for plan in plans:
        for key_id, index in {key_id: index for index, key_id in enumerate(plan.keys)}.items():
            path: Path = ("usagePlans", plan.id, "keys", index)
            counts[key_id] = counts.get(key_id, 0) + 1
            if counts[key_id] == MOST_PLANS_OF_A_KEY + 1:
                yield error(path, f"the key {key_id!r} is in more than {MOST_PLANS_OF_A_KEY} plans", "remove it here")
            of_key = stages.setdefault(key_id, {})
            for one in plan.stages:
                where = (one.api_id, one.stage)
                if (other := of_key.setdefault(where, plan.id)) != plan.id:
                    message = (
                        f"the key {key_id!r} is in the plan {other!r}, too, which has {where[0]}:{where[1]} as well"
                    )
                    yield error(path, message, "a key is in one plan only for each stage")
