"""The composition: what the files say, and what HAProxy and Redis make of theirs. No Docker is needed."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import redis.asyncio
import yaml

from tests.harness.cluster import PATIENT
from tests.harness.ports import free_port
from tests.harness.raw_websocket import RawWebSocket
from tests.harness.redis_server import need_redis
from tests.harness.serving import serving
from wsgw.ids import read_connection_id
from wsgw.settings import Settings, load

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy/compose"
TEXT = (COMPOSE / "compose.yaml").read_text()
PROJECT = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = PROJECT["services"]
NODES = {name: service for name, service in SERVICES.items() if name.startswith("node-")}
SECRETS = ("WSGW_REDIS_PASSWORD", "WSGW_CLUSTER_SECRET", "CHAT_TOKEN")


def test_it_follows_the_specification():
    checker = Path(sys.executable).with_name("check-jsonschema")
    command = [checker, "--builtin-schema", "vendor.compose-spec", COMPOSE / "compose.yaml"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_every_file_that_it_names_is_there():
    named = [one["file"] for one in PROJECT["configs"].values() if "file" in one]
    named += [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    named += [f"{node['build']['context']}/{node['build']['dockerfile']}" for node in NODES.values()]
    for name in named:
        assert (COMPOSE / name).exists(), name
    used = [config["source"] for service in SERVICES.values() for config in service.get("configs", [])]
    assert set(used) == set(PROJECT["configs"])


def test_nothing_starts_without_secrets_of_its_own():
    in_services = yaml.safe_dump(SERVICES)
    used = set(re.findall(r"\$\{(\w+)", TEXT))
    assert used == set(SECRETS)
    for name in used:
        # `:?` ends `docker compose` with what to do where the variable is not set, or empty.
        assert re.search(rf"\$\{{{name}:\?", in_services)
        assert not re.search(rf"\$\{{{name}:?-", TEXT)


def test_everything_is_published_on_this_machine_only():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_there_are_two_nodes_with_settings_that_the_gateway_takes():
    assert len(NODES) == 2
    for node in NODES.values():
        environment = {name: re.sub(r"\$\{.*\}", "x" * 48, value) for name, value in node["environment"].items()}
        assert {name.removeprefix("WSGW_").lower() for name in environment} <= set(Settings.__struct_fields__)
        settings = load(environment=environment).settings
        assert settings.management_tokens
        assert not settings.insecure
        grace = int(node["stop_grace_period"].removesuffix("s"))
        assert grace > settings.drain_seconds + settings.stop_seconds
        assert settings.public_url == "http://gateway:8080"
        assert int(node["sysctls"]["net.core.somaxconn"]) >= settings.backlog


def test_what_can_be_is_read_only_and_without_rights():
    for name, service in SERVICES.items():
        assert service["read_only"], name
        assert "no-new-privileges:true" in service["security_opt"]
        if name != "redis":  # Its image begins as root, to give its directory to its user.
            assert service["cap_drop"] == ["ALL"]


def test_the_definitions_are_those_of_the_example_but_for_the_address_of_the_backend():
    here, example = ((directory / "wsgw.yaml").read_text() for directory in (COMPOSE, ROOT / "examples/chat"))
    assert yaml.safe_load(here.replace("http://chat:8090", "http://127.0.0.1:8090")) == yaml.safe_load(example)


# ---- the load balancer

HAPROXY = shutil.which("haproxy") or "/usr/sbin/haproxy"
need_haproxy = pytest.mark.skipif(not Path(HAPROXY).exists(), reason="no haproxy here: apt-get install haproxy")


def haproxy_settings(port: int, nodes: list[dict[str, str]]) -> str:
    """The configuration with addresses of this machine: of clients, and each node's data and control port."""
    text = (COMPOSE / "haproxy.cfg").read_text()
    text = text.replace("bind :8080", f"bind 127.0.0.1:{port}").replace("maxconn 60000", "maxconn 100")
    for number, node in enumerate(nodes, 1):
        data, control = (node[name].rpartition(":")[2] for name in ("data", "control"))
        text = text.replace(f"node-{number}:8080", f"127.0.0.1:{data} port {control}")
    return text.replace("check port 8081", "check")


@asynccontextmanager
async def balancing(tmp_path: Path, nodes: list[dict[str, str]]) -> AsyncIterator[tuple[str, asyncio.StreamReader]]:
    """HAProxy in front of `nodes`; gives the ws:// address of the chat's stage there, and what it writes."""
    port, file = free_port(), tmp_path / "haproxy.cfg"
    file.write_text(haproxy_settings(port, nodes))
    process = await asyncio.create_subprocess_exec(
        HAPROXY, "-db", "-f", file, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        yield f"ws://127.0.0.1:{port}/chat/prod", process.stdout
    finally:
        process.kill()
        await process.communicate()


async def node_of(url: str) -> tuple[str, RawWebSocket]:
    """A client, connected by `url` as soon as somebody is there, and the name of the node that holds it."""
    async with asyncio.timeout(20):
        while True:
            try:
                client = await RawWebSocket.connect(url)
                break
            except (OSError, EOFError):
                await asyncio.sleep(0.05)
    await client.send_json({"action": "ping"})
    named = read_connection_id((await client.receive_json())["connectionId"])
    assert named is not None
    return named.node, client


@need_haproxy
def test_haproxy_finds_no_fault(tmp_path: Path):
    file = tmp_path / "haproxy.cfg"
    file.write_text(haproxy_settings(8080, [{"data": ":1", "control": ":2"}] * 2))
    said = subprocess.run([HAPROXY, "-c", "-f", file], capture_output=True, text=True, timeout=30, check=False)
    assert said.returncode == 0, said.stderr
    assert "WARNING" not in said.stderr


@need_haproxy
@pytest.mark.slow
async def test_clients_are_spread_over_the_nodes_and_a_node_that_drains_gets_no_more(tmp_path: Path):
    # Connections are let in by the gateway itself: what stands behind $connect is not this test's subject.
    file = tmp_path / "wsgw.yaml"
    definition = yaml.safe_load((COMPOSE / "wsgw.yaml").read_text())
    routes = definition["apis"]["chat"]["routes"]
    definition["apis"]["chat"]["routes"] = {"ping": routes["ping"]}
    file.write_text(yaml.safe_dump(definition))
    async with serving(file, "--drain-seconds", "20") as one, serving(file, "--drain-seconds", "20") as two:
        both = {one.ready["node"], two.ready["node"]}
        async with balancing(tmp_path, [one.ready, two.ready]) as (url, said):
            found = [await node_of(url) for _ in range(4)]
            assert sorted(node for node, _ in found) == sorted([*both, *both])
            one.signal(15)
            await one.says("closing all connections")
            # Until HAProxy has asked again it may still send somebody to the node that drains, which refuses.
            async with asyncio.timeout(20):
                while b"node-1 is DOWN" not in (line := await said.readline()):
                    assert line, "HAProxy has ended"
            later = [await node_of(url) for _ in range(3)]
            assert {node for node, _ in later} == {two.ready["node"]}
            for _, client in [*found, *later]:
                await client.drop()


# ---- Redis


def test_redis_keeps_nothing_on_disk_and_forgets_nothing():
    lines = (COMPOSE / "redis.conf").read_text().splitlines()
    assert 'save ""' in lines
    assert "appendonly no" in lines
    assert "maxmemory-policy noeviction" in lines


def acl(password: str) -> str:
    content: str = PROJECT["configs"]["users.acl"]["content"]
    return content.replace("${WSGW_REDIS_PASSWORD}", password)


def test_the_rights_are_those_that_the_documentation_gives():
    rights = re.search(r"resetkeys.*", acl(""))
    assert rights is not None
    assert rights[0] in (ROOT / "docs/operations.md").read_text()


@asynccontextmanager
async def restricted_redis(directory: Path, password: str) -> AsyncIterator[int]:
    """A redis-server with the composition's files; gives its port. The user `watcher` may do everything."""
    need_redis()
    users, file, port = directory / "users.acl", directory / "redis.conf", free_port()
    users.write_text(acl(password) + "user watcher on nopass ~* &* +@all\n")
    text = (COMPOSE / "redis.conf").read_text().replace("/usr/local/etc/redis/users.acl", str(users))
    file.write_text(f"{text}\nport {port}\nbind 127.0.0.1\ndir {directory}\n")
    server = await asyncio.create_subprocess_exec(need_redis(), file, stdout=asyncio.subprocess.PIPE)
    try:
        assert server.stdout is not None
        said = []
        async with asyncio.timeout(20):
            while not said or "Ready to accept" not in said[-1]:
                said.append((await server.stdout.readline()).decode())
                assert said[-1], said
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.kill()
        await server.communicate()


async def test_nodes_live_with_the_rights_that_they_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WSGW_REDIS_PASSWORD", "password")
    file = tmp_path / "wsgw.yaml"
    definition = yaml.safe_load((COMPOSE / "wsgw.yaml").read_text())
    routes = definition["apis"]["chat"]["routes"]
    definition["apis"]["chat"]["routes"] = {"ping": routes["ping"]}
    file.write_text(yaml.safe_dump(definition))
    async with restricted_redis(tmp_path, "password") as port, aiohttp.ClientSession() as session:
        url = f"redis://wsgw@127.0.0.1:{port}/0"
        options = ["--redis", url, "--cluster-secret", "s" * 32, "--account-rate", "1000", "--lease-seconds", "2"]
        options += PATIENT
        async with serving(file, *options) as one, serving(file, *options) as two:
            client = await one.connect("/chat/prod")
            await client.send_json({"action": "ping"})
            id = quote((await client.receive_json())["connectionId"])
            async with session.post(f"{two.ready['data']}/chat/prod/@connections/{id}", data=b"across") as answer:
                assert answer.status == 200
            assert await client.receive_text() == "across"
            one.signal(9)
            await two.says(one.ready["node"])  # the survivor takes its book over
        await asyncio.to_thread(import_definitions, file, url)
        watcher = redis.asyncio.Redis(port=port, username="watcher", password="any")
        async with watcher:
            denied = await watcher.acl_log()
        assert [(one["reason"], one["object"]) for one in denied] == []


def import_definitions(file: Path, url: str) -> None:
    """`wsgw import`, which writes what the nodes read."""
    command = [sys.executable, "-m", "wsgw", "import", str(file), "--redis", url]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert said.returncode == 0, said.stderr
