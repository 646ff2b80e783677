"""What stages and routes of every protocol have: address and access log, throttles, an integration's time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec

from wsgw.definitions.api import Api, Protocol, Stage
from wsgw.definitions.check_stage import check_enforceable
from wsgw.definitions.finding import dotted
from wsgw.definitions.route import Integration, Route
from wsgw.errors import ApiConfigurationError, DefinitionError
from wsgw.ids import api_tag
from wsgw.invocation import Invocation
from wsgw.live.guard_firewall import firewall
from wsgw.live.guard_policy import vpc_sources
from wsgw.live.parts import Parts
from wsgw.live.route_table import LiveRoute, LiveStage
from wsgw.mapping.log_format import DEFAULT_LOG_FORMATS, compile_log_format
from wsgw.pipeline.run import Step

StepsFor = Callable[[Api, Stage, Route, Parts], tuple[Step, ...]]
_DIGITS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
#: Integrations whose steps ask for the current task; see integrations/drive.py.
_NEED_TASK = frozenset({"AWS_PROXY", "PYTHON", "AWS"})


def describe(live: LiveStage, api: Api, stage: Stage, parts: Parts) -> None:
    """Fill in what `live` has whatever its protocol is."""
    live.api_id = api.id
    live.api_tag = api_tag(api.id)
    live.account_id = parts.settings.account_id
    live.deployment_id = ""
    live.stage = stage.name
    live.stage_variables = stage.variables
    live.limits = stage.limits
    live.log_line = log_line(stage, api.protocol)
    live.vpc_source = vpc_sources(parts).of if parts.settings.vpc_sources else None
    try:
        live.firewall = firewall(api, stage, parts)
    except ValueError as error:
        raise DefinitionError([f"apis.{api.id}.stages.{stage.name}.webAcl: {error}"]) from error
    _refuse_unenforceable(api, stage)
    live.unmatched = parts.metrics.route(api.id, stage.name, "")


def _refuse_unenforceable(api: Api, stage: Stage) -> None:
    """Raises DefinitionError for what nothing would look at: a stage that nobody has checked is not served open."""
    found = check_enforceable(("apis", api.id, "stages", stage.name), api, stage)
    faults = [f"{dotted(one.path)}: {one.message} ({one.remedy})" for one in found if one.severity == "error"]
    if faults:
        raise DefinitionError(faults)


def live_route(
    api: Api, stage: Stage, route: Route, parts: Parts, steps_for: StepsFor, *, streams: bool = False
) -> LiveRoute:
    """`route` with its steps. Raises DefinitionError naming it, where `steps_for` finds that it cannot be served."""
    try:
        steps = steps_for(api, stage, route, parts)
    except (ValueError, ImportError, AttributeError, DefinitionError) as error:
        raise DefinitionError([f"apis.{api.id}.routes.{route.key}: {error}"]) from error
    except ApiConfigurationError as error:
        raise DefinitionError([f"apis.{api.id}.routes.{route.key}: {error.detail}"]) from error
    needs_task = route.integration is not None and route.integration.type in _NEED_TASK
    return LiveRoute(
        route.key,
        steps,
        parts.metrics.route(api.id, stage.name, route.key),
        two_way=route.two_way,
        needs_task=needs_task,
        # What is signed is the whole body, and what a web ACL looks at is there before a route is looked for.
        streams=streams
        and route.authorization_type != "AWS_IAM"
        and not (stage.web_acl is not None and stage.web_acl.inspects_body),
        resource_id=route.resource_id,
        operation_name=route.operation_name or "",
        unbounded=route.integration is not None and route.integration.response_transfer_mode == "STREAM",
    )


def live_routes(
    api: Api, stage: Stage, parts: Parts, steps_for: StepsFor, streams: Callable[[Route], bool] = lambda route: False
) -> dict[str, LiveRoute]:
    """The routes of `api` by their keys. Raises DefinitionError with all that cannot be served."""
    live, findings = {}, []
    for key, route in api.routes.items():
        try:
            live[key] = live_route(api, stage, route, parts, steps_for, streams=streams(route))
        except DefinitionError as error:
            findings += error.findings
    if findings:
        raise DefinitionError(findings)
    return live


def timeout_of(stage: Stage, integration: Integration) -> float:
    """Seconds: the integration's own, but no more than the stage allows."""
    allowed = stage.limits.timeout_ms or integration.timeout_ms
    return min(integration.timeout_ms, allowed) / 1000


def log_line(stage: Stage, protocol: Protocol) -> Callable[[Invocation], str] | None:
    """What writes the stage's access log lines; None where there are none."""
    if stage.access_log_format is None:
        return None
    return compile_log_format(stage.access_log_format or DEFAULT_LOG_FORMATS[protocol], protocol)


def deployment_id(api: Api) -> str:
    """Six letters or digits that change with the definition: nothing here counts deployments yet."""
    digest = int.from_bytes(hashlib.blake2b(msgspec.json.encode(api), digest_size=8).digest())
    return "".join(_DIGITS[digest // 36**place % 36] for place in range(6))
