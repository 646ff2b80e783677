"""What routes of every protocol have in common when they are made ready."""

from __future__ import annotations

import json

import msgspec
import pytest

from tests.mapping.request_samples import REQUEST_ID, request
from wsgw.definitions.api import Api, Protocol, Stage
from wsgw.definitions.route import Integration, Route
from wsgw.live.route_steps import deployment_id, log_line

ROUTE = Route(key="GET /a", integration=Integration(type="MOCK"))
API = Api(id="a", name="a", protocol="REST", routes={ROUTE.key: ROUTE})


def test_a_deployment_id_is_six_characters_that_change_with_the_definition() -> None:
    first = deployment_id(API)
    assert len(first) == 6
    assert first.isalnum()
    assert first == deployment_id(Api(id="a", name="a", protocol="REST", routes={ROUTE.key: ROUTE}))
    assert first != deployment_id(msgspec.structs.replace(API, routes={}))


KEYS: list[tuple[Protocol, str]] = [("REST", "resourcePath"), ("HTTP", "routeKey")]


@pytest.mark.parametrize(("protocol", "key"), KEYS)
def test_a_stage_without_a_format_logs_the_default_of_its_protocol(protocol: Protocol, key: str) -> None:
    line = log_line(Stage(name="dev"), protocol)
    assert line is not None
    written = json.loads(line(request()))
    assert written["requestId"] == REQUEST_ID
    assert key in written


def test_a_stage_may_have_no_log() -> None:
    assert log_line(Stage(name="dev", access_log_format=None), "REST") is None
