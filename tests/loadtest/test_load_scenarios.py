"""Every scenario against a server that is right, and against servers that are wrong in one way each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness.pace import SLOWER
from tests.loadtest.faulty_gateway import Gateway
from wsgw.cli.load.generator import drive
from wsgw.cli.load.plan import Plan
from wsgw.cli.load.tally import Tally

#: Faults after which something never comes.
LOSING = ("lose", "lose push", "misroute")


async def load(gateway: Gateway, scenario: str, **options: Any) -> Tally:
    """The tally of a short run, which ends as soon as nothing is due any more."""
    url = f"{gateway.base}/echo" if scenario == "http" else gateway.url
    # What is lost is waited for in vain; a busy machine may take its time with all else.
    grace = 0.3 * SLOWER if gateway.fault in LOSING else 20
    given: dict[str, Any] = {"scenario": scenario, "connections": 8, "duration": 0.2, "grace": grace, **options}
    return await drive(Plan(url=url, **given), lambda tally, left: None)


@pytest.mark.parametrize("scenario", ["request-reply", "push", "fan-out", "http", "connect", "reconnect"])
@pytest.mark.parametrize("rate", [None, 50.0])
async def test_a_right_server_passes(gateway: Gateway, scenario: str, rate: float | None) -> None:
    tally = await load(gateway, scenario, rate=rate)
    assert tally.failures() == 0, tally.faults
    assert tally.done == tally.sent > 0
    assert tally.latency.count == tally.done
    assert tally.connected == tally.waiting == 0
    assert sum(second.done for second in (*tally.seconds, tally.now)) == tally.done
    assert tally.window > 0


@pytest.mark.parametrize("rate", [40.0, 200.0])
async def test_an_open_loop_sends_what_its_timetable_says(gateway: Gateway, rate: float) -> None:
    tally = await load(gateway, "request-reply", rate=rate, duration=0.5)
    assert tally.sent == rate * 0.5
    assert tally.late.count == tally.sent


async def test_a_fan_out_reaches_every_client_in_every_round(gateway: Gateway) -> None:
    tally = await load(gateway, "fan-out", rate=20.0, connections=5, duration=0.2)
    assert (tally.sent, tally.done, tally.rounds.count) == (20, 20, 4)


async def test_a_storm_ends_when_all_are_connected(gateway: Gateway) -> None:
    tally = await load(gateway, "connect", connections=30, duration=60)
    assert (tally.opened, tally.seconds[-1].open) == (30, 30)
    assert tally.window < 10


async def test_idle_connections_answer_pings_and_are_still_there_at_the_end(gateway: Gateway) -> None:
    gateway.fault = "ping"
    tally = await load(gateway, "idle")
    assert (tally.pings, tally.seconds[-1].open, tally.failures()) == (8, 8, 0)


async def test_idle_connections_may_ping_and_want_their_pongs(gateway: Gateway) -> None:
    tally = await load(gateway, "idle", heartbeat=0.1)
    assert tally.done == tally.sent == 16
    assert tally.failures() == 0


FAULTS = [
    ("request-reply", "lose", "lost", "no answer"),
    ("request-reply", "duplicate", "duplicated", "came twice"),
    ("request-reply", "error", "errors", 'answered {"message": "Internal server error"'),
    ("request-reply", "drop", "dropped", "closed by the server: 1001 Going away"),
    ("request-reply", "refuse", "refused", "handshake answered 403"),
    ("connect", "refuse", "refused", "handshake answered 403"),
    ("push", "gone", "errors", "push answered 410"),
    ("push", "misroute", "wrong", "not for this connection"),
    ("push", "lose push", "lost", "no answer"),
    ("push", "push twice", "duplicated", "came twice"),
    ("fan-out", "gone", "errors", "push answered 410"),
    ("http", "error", "errors", "answered 500"),
    ("http", "forget", "errors", "the answer does not repeat the request's id"),
]


@pytest.mark.parametrize(("scenario", "fault", "count", "text"), FAULTS)
async def test_a_fault_is_counted_as_what_it_is(
    gateway: Gateway, scenario: str, fault: str, count: str, text: str
) -> None:
    gateway.fault = fault
    tally = await load(gateway, scenario, rate=100.0)
    assert getattr(tally, count) > 0
    assert tally.failures() > 0
    assert any(found.startswith(text) for found in tally.faults), tally.faults


async def test_a_closed_loop_goes_on_after_an_error_frame(gateway: Gateway) -> None:
    gateway.fault, gateway.each = "error", 2
    tally = await load(gateway, "request-reply", connections=1, duration=0.5 * SLOWER)
    assert tally.errors > 1
    assert tally.done > 1


async def test_posts_go_on_where_the_server_closes_after_each(gateway: Gateway) -> None:
    gateway.fault = "close"
    tally = await load(gateway, "push", in_flight=2, duration=0.5 * SLOWER)
    assert tally.done > 4
    assert tally.failures() == 0, tally.faults


async def test_a_server_that_is_not_there_ends_the_run_at_once() -> None:
    plan = Plan(url="ws://127.0.0.1:1/prod", scenario="request-reply", connections=3, duration=60)
    tally = await drive(plan, lambda tally, left: None)
    assert tally.refused == 3
    assert tally.window == 0


async def test_pushes_that_cannot_be_posted_fail_the_run(gateway: Gateway) -> None:
    tally = await load(gateway, "push", push_url="http://127.0.0.1:1")
    assert any("no connection to 127.0.0.1:1" in fault for fault in tally.faults)


async def test_clients_that_cannot_learn_their_id_are_refused(gateway: Gateway) -> None:
    tally = await load(gateway, "push", id_message='{"action":"echo"}')
    assert tally.refused == 8
    assert any("no connectionId" in fault for fault in tally.faults)


async def test_handshakes_carry_headers_subprotocols_and_come_from_the_given_addresses(gateway: Gateway) -> None:
    await load(
        gateway,
        "connect",
        headers=(("X-Test", "1"),),
        subprotocols=("chat", "other"),
        source_addresses=("127.0.0.2", "127.0.0.3"),
    )
    assert {shake["X-Test"] for shake in gateway.handshakes} == {"1"}
    assert {shake["Sec-WebSocket-Protocol"] for shake in gateway.handshakes} == {"chat, other"}
    assert gateway.peers == {"127.0.0.2", "127.0.0.3"}


async def test_replies_are_counted_only_after_the_warm_up(gateway: Gateway) -> None:
    # A busy machine may notice too late once that the warm-up is over.
    for _ in range(5):
        tally = await load(gateway, "request-reply", rate=100.0, warmup=0.3, duration=0.3)
        assert tally.failures() == 0
        if 25 <= tally.latency.count <= 35:
            break
    assert 25 <= tally.latency.count <= 35


@pytest.mark.parametrize("scenario", ["request-reply", "push", "http"])
async def test_everything_works_over_tls_with_insecure_too(tls_gateway: Gateway, scenario: str) -> None:
    tally = await load(tls_gateway, scenario, rate=50.0, insecure=True)
    assert tally.failures() == 0, tally.faults
    assert tally.done == tally.sent > 0


@pytest.mark.parametrize("scenario", ["request-reply", "http"])
async def test_a_certificate_that_nobody_trusts_is_refused(tls_gateway: Gateway, scenario: str) -> None:
    tally = await load(tls_gateway, scenario)
    assert tally.refused > 0
    assert any("certificate verify failed" in fault for fault in tally.faults), tally.faults
