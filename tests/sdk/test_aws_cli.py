"""The AWS command line against @connections: T-08. Runs where an `aws` is found, version 1 or 2."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.harness.gateway import TestGateway, mock, route
from tests.sdk.conftest import Authority, Guarded, connected, over_tls, program, run, through_lanes
from wsgw import ids

PING = route("ping", mock('{"pong":true}'), two_way=True)


@cache
def why_not() -> str:
    """Why there is no working `aws` here, or ""."""
    aws = program("aws")
    if aws is None:
        return "no aws executable is found; pip install awscli brings one"
    try:
        found = subprocess.run([aws, "--version"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{aws} does not run: {error}"
    return "" if found.returncode == 0 else f"{aws} --version ends with {found.returncode}"


pytestmark = [pytest.mark.skipif(bool(why_not()), reason=why_not()), through_lanes]


async def aws(
    gateway: TestGateway, authority: Authority, operation: str, id: str, *options: str, base: str = "/prod"
) -> tuple[int, str, str]:
    executable = program("aws")
    assert executable is not None
    return await run(
        executable,
        "apigatewaymanagementapi",
        operation,
        # With an equals sign, as every script should: an id may begin with a dash.
        f"--connection-id={id}",
        "--endpoint-url",
        gateway.url + base,
        *options,
        AWS_CA_BUNDLE=authority.file,
        AWS_MAX_ATTEMPTS="1",
        AWS_PAGER="",
    )


async def test_post_get_and_delete_do_what_they_do_on_the_service(
    make_guarded: Guarded, authority: Authority, in_environment: None, tmp_path: Path
):
    gateway = await make_guarded()
    gateway.serve(PING)
    client, id = await connected(gateway, authority)
    data = tmp_path / "message"
    data.write_bytes("Grüße".encode())
    code, out, err = await aws(gateway, authority, "post-to-connection", id, "--data", f"fileb://{data}")
    assert (code, out) == (0, ""), err
    assert await client.receive_text() == "Grüße"

    code, out, err = await aws(gateway, authority, "get-connection", id, "--output", "json", base="/chat/prod")
    assert code == 0, err
    assert json.loads(out)["Identity"]["SourceIp"] == "127.0.0.1"

    code, out, err = await aws(gateway, authority, "delete-connection", id)
    assert (code, out) == (0, ""), err
    assert await client.receive_close() == (1000, "Connection Closed Normally")

    code, out, err = await aws(gateway, authority, "get-connection", id)
    assert code != 0
    assert "(GoneException)" in err


ERRORS = [
    pytest.param("get-connection", "garbage", "/prod", "(BadRequestException)", id="no-id"),
    pytest.param("delete-connection", None, "/prod", "(GoneException)", id="unknown-id"),
    pytest.param("get-connection", None, "/staging", "(ForbiddenException)", id="wrong-stage"),
]


@over_tls
@pytest.mark.parametrize(("operation", "id", "base", "error"), ERRORS)
async def test_errors_are_those_of_the_service(
    make_guarded: Guarded,
    authority: Authority,
    in_environment: None,
    operation: str,
    id: str | None,
    base: str,
    error: str,
):
    gateway = await make_guarded()
    gateway.serve(PING)
    id = id or ids.connection_id("beef", ids.api_tag("chat"))
    code, _, err = await aws(gateway, authority, operation, id, base=base)
    assert code != 0
    assert error in err
