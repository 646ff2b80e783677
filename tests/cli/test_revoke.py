"""`wsgw revoke` and `wsgw connections close --principal` against running gateways."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.harness.gateway import TestGateway
from tests.harness.redis_server import RedisServer
from tests.harness.staying import refused, serve, who
from tests.harness.workers import serving_with_workers
from wsgw.cli.main import main


@pytest.fixture
def lanes() -> bool:
    """The control port has no lanes: once is enough."""
    return True


async def wsgw(gateway: TestGateway, *words: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, [*words, "--control", gateway.control])


async def test_a_revoked_principal_is_closed_listed_and_let_in_again(gateway: TestGateway):
    serve(gateway)
    client = await gateway.connect("/prod?token=good")
    result = await wsgw(gateway, "revoke", "--principal", "ada")
    assert (result.exit_code, result.output) == (0, "")
    assert await client.receive_close() == (4401, "Revoked")
    result = await wsgw(gateway, "revoke", "--list")
    assert result.output.startswith("principal  ada  since 20")
    assert result.output.endswith("until it is lifted\n")
    assert (await refused(gateway, "/prod?token=good")).status == 401
    assert (await wsgw(gateway, "revoke", "--principal", "ada", "--lift")).exit_code == 0
    assert await who(await gateway.connect("/prod?token=good")) == "ada"
    assert (await wsgw(gateway, "revoke", "--list")).output == ""


async def test_a_time_that_is_over_revokes_nobody_and_lifts_nothing(gateway: TestGateway):
    await wsgw(gateway, "revoke", "--principal", "ada")
    result = await wsgw(gateway, "revoke", "--principal", "ada", "--until", "2020-01-01")
    assert (result.exit_code, result.output) == (1, "wsgw: 400: until: it has passed\n")
    assert "until it is lifted" in (await wsgw(gateway, "revoke", "--list")).output


async def test_keys_are_revoked_until_a_time(gateway: TestGateway):
    serve(gateway)
    assert (await wsgw(gateway, "revoke", "--access-key", "AKID", "--until", "2100-01-01")).exit_code == 0
    assert (await wsgw(gateway, "revoke", "--api-key", "k/1", "--until", "2100-01-01T12:00:00Z")).exit_code == 0
    lines = (await wsgw(gateway, "revoke", "--list")).output.splitlines()
    assert [line.split("  ")[:2] for line in lines] == [["accessKey", "AKID"], ["apiKey", "k/1"]]
    assert lines[1].endswith("until 2100-01-01T12:00:00Z")
    assert (await wsgw(gateway, "revoke", "--api-key", "k/1", "--lift")).exit_code == 0


async def test_lifting_what_is_not_revoked_says_so(gateway: TestGateway):
    serve(gateway)
    result = await wsgw(gateway, "revoke", "--principal", "nobody", "--lift")
    assert (result.exit_code, result.output) == (1, "wsgw: 404: It is not revoked\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "give exactly one of"),
        (("--principal", "a", "--api-key", "b"), "give exactly one of"),
        (("--list", "--principal", "a"), "--list stands alone"),
        (("--principal", "a", "--lift", "--until", "2100-01-01"), "--until goes with revoking"),
        (("--principal", "a", "--until", "tomorrow"), "does not match the formats"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(words: tuple[str, ...], says: str):
    result = CliRunner().invoke(main, ["revoke", *words])
    assert result.exit_code == 2
    assert says in result.output


async def test_a_principals_connections_are_closed(gateway: TestGateway):
    serve(gateway)
    hers, another = await gateway.connect("/prod?token=good"), await gateway.connect("/prod?token=hers")
    assert (await wsgw(gateway, "connections", "close", "--principal", "ada")).exit_code == 0
    assert await hers.receive_close() == (1000, "Connection Closed Normally")
    assert await who(another) == "eve"


@pytest.mark.parametrize("words", [(), ("id", "--principal", "a"), ("id", "--api", "a")])
def test_close_is_of_one_thing(words: tuple[str, ...]):
    assert CliRunner().invoke(main, ["connections", "close", *words]).exit_code == 2


DEFINITION = """
apis:
  chat:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes: {$default: http://localhost:9/}
"""


@pytest.mark.slow
async def test_workers_share_what_is_revoked(redis: RedisServer, tmp_path: Path):
    """The supervisor's one control port hands it to some worker, and all know it."""
    file = tmp_path / "wsgw.yaml"
    file.write_text(DEFINITION)
    async with serving_with_workers(file, redis.url) as served:
        control = served.ready["control"]
        command = [sys.executable, "-m", "wsgw", "revoke", "--control", control]
        for words in (["--principal", "ada"], ["--list"], ["--list"]):
            process = await asyncio.create_subprocess_exec(*command, *words, stdout=asyncio.subprocess.PIPE)
            output, _ = await process.communicate()
            assert process.returncode == 0
            if words == ["--list"]:
                # Each time another worker answers; it may not have heard of it yet.
                async with asyncio.timeout(20):
                    while not output:
                        process = await asyncio.create_subprocess_exec(*command, *words, stdout=asyncio.subprocess.PIPE)
                        output, _ = await process.communicate()
                assert output.startswith(b"principal  ada")
