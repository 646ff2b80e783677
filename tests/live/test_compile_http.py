"""Stages of HTTP APIs made ready: which steps a route has, and what is found out at deployment."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.harness.gateway import http, route
from tests.mapping.request_samples import request
from wsgw.authorizers.access import Access
from wsgw.definitions.access import Cors, ThrottleSettings
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Integration, Route
from wsgw.errors import DefinitionError, NotFound
from wsgw.integrations.aws_services import AwsServices
from wsgw.integrations.http_pool import HttpPool
from wsgw.integrations.lambda_ import LambdaClients
from wsgw.live.compile_http import compile_http_stage
from wsgw.live.parts import Parts
from wsgw.live.route_table import LiveHttpStage, LiveRoute
from wsgw.observe.metrics import Metrics
from wsgw.settings import Settings
from wsgw.stores.memory import MemoryThrottle
from wsgw.stores.memory_cache import MemoryCache
from wsgw.stores.memory_quota import MemoryQuota

BACKEND = "http://127.0.0.1:9000"


class Compiler:
    """Compiles APIs of one route, or of several."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def stage(self, *routes: Route, stage: Stage | None = None, **members: Any) -> LiveHttpStage:
        stage = stage or Stage(name="$default")
        keyed = {one.key: one for one in routes}
        return compile_http_stage(
            Api(id="web", name="web", protocol="HTTP", routes=keyed, **members), stage, self._parts
        )

    def route(self, integration: Integration | None, key: str = "GET /", **members: Any) -> LiveRoute:
        match = self.stage(route(key, integration, **members)).paths.find("GET", "/")
        assert match is not None
        return match.route


@pytest.fixture
async def compiler(tmp_path: Any) -> AsyncIterator[Compiler]:
    pool, functions = HttpPool(), LambdaClients()
    connections: Any = None
    settings = Settings()
    yield Compiler(
        Parts(
            settings=settings,
            buckets=MemoryThrottle(),
            metrics=Metrics(),
            http_pool=pool,
            lambda_clients=functions,
            aws=AwsServices(pool),
            connections=connections,
            access=Access(MemoryCache(), MemoryQuota(), MemoryThrottle(), time.time),
            base=tmp_path,
            handlers={"hello": lambda event, context: None},
        )
    )
    await functions.close()
    await pool.close()


def test_a_plain_proxy_route_has_three_steps_and_needs_no_task(compiler: Compiler):
    """What a route does not use costs it nothing."""
    live = compiler.route(http(BACKEND))
    assert len(live.steps) == 3
    assert (live.needs_task, live.streams) == (False, True)
    assert len(compiler.route(http(BACKEND), throttle=ThrottleSettings(rate_limit=1, burst_limit=1)).steps) == 4


@pytest.mark.parametrize(
    ("value", "streams"),
    [("$request.header.a", True), ("$request.body.a", False), ("x${request.body.a}", False), ("$request.body", False)],
)
def test_a_body_is_waited_for_only_where_it_is_mapped(compiler: Compiler, value: str, streams: bool):
    assert compiler.route(http(BACKEND, request_parameters={"append:header.x": value})).streams is streams


@pytest.mark.parametrize(
    "integration", [Integration(type="AWS_PROXY", uri="f"), Integration(type="PYTHON", uri="hello")]
)
async def test_functions_need_a_task_and_the_whole_body(compiler: Compiler, integration: Integration):
    live = compiler.route(integration)
    assert (live.needs_task, live.streams) == (True, False)


def test_the_default_route_stands_apart(compiler: Compiler):
    live = compiler.stage(route("$default", http(BACKEND)))
    assert live.default is not None
    assert live.default.key == "$default"
    assert live.paths.find("GET", "/") is None
    assert not live.is_rest
    assert isinstance(live.not_found(request()), NotFound)


def test_cors_costs_nothing_where_it_is_not_configured(compiler: Compiler):
    live = compiler.stage(route("GET /", http(BACKEND)))
    assert live.preflight is live.settle is None
    live = compiler.stage(route("GET /", http(BACKEND)), cors=Cors(allow_origins=("*",)))
    assert live.preflight is not None
    assert live.settle is not None


def test_stage_variables_are_filled_in_once(compiler: Compiler):
    stage = Stage(name="$default", variables={"port": "9000"})
    compiler.stage(route("GET /", http("http://127.0.0.1:${stageVariables.port}")), stage=stage)
    with pytest.raises(DefinitionError, match="no variable 'port'"):
        compiler.stage(route("GET /", http("http://127.0.0.1:${stageVariables.port}")))


REFUSED = [
    (None, "no integration"),
    (Integration(type="MOCK"), "no MOCK integrations"),
    (Integration(type="HTTP", uri=BACKEND), "no HTTP integrations"),
    (Integration(type="AWS", uri="arn:x"), "no AWS integrations"),
    (http("ftp://x"), "not an absolute http or https URL"),
    (http("http://user:secret@x"), "authority"),
    (http(f"{BACKEND}/{{id}}"), "no path variable"),
    (http(BACKEND, request_parameters={"header.x": "y"}), "no target"),
    (http(BACKEND, request_parameters={"append:header.x": "$context.nothing"}), "'nothing'"),
    (http(BACKEND, response_parameters={"200": {"append:header.via": "y"}}), "reserved"),
    (http(BACKEND, response_parameters={"200": {"overwrite:statuscode": "1"}}), "status code"),
    (Integration(type="AWS_PROXY", subtype="SQS-Nothing"), "no integration subtype"),
    (Integration(type="AWS_PROXY", subtype="SQS-PurgeQueue"), "QueueUrl"),
    (http("", connection_type="VPC_LINK", connection_id="link"), "vpc_links"),
]


@pytest.mark.parametrize(("integration", "says"), REFUSED, ids=[says for _, says in REFUSED])
def test_what_cannot_be_served_is_refused_with_its_place(
    compiler: Compiler, integration: Integration | None, says: str
):
    with pytest.raises(DefinitionError) as refused:
        compiler.route(integration)
    (finding,) = refused.value.findings
    assert finding.startswith("apis.web.routes.GET /: ")
    assert says in finding
