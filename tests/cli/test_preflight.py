"""Settings that cannot be served with end the command before anything is opened: 2, and the setting by its name."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.harness.issuer import Files, Issuer
from tests.harness.serving import serving
from wsgw.cli.main import main

SOUND = """
apis:
  chat:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes: {$default: {integration: {type: MOCK}}}
"""


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Issuer:
    """`0.pem` and `1.pem` with their keys are in the working directory; `2.pem` names an address and no host."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wsgw.yaml").write_text(SOUND)
    issuer = Issuer(Path())
    for name in ("gw.example.com", "chat.example.com", "127.0.0.1"):
        issuer.issue(name)
    return issuer


TLS = ["--tls-cert", "0.pem", "--tls-key", "0.key"]
REDIS = ["--redis", "redis://127.0.0.1:1"]
HTTPS = "https://127.0.0.1:8443"

WRONG = [
    pytest.param(["--tls-key", "0.key"], "tls_key: a key without its certificate", id="a key alone"),
    pytest.param(["--tls-cert", "0.pem", "--tls-key", "1.key"], "tls_key: 1.key is not the key of", id="another key"),
    pytest.param(["--tls-cert", "gone.pem"], "tls_cert: gone.pem cannot be read: No such file", id="no file"),
    pytest.param(["--tls-certificates", "1.pem:1.key"], "tls_certificates: the first certificate", id="no first"),
    pytest.param([*TLS, "--tls-certificates", "gone:1.key"], "tls_certificates: gone cannot be read", id="no second"),
    pytest.param(
        [*TLS, "--tls-certificates", "1.pem:0.key"], "tls_certificates: 0.key is not the key of", id="a second's key"
    ),
    pytest.param([*TLS, "--tls-certificates", "2.pem:2.key"], "tls_certificates: 2.pem names no host", id="no name"),
    pytest.param([*TLS, "--tls-certificates", "1.pem"], "tls_certificates: '1.pem' names no pair", id="half a pair"),
    pytest.param(["--listen", HTTPS], f"listen: {HTTPS} needs a certificate: give --tls-cert", id="https without TLS"),
    pytest.param(["--listen", "127.0.0.1:80"], "listen: '127.0.0.1:80' is no address to listen on", id="no scheme"),
    pytest.param(["--listen", "http://h:99999"], "listen: http://h:99999: there is no port 99999", id="no such port"),
    pytest.param(["--listen", "http://127.0.0.1:8080"], "listen: 127.0.0.1 port 8080 is listened on 2", id="twice"),
    pytest.param(["--control-port", "8080"], "control_port: 127.0.0.1 port 8080 is the data plane's", id="control"),
    pytest.param([*REDIS, "--data", "d"], "data: with redis all is kept in Redis", id="two places"),
    pytest.param(["--redis", "redis://:pa/ss@h/0"], "redis: a password does not belong in the URL", id="a / in it"),
    pytest.param(["--redis", "redis://gw:secret"], "redis: 'gw:…' is no address of a Redis", id="a forgotten @"),
    pytest.param(["--redis", "redis://h:99999"], "redis: 'h:99999' is no address of a Redis", id="no such Redis port"),
    pytest.param(["--redis", "redis://h/one"], "redis: 'one' is no number of a database", id="no such database"),
    pytest.param([*REDIS, "--redis-ca", "0.pem"], "redis_ca: there is no certificate to check", id="no TLS to Redis"),
    pytest.param(
        ["--redis", "rediss://h", "--redis-ca", "gone"], "redis_ca: gone cannot be read: No such file", id="no CA"
    ),
]


@pytest.mark.parametrize(("options", "said"), WRONG)
def test_what_cannot_be_served_with_is_2_and_one_line_with_the_settings_name(
    options: list[str], said: str, issuer: Issuer
):
    result = CliRunner().invoke(main, ["serve", "wsgw.yaml", *options])
    assert said in result.output
    assert result.output.startswith("wsgw: ")
    assert len(result.output.splitlines()) == 1
    assert result.exit_code == 2


async def test_what_can_be_served_with_serves(issuer: Issuer):
    options = [*TLS, "--tls-certificates", "1.pem:1.key", "--listen", "https://127.0.0.1:0,http://127.0.0.1:0"]
    async with serving(Path("wsgw.yaml"), *options) as gateway:
        await gateway.says("listening on https://127.0.0.1:")
        await gateway.says("listening on http://127.0.0.1:")
        assert (await issuer.shown(gateway.ready["data"], "chat.example.com")).names == ("chat.example.com",)


async def test_a_hang_up_reads_the_certificates_at_once(issuer: Issuer, tmp_path: Path):
    async with serving(Path("wsgw.yaml"), *TLS, "--tls-reload-seconds", "3600") as gateway:
        issuer.issue("new.example.com", into=Files(Path("0.pem"), Path("0.key")))
        gateway.signal(signal.SIGHUP)
        await gateway.says("for new.example.com")
        assert (await issuer.shown(gateway.ready["data"])).names == ("new.example.com",)
