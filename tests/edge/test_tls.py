"""TLS on the data port: which certificate a client gets, new ones without a restart, and clients that do it wrong.

Checks S-64 in part: TLS 1.2 at least, certificates replaced under open connections without dropping any.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import websockets

from tests.conftest import MakeGateway
from tests.harness.gateway import TestClock, TestGateway, mock, route
from tests.harness.issuer import Files, Issuer, shown_to
from tests.harness.raw_websocket import RawWebSocket, open_socket
from tests.harness.until import until
from wsgw.edge.certificate import Unusable
from wsgw.edge.tls import Certificates
from wsgw.observe import metrics
from wsgw.settings import Settings

PING = route("ping", mock('{"pong":true}'), two_way=True)


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """How often something has been counted in this test."""
    before = metrics._events.copy()
    return lambda event: metrics._events[event] - before[event]


async def pong(client: RawWebSocket) -> bool:
    await client.send_json({"action": "ping"})
    answer = await client.receive_json()
    return bool(answer["pong"])


def look(gateway: TestGateway) -> None:
    """Let the time pass after which the files are looked at."""
    gateway.advance(gateway.settings.tls_reload_seconds)


def gauges(gateway: TestGateway) -> dict[str, float]:
    """Host names with the end of what their certificates are valid for."""
    name = "wsgw_tls_certificate_not_after_seconds{host="
    lines = gateway.app.metrics.exposition().decode().splitlines()
    found = [line.removeprefix(name).split("} ") for line in lines if line.startswith(name)]
    return {json.loads(host): float(value) for host, value in found}


# ---- through the whole gateway


async def test_a_library_speaks_wss_with_the_gateway(make_gateway: MakeGateway, issuer: Issuer):
    gateway = await make_gateway(**issuer.issue("localhost", "127.0.0.1").settings)
    gateway.serve(PING)
    trusting = issuer.client()
    trusting.check_hostname = True
    async with websockets.connect(f"{gateway.ws_url}/prod", ssl=trusting) as client:
        await client.send('{"action":"ping"}')
        assert json.loads(await client.recv()) == {"pong": True}
    assert gateway.ws_url.startswith("wss://127.0.0.1:")


async def test_a_client_gets_1_3_or_1_2_and_http_1_1(make_gateway: MakeGateway, issuer: Issuer):
    gateway = await make_gateway(**issuer.issue("localhost").settings)
    modern, older = issuer.client(), issuer.client()
    modern.set_alpn_protocols(["h2", "http/1.1"])
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    assert (await issuer.shown(gateway.url, tls=modern))[1:3] == ("TLSv1.3", "http/1.1")
    assert (await issuer.shown(gateway.url, tls=older))[1:3] == ("TLSv1.2", None)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_a_client_of_tls_1_1_gets_nowhere(
    make_gateway: MakeGateway, issuer: Issuer, counted: Callable[[str], int]
):
    gateway = await make_gateway(**issuer.issue("localhost").settings)
    old = issuer.client()
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await issuer.shown(gateway.url, tls=old)
    await until(lambda: counted("tls_handshake_failed") == 1)


# ---- which certificate (SNI)

CHOICE = [
    pytest.param("gw.example.com", "first", id="its name"),
    pytest.param("GW.Example.COM", "first", id="in capitals"),
    pytest.param(None, "first", id="no name"),
    pytest.param("nobody.example.org", "first", id="a name that no certificate has"),
    pytest.param("chat.example.com", "second", id="a name before a wildcard"),
    pytest.param("shop.example.com", "third", id="one label for the wildcard"),
    pytest.param("a.shop.example.com", "first", id="two labels for the wildcard"),
    pytest.param("example.com", "first", id="no label for the wildcard"),
    pytest.param("both.example.net", "second", id="in two of them"),
    pytest.param("xn--grn-ioa.example.net", "third", id="beyond ASCII, as it is sent"),
    pytest.param("127.0.0.1", "first", id="an address is no name"),
]


@pytest.mark.parametrize(("asked", "expected"), CHOICE)
async def test_a_client_gets_the_certificate_for_the_host_it_asks_for(
    make_gateway: MakeGateway, issuer: Issuer, asked: str | None, expected: str
):
    first = issuer.issue("gw.example.com")
    second = issuer.issue("chat.example.com", "both.example.net")
    third = issuer.issue("*.example.com", "both.example.net", "grün.example.net")
    gateway = await make_gateway(**first.settings, tls_certificates=(str(second), str(third)))
    names = {"gw.example.com": "first", "chat.example.com": "second", "*.example.com": "third"}
    shown = await issuer.shown(gateway.url, asked)
    assert names[shown.names[0]] == expected


async def test_two_certificates_for_one_name_are_said_once(
    make_gateway: MakeGateway, issuer: Issuer, caplog: pytest.LogCaptureFixture
):
    first, second = issuer.issue("gw.example.com"), issuer.issue("gw.example.com")
    gateway = await make_gateway(**first.settings, tls_certificates=(str(second),))
    issuer.issue("gw.example.com", into=second)
    look(gateway)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said == [f"TLS: gw.example.com is in {first.cert} and in {second.cert}: the first is served"]


# ---- new certificates


@pytest.mark.parametrize("server_name", [None, "gw.example.com", "chat.example.com"])
async def test_new_connections_get_the_new_certificate_and_open_ones_stay(
    make_gateway: MakeGateway, issuer: Issuer, server_name: str | None, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "wsgw")
    first, second = issuer.issue("gw.example.com"), issuer.issue("chat.example.com")
    gateway = await make_gateway(**first.settings, tls_certificates=(str(second),), tls_reload_seconds=60)
    gateway.serve(PING)
    clients = [await gateway.connect(tls=issuer.trusting) for _ in range(5)]
    before = await issuer.shown(gateway.url, server_name)
    caplog.clear()
    for files, name in ((first, "gw.example.com"), (second, "chat.example.com")):
        issuer.issue(name, into=files, common_name="the new one")
    assert (await issuer.shown(gateway.url, server_name)).serial == before.serial
    look(gateway)
    after = await issuer.shown(gateway.url, server_name)
    assert after.names == before.names
    assert after.serial != before.serial
    assert [await pong(client) for client in clients] == [True] * 5
    assert "CN=the new one" in caplog.records[0].getMessage()
    assert "notAfter 3000-01-01T00:00:00Z" in caplog.records[0].getMessage()
    assert len(caplog.records) == 2


async def test_files_are_looked_at_as_often_as_the_setting_says(make_gateway: MakeGateway, issuer: Issuer):
    files = issuer.issue("gw.example.com")
    gateway = await make_gateway(**files.settings, tls_reload_seconds=3600)
    issuer.issue("new.example.com", into=files)
    gateway.advance(3000)
    assert (await issuer.shown(gateway.url)).names == ("gw.example.com",)
    gateway.advance(600)
    assert (await issuer.shown(gateway.url)).names == ("new.example.com",)


async def test_a_certificate_for_other_hosts_is_chosen_for_those(make_gateway: MakeGateway, issuer: Issuer):
    first, second = issuer.issue("gw.example.com"), issuer.issue("chat.example.com")
    gateway = await make_gateway(**first.settings, tls_certificates=(str(second),))
    issuer.issue("shop.example.com", into=second)
    look(gateway)
    assert (await issuer.shown(gateway.url, "shop.example.com")).names == ("shop.example.com",)
    assert (await issuer.shown(gateway.url, "chat.example.com")).names == ("gw.example.com",)


async def test_links_that_point_elsewhere_are_seen(make_gateway: MakeGateway, issuer: Issuer, tmp_path: Path):
    # As Kubernetes replaces the files of a secret: names in the directory are links through one that is swapped.
    for version, name in (("v1", "old.example.com"), ("v2", "new.example.com")):
        (tmp_path / version).mkdir()
        issuer.issue(name, into=Files(tmp_path / version / "tls.crt", tmp_path / version / "tls.key"))
    (tmp_path / "data").symlink_to("v1")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"data/{name}")
    gateway = await make_gateway(**Files(tmp_path / "tls.crt", tmp_path / "tls.key").settings)
    assert (await issuer.shown(gateway.url)).names == ("old.example.com",)
    (tmp_path / "next").symlink_to("v2")
    (tmp_path / "next").replace(tmp_path / "data")
    look(gateway)
    assert (await issuer.shown(gateway.url)).names == ("new.example.com",)


async def test_asked_to_the_gateway_reads_them_at_once(make_gateway: MakeGateway, issuer: Issuer):
    files = issuer.issue("gw.example.com")
    gateway = await make_gateway(**files.settings)
    issuer.issue("new.example.com", into=files)
    gateway.app.reload_certificates()
    assert (await issuer.shown(gateway.url)).names == ("new.example.com",)


# ---- new certificates that are none


def half(files: Files, issuer: Issuer) -> None:
    files.cert.write_bytes(files.cert.read_bytes()[:400])


def empty(files: Files, issuer: Issuer) -> None:
    files.key.write_bytes(b"")


def gone(files: Files, issuer: Issuer) -> None:
    files.cert.unlink()


def only_the_certificate(files: Files, issuer: Issuer) -> None:
    files.cert.write_bytes(issuer.issue("gw.example.com").cert.read_bytes())


def garbage(files: Files, issuer: Issuer) -> None:
    files.cert.write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")


BROKEN = [
    pytest.param(half, "0.pem", id="half written"),
    pytest.param(empty, "0.key holds no private key in PEM form", id="an empty key"),
    pytest.param(gone, "0.pem cannot be read: No such file or directory", id="a file gone"),
    pytest.param(only_the_certificate, "0.key is not the key of the first certificate in", id="the key not yet there"),
    pytest.param(garbage, "0.pem", id="no certificate between the lines"),
]


@pytest.mark.parametrize(("spoil", "said"), BROKEN)
async def test_unusable_files_change_nothing_are_said_once_and_are_taken_when_repaired(
    make_gateway: MakeGateway,
    issuer: Issuer,
    spoil: Callable[[Files, Issuer], None],
    said: str,
    caplog: pytest.LogCaptureFixture,
    counted: Callable[[str], int],
):
    files = issuer.issue("gw.example.com")
    gateway = await make_gateway(**files.settings)
    gateway.serve(PING)
    client = await gateway.connect(tls=issuer.trusting)
    before = await issuer.shown(gateway.url)
    spoil(files, issuer)
    for _ in range(3):
        look(gateway)
    assert (await issuer.shown(gateway.url)).serial == before.serial
    assert counted("tls_reload_failed") == 1
    (message,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "the one before is still served" in message
    assert said in message
    issuer.issue("gw.example.com", into=files)
    look(gateway)
    assert (await issuer.shown(gateway.url)).serial != before.serial
    assert await pong(client)


async def test_one_pair_that_is_unusable_holds_no_other_up(make_gateway: MakeGateway, issuer: Issuer):
    first, second = issuer.issue("gw.example.com"), issuer.issue("chat.example.com")
    gateway = await make_gateway(**first.settings, tls_certificates=(str(second),))
    gone(first, issuer)
    issuer.issue("shop.example.com", into=second)
    look(gateway)
    assert (await issuer.shown(gateway.url, "shop.example.com")).names == ("shop.example.com",)
    assert (await issuer.shown(gateway.url, "gw.example.com")).names == ("gw.example.com",)


async def test_another_fault_is_said_again(make_gateway: MakeGateway, issuer: Issuer, counted: Callable[[str], int]):
    files = issuer.issue("gw.example.com")
    gateway = await make_gateway(**files.settings)
    for spoil in (garbage, gone):
        spoil(files, issuer)
        look(gateway)
        look(gateway)
    assert counted("tls_reload_failed") == 2


async def test_a_certificate_that_has_expired_is_served_and_said_to_have(
    make_gateway: MakeGateway, issuer: Issuer, caplog: pytest.LogCaptureFixture
):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    gateway = await make_gateway(**issuer.issue("gw.example.com", expired=yesterday).settings)
    indifferent = issuer.client()
    indifferent.verify_mode = ssl.CERT_NONE
    assert (await issuer.shown(gateway.url, tls=indifferent)).names == ("gw.example.com",)
    assert "has expired" in caplog.text


def test_files_that_are_unusable_at_the_start_are_an_error(issuer: Issuer):
    files = issuer.issue("gw.example.com")
    gone(files, issuer)
    with pytest.raises(Unusable, match=r"0\.pem cannot be read"):
        Certificates(Settings(**files.settings), TestClock())


# ---- when they run out


async def test_a_gauge_says_when_each_hosts_certificate_runs_out(make_gateway: MakeGateway, issuer: Issuer):
    soon, later = datetime(2090, 1, 1, tzinfo=UTC), datetime(2091, 1, 1, tzinfo=UTC)
    first = issuer.issue("gw.example.com", "*.example.com", expired=later)
    second = issuer.issue("gw.example.com", "chat.example.com", expired=soon)
    gateway = await make_gateway(**first.settings, tls_certificates=(str(second),))
    expected = {name: later.timestamp() for name in ("gw.example.com", "*.example.com")}
    assert gauges(gateway) == expected | {"chat.example.com": soon.timestamp()}
    issuer.issue("chat.example.com", into=second, expired=later)
    look(gateway)
    assert gauges(gateway)["chat.example.com"] == later.timestamp()


async def test_a_certificate_without_a_hosts_name_is_in_the_gauge_by_its_file(
    make_gateway: MakeGateway, issuer: Issuer
):
    files = issuer.issue("127.0.0.1")
    assert list(gauges(await make_gateway(**files.settings))) == [str(files.cert)]


async def test_without_tls_there_is_no_such_gauge(gateway: TestGateway):
    assert gauges(gateway) == {}


# ---- clients that do it wrong


async def no_tls(gateway: TestGateway, issuer: Issuer) -> bytes:
    return b"GET /prod HTTP/1.1\r\nHost: x\r\n\r\n"


async def no_text_for_a_name(gateway: TestGateway, issuer: Issuer) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = issuer.trusting.wrap_bio(incoming, outgoing, server_hostname="aaaa.example.com")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read().replace(b"aaaa.example", b"\xff\n\xc3\xa4.example")


@pytest.mark.parametrize("first_bytes", [no_tls, no_text_for_a_name])
async def test_handshakes_that_fail_are_counted_and_leave_no_trace_in_the_log(
    make_gateway: MakeGateway,
    issuer: Issuer,
    first_bytes: Callable[[TestGateway, Issuer], object],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    counted: Callable[[str], int],
):
    gateway = await make_gateway(**issuer.issue("gw.example.com").settings)
    gateway.serve(PING)
    data = await first_bytes(gateway, issuer)  # type: ignore[misc]
    caplog.clear()
    capfd.readouterr()
    for _ in range(5):
        async with await open_socket(gateway.url.replace("https", "http")) as client:
            await client.send(data)
            assert b"HTTP" not in await client.receive_to_eof()
    assert counted("tls_handshake_failed") == 5
    assert not caplog.records
    assert capfd.readouterr().err == ""
    assert await pong(await gateway.connect(tls=issuer.trusting))


async def test_a_client_that_says_nothing_is_dropped_after_the_time_for_a_head(
    make_gateway: MakeGateway, issuer: Issuer, caplog: pytest.LogCaptureFixture
):
    gateway = await make_gateway(**issuer.issue("gw.example.com").settings, head_seconds=0.2)
    caplog.clear()
    began = asyncio.get_running_loop().time()
    async with await open_socket(gateway.url.replace("https", "http")) as client:
        assert await client.receive_to_eof() == b""
    assert asyncio.get_running_loop().time() - began >= 0.19
    assert not caplog.records


async def test_an_open_connection_keeps_its_certificate(make_gateway: MakeGateway, issuer: Issuer):
    files = issuer.issue("gw.example.com")
    gateway = await make_gateway(**files.settings)
    gateway.serve(PING)
    client = await gateway.connect(tls=issuer.trusting)
    issuer.issue("new.example.com", into=files)
    look(gateway)
    assert await pong(client)
    assert shown_to(client.writer).names == ("gw.example.com",)


async def test_a_client_that_does_not_trust_the_certificate_leaves_no_trace_in_the_log(
    make_gateway: MakeGateway, issuer: Issuer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    gateway = await make_gateway(**issuer.issue("gw.example.com").settings)
    caplog.clear()
    capfd.readouterr()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        strange = ssl.create_default_context()
        strange.maximum_version = version
        with pytest.raises(ssl.SSLCertVerificationError):
            await issuer.shown(gateway.url, "gw.example.com", strange)
    await issuer.shown(gateway.url)
    assert not caplog.records
    assert capfd.readouterr().err == ""


@pytest.mark.slow
async def test_five_hundred_connections_outlive_ten_changes_of_certificate(
    make_gateway: MakeGateway, lanes: bool, issuer: Issuer
):
    if not lanes:
        pytest.skip("once is enough")
    files = issuer.issue("gw.example.com")
    gateway = await make_gateway(**files.settings)
    gateway.serve(PING)
    clients = [await gateway.connect(tls=issuer.trusting) for _ in range(500)]
    serials = set()
    for _ in range(10):
        issuer.issue("gw.example.com", into=files)
        look(gateway)
        serials.add((await issuer.shown(gateway.url)).serial)
        answers = await asyncio.gather(*(pong(client) for client in clients))
        assert answers == [True] * 500
    assert len(serials) == 10
