"""The supervisor over workers that are no gateways: started, restarted, replaced, told and ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from tests.harness.pace import SLOWER
from tests.harness.serving import DidNotStart, Served
from tests.harness.until import until
from tests.harness.workers import end_all

ROOT = Path(__file__).parents[2]


class Does:
    """What the workers do, from their next start on."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lost, self.hanging = file.with_name("lost"), file.with_name("hanging")
        self()

    def __call__(self, **does: Any) -> None:
        self.file.write_text(json.dumps({"lost": str(self.lost), "hanging": str(self.hanging), **does}))


@pytest.fixture
def workers(tmp_path: Path) -> Does:
    return Does(tmp_path / "does.json")


@asynccontextmanager
async def supervised(workers: Does, *settings: str, count: int = 2, ready: bool = True) -> AsyncIterator[Served]:
    script = Path(__file__).with_name("supervised.py")
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = (sys.executable, str(script), str(workers.file), str(count), *settings)
    one = Served(await asyncio.create_subprocess_exec(*words, stdout=pipe, stderr=pipe, env=environment))
    try:
        if ready:
            await one.started()
        yield one
    finally:
        await end_all(one)


def pids(served: Served, text: str = "serving", slot: int | None = None) -> list[int]:
    """The workers that have noted `text`, in order."""
    words = [line.split(" ", 3) for line in served.log if line.startswith("worker ") and line.endswith(f" {text}")]
    return [int(pid) for _, number, pid, _ in words if slot in (None, int(number))]


async def greeting(served: Served) -> tuple[int, int]:
    """Connect; gives the slot and the pid of who answers."""
    parts = urlsplit(served.ready["data"])
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        async with asyncio.timeout(20 * SLOWER):
            slot, pid = (await reader.readline()).split()
        return int(slot), int(pid)
    finally:
        writer.close()


async def control(served: Served, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, URL(served.ready["control"] + path, encoded=True), headers=headers) as answer,
    ):
        return answer.status, await answer.text()


# ---- the beginning


async def test_all_workers_share_the_port_and_one_ready_line_names_them(workers: Does):
    async with supervised(workers, count=3) as gateway:
        assert gateway.ready["workers"] == "3"
        assert len(set(gateway.ready["node"].split(","))) == 3
        seen = {slot for slot, _ in [await greeting(gateway) for _ in range(64)]}
        assert seen == {0, 1, 2}


@pytest.mark.parametrize("code", [1, 2])
async def test_what_no_worker_can_serve_ends_the_start_with_its_code_and_is_said_once(workers: Does, code: int):
    workers(exit=code, say="wsgw: wsgw.yaml:3: no such key")
    with pytest.raises(DidNotStart) as refused:
        async with supervised(workers, count=3):
            pass
    assert refused.value.code == code
    assert refused.value.said.split() == ["wsgw:", "wsgw.yaml:3:", "no", "such", "key"]


async def test_what_all_workers_say_before_they_are_ready_is_said_once(workers: Does):
    workers(say="wsgw: the files define no API")
    async with supervised(workers, count=3) as gateway:
        await until(lambda: len(pids(gateway)) == 3)
        assert sum("no API" in line for line in gateway.log) == 1


async def test_lines_of_the_log_that_differ_in_their_time_only_are_said_once(workers: Does):
    workers(say='{"time":"PID","level":"info","message":"listening, too"}')
    async with supervised(workers, count=3) as gateway:
        await until(lambda: len(pids(gateway)) == 3)
        assert sum("listening, too" in line for line in gateway.log) == 1


async def test_a_worker_that_is_not_ready_in_time_is_killed_and_started_anew(workers: Does):
    workers(hang=True)
    seconds = 0.5 * SLOWER
    async with supervised(workers, f"worker_ready_seconds={seconds}", ready=False, count=1) as gateway:
        await gateway.says(f"it was not ready after {seconds:g} s; it is started anew in")
        workers()
        await gateway.started()
        assert gateway.ready["workers"] == "1"


async def test_a_port_of_another_server_is_not_shared_with_it(workers: Does):
    async with supervised(workers) as first:
        port = str(urlsplit(first.ready["data"]).port)
        with pytest.raises(DidNotStart) as refused:
            async with supervised(workers, f"port={port}"):
                pass
        assert f"port {port} of 127.0.0.1 is taken: choose another with --port" in refused.value.said
        assert refused.value.code == 1


async def test_a_service_manager_is_told_when_it_serves_and_when_it_ends(
    workers: Does, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        async with supervised(workers) as gateway:
            assert await asyncio.to_thread(manager.recv, 99) == b"READY=1"
            gateway.signal(signal.SIGTERM)
            assert await asyncio.to_thread(manager.recv, 99) == b"STOPPING=1"


# ---- a worker dies


async def test_a_killed_worker_is_started_anew_with_its_reason_and_the_others_are_left_alone(workers: Does):
    async with supervised(workers) as gateway:
        await until(lambda: len(pids(gateway)) == 2)
        (victim,), (other,) = pids(gateway, slot=0), pids(gateway, slot=1)
        os.kill(victim, signal.SIGKILL)
        await gateway.says("worker 0 ended: killed by SIGKILL; it is started anew in 0.05 s")
        await until(lambda: len(pids(gateway, slot=0)) == 2)
        seen = {pid for _, pid in [await greeting(gateway) for _ in range(40)]}
        assert seen == {pids(gateway, slot=0)[1], other}
        async with asyncio.timeout(10 * SLOWER):
            # It serves a moment before its supervisor knows.
            while (await control(gateway, "/readyz"))[0] != 200:
                await asyncio.sleep(0.01)


async def test_whoever_connects_while_there_is_no_worker_is_served_by_the_next(workers: Does):
    async with supervised(workers, "patient=9", count=1) as gateway:
        await until(lambda: len(pids(gateway)) == 1)
        os.kill(pids(gateway)[0], signal.SIGKILL)
        _, pid = await greeting(gateway)
        await until(lambda: len(pids(gateway)) == 2)
        assert pid == pids(gateway)[1]


@pytest.mark.slow
async def test_a_worker_that_dies_again_and_again_is_started_less_and_less_often(workers: Does):
    async with supervised(workers) as gateway:
        await until(lambda: len(pids(gateway)) == 2)
        workers(exit=3, say="no database")
        os.kill(pids(gateway, slot=1)[0], signal.SIGTERM)
        await gateway.says("worker 1 ended: exit code 0; it is started anew in 0.05 s")
        for pause in ("0.1", "0.2", "0.4", "0.4"):
            await gateway.says(f"it said: no database; it is started anew in {pause} s")
        assert await control(gateway, "/readyz") == (503, "worker 1: starting\n")
        workers()
        await until(lambda: len(pids(gateway, slot=1)) == 2)
        metrics = (await control(gateway, "/metrics"))[1]
        (restarts,) = [one for one in text_string_to_metric_families(metrics) if one.name == "wsgw_worker_restarts"]
        assert {sample.labels["worker"]: sample.value >= 4 for sample in restarts.samples} == {"0": False, "1": True}


async def test_while_a_slot_waits_long_its_connects_go_to_the_others(workers: Does):
    async with supervised(workers, "patient=0", "longest=60") as gateway:
        await until(lambda: len(pids(gateway)) == 2)
        workers(exit=3)
        os.kill(pids(gateway, slot=1)[0], signal.SIGKILL)
        await gateway.says("worker 1 ended: exit code 3")
        assert {slot for slot, _ in [await greeting(gateway) for _ in range(40)]} == {0}
        workers()
        await until(lambda: len(pids(gateway, slot=1)) == 2)
        assert {slot for slot, _ in [await greeting(gateway) for _ in range(40)]} == {0, 1}


# ---- rolling


async def test_a_hang_up_replaces_every_worker_and_refuses_nobody(workers: Does):
    async with supervised(workers) as gateway:
        await until(lambda: len(pids(gateway)) == 2)
        before, answered = set(pids(gateway)), 0
        gateway.signal(signal.SIGHUP)
        while len(pids(gateway, "SIGTERM")) < 2:
            await greeting(gateway)
            answered += 1
        await gateway.says("all workers (2) were replaced")
        after = {pid for _, pid in [await greeting(gateway) for _ in range(40)]}
        assert len(after) == 2
        assert not after & before
        assert answered > 2
        assert "restarts" not in " ".join(gateway.log)


async def test_a_new_worker_that_does_not_start_leaves_the_old_one_serving(workers: Does):
    async with supervised(workers) as gateway:
        await until(lambda: len(pids(gateway)) == 2)
        before = set(pids(gateway))
        workers(exit=1, say="wsgw: wsgw.yaml:3: no such key")
        gateway.signal(signal.SIGHUP)
        await gateway.says("worker 0 was not replaced, the one before still serves: exit code 1; it said: wsgw: wsgw.y")
        assert {pid for _, pid in [await greeting(gateway) for _ in range(40)]} == before
        workers()
        gateway.signal(signal.SIGHUP)
        await gateway.says("all workers (2) were replaced")


async def test_a_hang_up_during_another_replaces_all_once_more(workers: Does):
    async with supervised(workers) as gateway:
        await until(lambda: len(pids(gateway)) == 2)
        gateway.signal(signal.SIGHUP)
        await until(lambda: len(pids(gateway)) == 3)
        gateway.signal(signal.SIGHUP)
        await gateway.says("all workers (2) were replaced", 2)
        assert len(pids(gateway)) == 6


# ---- signals


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
async def test_what_concerns_the_workers_is_passed_on_to_each(workers: Does, number: signal.Signals):
    async with supervised(workers) as gateway:
        gateway.signal(number)
        await until(lambda: len(pids(gateway, number.name)) == 2)
        assert sorted(pids(gateway, number.name)) == sorted(pids(gateway))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_end_it_has_all_workers_drain_and_the_exit_code_is_0(workers: Does, number: signal.Signals):
    async with supervised(workers) as gateway:
        await until(lambda: len(pids(gateway)) == 2)
        gateway.signal(number)
        assert await gateway.ended() == 0
        await until(lambda: len(pids(gateway, "SIGTERM")) == 2)
    assert "2) close their connections over 10 s; a second signal ends it now" in "\n".join(gateway.log)


async def test_told_twice_it_kills_them_and_the_exit_code_is_1(workers: Does):
    workers(stay=True)
    async with supervised(workers) as gateway:
        gateway.signal(signal.SIGTERM)
        await until(lambda: len(pids(gateway, "SIGTERM")) == 2)
        assert await control(gateway, "/readyz") == (503, "draining\n")
        gateway.signal(signal.SIGTERM)
        assert await gateway.ended() == 1
        for pid in pids(gateway):
            assert not Path(f"/proc/{pid}").exists()


async def test_told_to_end_before_it_is_ready_it_ends(workers: Does):
    workers(hang=True)
    async with supervised(workers, ready=False) as gateway:
        await until(workers.hanging.exists)
        gateway.signal(signal.SIGTERM)
        assert await gateway.ended() == 0


async def test_a_worker_whose_supervisor_was_killed_ends(workers: Does):
    async with supervised(workers) as gateway:
        await until(lambda: len(pids(gateway)) == 2)
        gateway.signal(signal.SIGKILL)
        await gateway.ended()
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids(gateway)))
        assert workers.lost.exists()


# ---- the control port


async def test_one_scrape_has_every_workers_metrics_and_each_family_once(workers: Does):
    async with supervised(workers, count=3) as gateway:
        text = (await control(gateway, "/metrics"))[1]
        families = list(text_string_to_metric_families(text))
        names = [family.name for family in families]
        assert len(names) == len(set(names))
        values = {
            family.name: {sample.labels.get("worker"): sample.value for sample in family.samples} for family in families
        }
        each = ("0", "1", "2")
        assert values == {
            "wsgw_connections": dict.fromkeys(each, 3.0),
            "wsgw_workers": {None: 3.0},
            "wsgw_worker_up": dict.fromkeys(each, 1.0),
            "wsgw_worker_restarts": dict.fromkeys(each, 0.0),
        }


async def test_it_is_ready_when_every_worker_says_so(workers: Does):
    workers(unready="Redis is away\n")
    async with supervised(workers) as gateway:
        assert await control(gateway, "/healthz") == (200, "ok\n")
        assert await control(gateway, "/readyz") == (503, "worker 0: Redis is away\nworker 1: Redis is away\n")


@pytest.mark.slow
async def test_a_worker_that_does_not_answer_is_named_and_the_scrape_has_the_others(workers: Does):
    async with supervised(workers) as gateway:
        await until(lambda: len(pids(gateway)) == 2)
        frozen = pids(gateway, slot=1)[0]
        os.kill(frozen, signal.SIGSTOP)
        try:
            status, text = await control(gateway, "/readyz")
            assert (status, text.startswith("worker 1: does not answer")) == (503, True)
            metrics = (await control(gateway, "/metrics"))[1]
            assert 'wsgw_worker_up{worker="0"} 1\n' in metrics
            assert 'wsgw_worker_up{worker="1"} 0\n' in metrics
            assert 'wsgw_connections{worker="1"}' not in metrics
        finally:
            os.kill(frozen, signal.SIGCONT)


async def test_connections_are_asked_of_some_worker_as_the_caller_wrote_it(workers: Does):
    async with supervised(workers) as gateway:
        answers = {await control(gateway, "/connections/L0SM%3D?after=a%2Fb", "DELETE") for _ in range(2)}
        assert answers == {(200, f"{slot} DELETE /connections/L0SM%3D?after=a%2Fb") for slot in (0, 1)}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/revocations"),
        ("DELETE", "/revocations/principal/a%2Fb"),
        ("DELETE", "/principals/arn%3Aa%2Fb?api=chat&stage=prod"),
        ("GET", "/usageplans"),
        ("GET", "/usageplans/gold/usage.csv?keyId=a%2Fb"),
        ("PATCH", "/usageplans/gold/keys/k/usage"),
        ("DELETE", "/restapis/pets/stages/dev/cache/authorizers"),
        ("DELETE", "/v2/apis/pets/stages/$default/cache/authorizers"),
    ],
)
async def test_what_every_worker_knows_is_asked_of_one(workers: Does, method: str, path: str):
    async with supervised(workers, count=1) as gateway:
        assert await control(gateway, path, method) == (200, f"0 {method} {path}")


async def test_a_bill_is_passed_on_while_it_is_written(workers: Does):
    async with (
        supervised(workers, count=1) as gateway,
        aiohttp.ClientSession() as session,
        session.get(f"{gateway.ready['control']}/usageplans/gold/endless.csv") as answer,
    ):
        assert await asyncio.wait_for(answer.content.readline(), 20) == b"keys\n"


async def test_a_bill_that_its_worker_has_not_ended_is_told_from_a_whole_one(workers: Does):
    workers(cut=True)
    async with (
        supervised(workers, count=1) as gateway,
        aiohttp.ClientSession() as session,
        session.get(f"{gateway.ready['control']}/usageplans/gold/endless.csv") as answer,
    ):
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


async def test_samples_of_web_acls_are_those_of_all_workers_the_latest_first(workers: Does):
    async with supervised(workers) as gateway:
        status, text = await control(gateway, "/webacls/pets/dev/samples?limit=3")
        assert (status, json.loads(text)["webAcl"]) == (200, "shop")
        assert [one["rule"] for one in json.loads(text)["samples"]] == ["of 1", "of 0", "of 1"]
        for query in ("", "?limit=1000"):
            _, text = await control(gateway, f"/webacls/many/dev/samples{query}")
            assert len(json.loads(text)["samples"]) == 500
        assert (await control(gateway, "/webacls/none/dev/samples")) == (404, '{"message":"none"}')


async def test_no_web_page_uses_the_control_port(workers: Does):
    async with supervised(workers, count=1) as gateway:
        assert (await control(gateway, "/connections", Host="evil.example"))[0] == 403
        assert (await control(gateway, "/metrics", Origin="https://evil.example"))[0] == 403
