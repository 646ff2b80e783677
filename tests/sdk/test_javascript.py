"""The AWS SDK for JavaScript, unmodified, against @connections: T-08."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.harness.gateway import TestGateway, api, mock, route
from tests.harness.raw_websocket import BINARY, TEXT, Frame
from tests.sdk.conftest import Authority, Guarded, connected, needs_node_packages, over_tls, program, run, through_lanes
from wsgw import ids

pytestmark = [pytest.mark.node, needs_node_packages]

PING = route("ping", mock('{"pong":true}'), two_way=True)


async def sdk(
    gateway: TestGateway, authority: Authority, *steps: list[Any], base: str = "/prod"
) -> list[dict[str, Any]]:
    """What the SDK makes of each step; see post.mjs."""
    node = program("node")
    assert node is not None
    code, out, err = await run(
        node, "post.mjs", gateway.url + base, json.dumps(steps), NODE_EXTRA_CA_CERTS=authority.file
    )
    assert code == 0, err
    results: list[dict[str, Any]] = json.loads(out)
    return results


async def test_post_get_and_delete_do_what_they_do_on_the_service(
    make_guarded: Guarded, authority: Authority, in_environment: None
):
    gateway = await make_guarded()
    gateway.serve(PING)
    client, id = await connected(gateway, authority)
    posted, got, deleted, again = await sdk(
        gateway, authority, ["post", id, "Grüße"], ["get", id], ["delete", id], ["post", id, "late"]
    )
    assert posted == {"status": 200}
    assert await client.receive_text() == "Grüße"
    assert (got["status"], got["Identity"]["SourceIp"]) == (200, "127.0.0.1")
    connected_at = datetime.fromisoformat(got["ConnectedAt"])
    assert abs((datetime.now(UTC) - connected_at).total_seconds()) < 60
    assert datetime.fromisoformat(got["LastActiveAt"]) >= connected_at
    assert deleted == {"status": 204}
    assert await client.receive_close() == (1000, "Connection Closed Normally")
    assert (again["error"], again["status"]) == ("GoneException", 410)


async def test_errors_are_those_of_the_service(make_guarded: Guarded, authority: Authority, in_environment: None):
    gateway = await make_guarded()
    gateway.serve(PING)
    client, id = await connected(gateway, authority)
    gone, bad, large, fits = await sdk(
        gateway,
        authority,
        ["post", ids.connection_id("beef", ids.api_tag("chat")), "x"],
        ["get", "no/id ="],
        ["large", id, 131_073],
        ["large", id, 131_072],
    )
    assert (gone["error"], gone["status"]) == ("GoneException", 410)
    assert (bad["error"], bad["status"]) == ("BadRequestException", 400)
    assert bad["message"] == "Invalid connectionId: no/id ="
    assert large["status"] == 413
    assert fits == {"status": 200}
    assert len(await client.receive()) == 131_072


@through_lanes
@over_tls
@pytest.mark.parametrize(("base", "status"), [("/chat/prod", 200), ("/staging", 403), ("", 403)])
async def test_the_endpoint_is_the_stages_and_no_other(
    make_guarded: Guarded, authority: Authority, in_environment: None, base: str, status: int
):
    gateway = await make_guarded()
    gateway.serve(PING)
    _, id = await connected(gateway, authority)
    (result,) = await sdk(gateway, authority, ["post", id, "hello"], base=base)
    assert result["status"] == status
    if status == 403:
        assert result["error"] == "ForbiddenException"


FRAMES = [
    pytest.param("REJECT", Frame(True, 0, TEXT, "\ufffd\0".encode()), id="text-as-on-the-service"),
    # This SDK sends application/octet-stream with every post, whatever its data is.
    pytest.param("PASS", Frame(True, 0, BINARY, b"\xff\0"), id="binary-where-the-api-passes-it"),
]


@through_lanes
@over_tls
@pytest.mark.parametrize(("binary_messages", "frame"), FRAMES)
async def test_bytes_arrive_as_the_api_says(
    make_guarded: Guarded, authority: Authority, in_environment: None, binary_messages: str, frame: Frame
):
    gateway = await make_guarded()
    gateway.deploy(api(PING, binary_messages=binary_messages))
    client, id = await connected(gateway, authority)
    assert await sdk(gateway, authority, ["bytes", id, "ff00"]) == [{"status": 200}]
    assert await client.receive_frame() == frame


@through_lanes
@over_tls
async def test_a_stranger_is_told_so(
    make_guarded: Guarded, authority: Authority, in_environment: None, monkeypatch: pytest.MonkeyPatch
):
    gateway = await make_guarded()
    gateway.serve(PING)
    _, id = await connected(gateway, authority)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    (result,) = await sdk(gateway, authority, ["get", id])
    assert (result["error"], result["status"]) == ("InvalidSignatureException", 403)
