"""Which address leads to which stage."""

from __future__ import annotations

import pytest

from wsgw.ids import api_tag, connection_id
from wsgw.live.route_table import LiveSocketStage
from wsgw.live.stages import Stages


def stage(api_id: str, name: str) -> LiveSocketStage:
    live = LiveSocketStage()
    live.api_id, live.stage, live.api_tag = api_id, name, api_tag(api_id)
    return live


@pytest.fixture
def stages() -> Stages:
    several = Stages("us-east-1")
    several.deploy([stage("chat", "prod"), stage("chat", "dev"), stage("other", "prod"), stage("web", "$default")])
    return several


ADDRESSES = [
    pytest.param("127.0.0.1:8080", "/chat/prod", ("chat", "prod", "", ""), id="api-and-stage-in-the-path"),
    pytest.param("127.0.0.1:8080", "/chat/prod/x/y", ("chat", "prod", "x/y", ""), id="the-rest-is-given"),
    pytest.param("127.0.0.1:8080", "/dev", ("chat", "dev", "", ""), id="a-stage-that-one-api-has"),
    pytest.param("127.0.0.1:8080", "/prod", None, id="a-stage-that-two-apis-have"),
    pytest.param("127.0.0.1:8080", "/nothing/at/all", None, id="nothing"),
    pytest.param("127.0.0.1:8080", "/", None, id="root"),
    pytest.param("chat.localhost:8080", "/prod", ("chat", "prod", "", "chat.localhost:8080"), id="api-dot-localhost"),
    pytest.param("chat.localhost", "/other/prod", None, id="the-host-has-named-the-api"),
    pytest.param(
        "chat.execute-api.us-east-1.amazonaws.com",
        "/dev/@connections/x",
        ("chat", "dev", "@connections/x", "chat.execute-api.us-east-1.amazonaws.com"),
        id="execute-api-host",
    ),
    pytest.param(
        "chat.execute-api.evil.example", "/prod", ("chat", "prod", "", ""), id="a-foreign-suffix-is-not-repeated"
    ),
    pytest.param("chat.evil.example", "/prod", None, id="a-label-alone-names-no-api"),
    pytest.param("web.localhost", "/anything", ("web", "$default", "anything", "web.localhost"), id="default-stage"),
    pytest.param("CHAT.LOCALHOST", "/prod", ("chat", "prod", "", "chat.localhost"), id="host-names-have-no-case"),
]


@pytest.mark.parametrize(("host", "path", "place"), ADDRESSES)
def test_an_address_leads_to(stages: Stages, host: str, path: str, place: tuple[str, str, str, str] | None):
    found = stages.find(host, path)
    if place is None:
        assert found is None
    else:
        assert found is not None
        assert (found.live.api_id, found.live.stage, found.rest, found.host) == place


@pytest.mark.parametrize("api", ["chat", "other"])
@pytest.mark.parametrize("spelled", ["=", "%3D", "%3d"])
def test_a_connection_id_tells_which_of_two_apis_is_meant(stages: Stages, api: str, spelled: str):
    id = connection_id("4f1c", api_tag(api))
    found = stages.find("127.0.0.1", f"/prod/@connections/{id.replace('=', spelled)}")
    assert found is not None
    assert found.live.api_id == api


def test_a_deployment_reaches_those_who_hold_a_slot(stages: Stages):
    found = stages.find("127.0.0.1", "/chat/dev")
    assert found is not None
    newer = stage("chat", "dev")
    stages.deploy([newer])
    assert found.slot.live is newer
    assert stages.find("127.0.0.1", "/chat/prod") is None


def test_a_stage_that_goes_and_comes_back_has_its_connections_again(stages: Stages):
    found = stages.find("127.0.0.1", "/chat/dev")
    assert found is not None
    found.slot.connections += 1
    stages.deploy([])
    assert found.slot.live is None
    stages.deploy([stage("chat", "dev")])
    again = stages.find("127.0.0.1", "/chat/dev")
    assert again is not None
    assert again.slot is found.slot
