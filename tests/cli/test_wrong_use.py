"""Commands that cannot do what they are asked: 2 for wrong use, one line on what to change, no traceback."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.harness.raw_websocket import HandshakeRefused
from tests.harness.serving import DidNotStart, serving
from wsgw.cli.main import main

ROOT = Path(__file__).resolve().parents[2]

SOUND = """
apis:
  chat:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes:
      ping: {integration: {type: MOCK, responseTemplates: {$default: pong}}, twoWay: true}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "wsgw.yaml"
    path.write_text(SOUND)
    return path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory of certificates and keys that fit, and do not fit."""
    for number, certificate in enumerate(trustme.CA().issue_cert("localhost") for _ in range(2)):
        certificate.cert_chain_pems[0].write_to_path(str(tmp_path / f"cert{number}"))
        certificate.private_key_pem.write_to_path(str(tmp_path / f"key{number}"))
    key = load_pem_private_key((tmp_path / "key0").read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (tmp_path / "locked").write_bytes(locked)
    (tmp_path / "text").write_text("neither a certificate nor a key")
    return tmp_path


def wsgw(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environment)


# ---- the command line


WRONG_USE = [
    pytest.param(["serv"], "No such command 'serv'. Did you mean 'serve'?", id="a command misspelt"),
    pytest.param(["serve"], "name at least one definition file: wsgw serve wsgw.yaml", id="no file"),
    pytest.param(["serve", "x", "--prot", "1"], "No such option '--prot'", id="an option misspelt"),
    pytest.param(["serve", "x", "--port", "99999"], "port: ", id="no such port"),
    pytest.param(["serve", "x", "--port", "abc"], "--port", id="a port in letters"),
    pytest.param(["serve", "x", "--log-level", "loud"], "debug, info, warning, error", id="no such level"),
    pytest.param(["serve", "x", "--workers", "2"], "leave --workers at 1", id="two workers"),
    pytest.param(["serve", "x", "--config", "gone"], "'gone' does not exist", id="no such settings file"),
    pytest.param(["serve", "x", "--access-log", "gone/log"], "access_log: gone/log cannot be written", id="no log"),
    pytest.param(["check"], "Missing argument 'FILES...'", id="nothing to check"),
    pytest.param(["connections", "frob"], "No such command 'frob'", id="no such thing to do with connections"),
    pytest.param(["config", "shw"], "Did you mean 'show'?", id="a subcommand misspelt"),
    pytest.param(["loadtest", "ws://"], "'ws://' names no host and port", id="a URL without a host"),
    pytest.param(["loadtest", "ws://h:99999/prod"], "names no host and port", id="a URL with no such port"),
    pytest.param(["loadtest", "ws://h/", "--json", "gone/x"], "there is no directory 'gone'", id="nowhere to write"),
    pytest.param(["loadtest", "ws://h/", "--report", "."], "is a directory", id="a directory to write into"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG_USE)
def test_wrong_use_is_2_and_says_what_to_change(
    arguments: Sequence[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    result = wsgw(*arguments)
    assert said in result.output
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("arguments", [[], ["connections"], ["config"]], ids=["wsgw", "connections", "config"])
def test_a_group_alone_lists_its_commands_as_wrong_use(arguments: list[str]):
    result = wsgw(*arguments)
    assert "Commands:" in result.output
    assert result.exit_code == 2


@pytest.mark.parametrize(
    "command", [[], ["serve"], ["demo"], ["check"], ["connections", "list"], ["config", "show"], ["loadtest"]]
)
def test_every_command_explains_itself(command: list[str]):
    result = wsgw(*command, "--help")
    assert result.output.startswith("Usage: ")
    assert result.exit_code == 0


def test_a_wrong_value_in_the_environment_is_told_by_the_variables_name(file: Path):
    result = wsgw("serve", str(file), WSGW_PORT="abc")
    assert result.output.startswith("wsgw: WSGW_PORT: port: ")
    assert result.exit_code == 2


def test_a_level_may_be_written_in_capitals(files: Path, file: Path):
    # It goes on to the next fault.
    result = wsgw("serve", str(file), "--log-level", "INFO", "--tls-cert", str(files / "gone"))
    assert "log_level" not in result.output


# ---- TLS


TLS = [
    pytest.param("gone", "key0", "tls_cert: gone cannot be read: No such file", id="no certificate file"),
    pytest.param("cert0", "gone", "tls_key: gone cannot be read: No such file", id="no key file"),
    pytest.param("cert0", "", "tls_key: cert0 holds no private key in PEM form: name the file", id="no key given"),
    pytest.param("cert0", "key1", "tls_key: key1 is not the key of the first certificate in cert0", id="another key"),
    pytest.param("text", "key0", "tls_cert: text holds no certificate in PEM form", id="no certificate in the file"),
    pytest.param("cert0", "text", "tls_key: text holds no private key in PEM form", id="no key in the file"),
    pytest.param("cert0", "cert0", "tls_key: cert0 holds no private key in PEM form", id="the certificate twice"),
    pytest.param("cert0", "locked", "tls_key: locked is encrypted; write it without a passphrase", id="encrypted"),
    pytest.param(".", "key0", "tls_cert: . cannot be read: Is a directory", id="a directory"),
]


@pytest.mark.parametrize(("cert", "key", "said"), TLS)
def test_tls_files_that_cannot_serve_are_named(
    cert: str, key: str, said: str, files: Path, file: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(files)
    result = wsgw("serve", str(file), "--port", "0", "--tls-cert", cert, "--tls-key", key)
    assert result.output.startswith(f"wsgw: {said}")
    assert len(result.output.splitlines()) == 1
    assert result.exit_code == 2


async def test_tls_files_that_fit_serve(files: Path, file: Path):
    async with serving(file, "--tls-cert", str(files / "cert0"), "--tls-key", str(files / "key0")) as gateway:
        assert gateway.ready["data"].startswith("https://127.0.0.1:")


# ---- what the machine refuses


@pytest.mark.parametrize("option", ["--port", "--control-port"])
async def test_a_port_that_is_taken_is_1_and_names_the_option(file: Path, option: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DidNotStart) as refused:
            async with serving(file, option, str(port)):
                pass
    assert f"port {port} of 127.0.0.1 is taken: choose another with {option}, 0 for a free one" in refused.value.said
    assert refused.value.code == 1


async def test_a_gateway_that_was_killed_can_start_on_its_port_at_once(file: Path):
    async with serving(file) as gateway:
        clients = [await gateway.connect() for _ in range(3)]
        port = gateway.ready["data"].rpartition(":")[2]
        gateway.signal(signal.SIGKILL)
        assert await gateway.ended() == -signal.SIGKILL
        async with serving(file, "--port", port) as again:
            assert again.ready["data"].endswith(f":{port}")
        assert len(clients) == 3


async def test_beyond_loopback_without_keys_is_refused_with_the_remedy(file: Path):
    with pytest.raises(DidNotStart) as refused:
        async with serving(file, "--host", "0.0.0.0"):
            pass
    assert "configure accessKeys or management_tokens, or give --insecure" in refused.value.said
    assert refused.value.code == 1


# ---- definitions


@pytest.mark.parametrize(
    ("module", "said"),
    [
        pytest.param(None, "no module handlers: put it beside the definition file", id="no module"),
        pytest.param("def (", "SyntaxError", id="a syntax error"),
        pytest.param("raise RuntimeError('no database')", "RuntimeError: no database", id="an import that raises"),
        pytest.param("raise SystemExit(0)", "SystemExit", id="an import that exits"),
        pytest.param("other = 1", "has no greet: define `async def greet(event, context)`", id="no such function"),
        pytest.param("def greet(): ...", "cannot be called with an event and a context", id="no parameters"),
    ],
)
async def test_a_handler_that_cannot_be_loaded_is_1_and_one_line(file: Path, module: str | None, said: str):
    file.write_text(SOUND + "      greet: python:handlers:greet\n")
    if module is not None:
        (file.parent / "handlers.py").write_text(module)
    with pytest.raises(DidNotStart) as refused:
        async with serving(file):
            pass
    assert "python:handlers:greet" in refused.value.said
    assert said in refused.value.said
    assert len(refused.value.said.splitlines()) == 1 + 1  # the ready line that did not come, and this one
    assert refused.value.code == 1


async def test_every_domain_name_that_wants_tls_where_there_is_none_is_a_line_of_its_own(files: Path, file: Path):
    entry = "{certificate: cert0, certificateKey: key0, mappings: {/: chat/prod}}"
    file.write_text(f"{SOUND}domainNames:\n  a.example.com: {entry}\n  b.example.com: {entry}\n")
    with pytest.raises(DidNotStart) as refused:
        async with serving(file):
            pass
    said = "certificate: nothing listens with TLS: give tls_cert and tls_key"
    for name in ("a.example.com", "b.example.com"):
        assert f"wsgw: domainNames.{name}.{said}" in str(refused.value).splitlines()


async def test_every_route_without_its_private_target_or_function_is_a_line_of_its_own(file: Path):
    private = "{type: HTTP_PROXY, uri: 'http://x/y', connectionType: VPC_LINK, connectionId: %s}"
    routes = f"{{GET /a: {{integration: {private % 'one'}}}, GET /b: {{integration: {private % 'two'}}}}}"
    file.write_text(f"{SOUND}      greet: python:handlers:greet\n  web: {{protocol: REST, routes: {routes}}}\n")
    with pytest.raises(DidNotStart) as refused:
        async with serving(file):
            pass
    lines = [line for line in refused.value.said.splitlines() if line.startswith("wsgw: apis.")]
    assert [line.split(":")[1].strip() for line in lines] == [
        "apis.chat.routes.greet",
        "apis.web.routes.GET /a",
        "apis.web.routes.GET /b",
    ]


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
async def test_who_may_push_is_no_matter_where_there_is_nobody_to_push_to(file: Path, protocol: str):
    file.write_text(f"apis: {{web: {{protocol: {protocol}, routes: {{GET /: 'http://localhost:1/'}}}}}}")
    async with serving(file) as gateway:
        await gateway.says("wsgw: web: http://")
        assert not any("@connections" in line for line in gateway.log)
    file.write_text(SOUND)
    async with serving(file) as gateway:
        await gateway.says("@connections is open to callers on this machine only")


async def test_files_without_an_api_are_served_with_a_word_of_warning(file: Path):
    file.write_text("apis: {}\n")
    async with serving(file) as gateway:
        await gateway.says("the files define no API")
        with pytest.raises(HandshakeRefused):
            await gateway.connect()


async def test_what_config_show_prints_is_a_settings_file_that_adds_no_token(tmp_path: Path):
    shown = wsgw("config", "show", "--drain-seconds", "3", WSGW_MANAGEMENT_TOKENS="canary")
    (tmp_path / "settings").write_text(shown.output)
    again = wsgw("config", "show", "--config", str(tmp_path / "settings"))
    assert again.exit_code == 0
    assert f"drain_seconds: 3.0  # {tmp_path / 'settings'}" in again.output
    assert "management_tokens: []  # default" in again.output


# ---- the end


async def test_a_drain_says_how_long_it_takes_and_how_to_end_it(file: Path):
    async with serving(file, "--drain-seconds", "60") as gateway:
        clients = [await gateway.connect() for _ in range(3)]
        gateway.signal(signal.SIGINT)
        await gateway.says(f"closing all connections ({len(clients)}) over 60 s; a second signal ends it now")
        gateway.signal(signal.SIGINT)
        assert await gateway.ended() == 1


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [(["serv"], "Did you mean 'serve'?", 2), (["connections", "list", "-h"], "Print every open connection", 0)],
    ids=["wrong use", "help"],
)
async def test_the_package_is_a_command(tmp_path: Path, arguments: list[str], said: str, code: int):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wsgw", *arguments),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert said in output.decode()
    assert process.returncode == code
