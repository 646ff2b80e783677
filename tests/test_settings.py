"""Settings: where they come from, which source wins, how faults are told, and their documentation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from wsgw.cli.main import main
from wsgw.cli.options import _HEADINGS
from wsgw.cli.serve import serve
from wsgw.settings import Loaded, Setting, SettingError, Settings, documented, load, without_password

ROOT = Path(__file__).parents[1]
ROWS = documented()
NAMES = [row.name for row in ROWS]


def from_file(tmp_path: Path, text: str, **others: Any) -> Loaded:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    return load(others.get("command_line"), others.get("environment"), file)


def faults(action: Any) -> list[str]:
    """The lines of the SettingError that `action` raises."""
    with pytest.raises(SettingError) as caught:
        action()
    return str(caught.value).splitlines()


# ---- sources


def test_without_any_source_the_defaults_are_in_force():
    settings, sources = load()
    assert settings == Settings()
    assert set(sources) == set(NAMES)
    assert set(sources.values()) == {"default"}


def test_later_sources_win(tmp_path: Path):
    text = "port: 1\ncontrol_port: 1\nbacklog: 1\n"
    environment = {"WSGW_CONTROL_PORT": "2", "WSGW_BACKLOG": "2"}
    settings, sources = from_file(tmp_path, text, environment=environment, command_line={"backlog": 3})
    assert (settings.port, settings.control_port, settings.backlog) == (1, 2, 3)
    names = (sources["port"], sources["control_port"], sources["backlog"], sources["host"])
    assert names == (str(tmp_path / "settings.yaml"), "WSGW_CONTROL_PORT", "command line", "default")


def test_what_the_command_line_does_not_say_hides_nothing():
    assert load({"port": None}, {"WSGW_PORT": "7"}).settings.port == 7


def test_a_file_may_write_names_with_hyphens(tmp_path: Path):
    assert from_file(tmp_path, "drain-seconds: 20\n").settings.drain_seconds == 20


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"], ids=["empty", "a comment", "an empty document"])
def test_a_file_may_be_empty(tmp_path: Path, text: str):
    assert from_file(tmp_path, text).settings == Settings()


#: Where not every value of the type will do.
OTHERS = {
    "public_url": "https://gw.example.com",
    "trust_forwarded": ("10.0.0.7", "fd00::/8"),
    "tls_certificates": ("chat.pem:chat.key", "shop.pem:shop.key"),
    "listen": ("http://10.0.0.7:8080", "https://[::1]:8443"),
    "jwt_algorithms": ("PS256", "ES512"),
    "cognito_endpoint": "http://localhost:9229",
    "redis": "rediss://wsgw@redis.example:6380/1",
    "throttle_mode": "sliced",
    "egress_deny": ("10.0.0.0/8", "fd00::/8"),
    "egress_allow": ("169.254.169.254", "fe80::/10"),
    "backend_certificates": ("abc=a.pem:a.key", "def=/etc/d.pem:/etc/d.key"),
    "vpc_sources": ("10.0.0.0/16=vpce-0a1b/vpc-0c2d", "fd00::/8=vpc-1"),
    "vpc_links": ("link=http://10.0.0.7:8080", "arn:aws:s:r:0:service/srv?a=b=https://inner.test"),
}
#: Settings that want another one beside them.
BESIDE = {"workers": {"redis": OTHERS["redis"]}}


def other_than_default(row: Setting) -> Any:
    """A value of the row's type that is not its default."""
    if row.name in OTHERS:
        return OTHERS[row.name]
    if row.type == "bool":
        return not row.default
    if row.type == "int":
        return row.default + 1
    return {"float": row.default + 0.5 if row.type == "float" else None, "str": "other", "list": ("one", "two")}[
        row.type
    ]


def written(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_every_setting_can_come_from_each_source(row: Setting, tmp_path: Path):
    value = other_than_default(row)
    values = {row.name: value} | BESIDE.get(row.name, {})
    given: list[Loaded] = [
        from_file(tmp_path, msgspec.json.encode(values).decode()),
        load(None, {f"WSGW_{name.upper()}": written(value) for name, value in values.items()}),
        load({name: written(value) if isinstance(value, tuple) else value for name, value in values.items()}),
    ]
    for settings, sources in given:
        assert getattr(settings, row.name) == value
        assert sources[row.name] != "default"
        assert [name for name in NAMES if sources[name] != "default"] == [name for name in NAMES if name in values]


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_every_setting_is_an_option_of_serve(row: Setting):
    options = {option for parameter in serve.params for option in (*parameter.opts, *parameter.secondary_opts)}
    flag = "--" + row.name.replace("_", "-")
    assert flag in options
    assert ("--no-" + flag[2:] in options) is (row.type == "bool")


def test_the_help_of_serve_has_every_setting_once_and_under_headings():
    text = CliRunner().invoke(serve, ["--help"]).output
    headings = re.findall(r"^([^\s].*):$", text, re.MULTILINE)
    assert headings[:2] == ["Options", "Listening"]
    assert set(_HEADINGS.values()) == set(headings[1:])
    listed = re.findall(r"^  --([a-z-]+)", text, re.MULTILINE)
    assert [name for name in listed if name.replace("-", "_") in NAMES] == [name.replace("_", "-") for name in NAMES]


def test_a_choice_is_told_with_what_there_is():
    assert faults(lambda: load({"throttle_mode": "fast"})) == [
        "command line: throttle_mode: 'fast': expected exact or sliced"
    ]


@pytest.mark.parametrize("password", ["secret", "se/cret", "se@cret", "s:e@c/r@et"])
def test_a_url_is_shown_without_any_part_of_its_password(password: str):
    assert without_password(f"redis://gw:{password}@h:1/0") == "redis://gw:…@h:1/0"


VALUES = [
    *(("insecure", text, True) for text in ("1", "true", "TRUE", "yes", "on")),
    *(("lanes", text, False) for text in ("0", "false", "no", "off")),
    ("port", "0", 0),
    ("drain_seconds", "2.5", 2.5),
    ("drain_seconds", "2", 2.0),
    ("management_tokens", " one, two ,", ("one", "two")),
    ("management_tokens", "", ()),
    ("access_log", "", ""),
]


@pytest.mark.parametrize(("name", "text", "value"), VALUES)
def test_a_text_of_the_environment_becomes_the_settings_type(name: str, text: str, value: Any):
    assert getattr(load(None, {f"WSGW_{name.upper()}": text}).settings, name) == value


def test_other_variables_that_begin_like_ours_are_left_alone():
    environment = {"WSGW_CHAT_SECRET": "x", "WSGW_": "x", "wsgw_port": "1", "PORT": "2"}
    assert load(None, environment).settings == Settings()


def test_a_token_may_be_named_after_a_variable(tmp_path: Path):
    loaded = from_file(tmp_path, 'management_tokens: ["${TOKEN}", plain]\n', environment={"TOKEN": "secret"})
    assert loaded.settings.management_tokens == ("secret", "plain")


# ---- faults


def test_an_unknown_name_is_told_with_the_nearest_known(tmp_path: Path):
    file = tmp_path / "settings.yaml"
    assert faults(lambda: from_file(tmp_path, "drain_second: 1\nzzz: 1\n")) == [
        f"{file}: there is no setting 'drain_second'; did you mean 'drain_seconds'?",
        f"{file}: there is no setting 'zzz'",
    ]


def test_all_faults_of_all_sources_are_told_at_once(tmp_path: Path):
    found = faults(
        lambda: from_file(
            tmp_path,
            "port: 70000\nhots: x\n",
            environment={"WSGW_LANES": "maybe"},
            command_line={"drain_seconds": -1},
        )
    )
    assert len(found) == 4
    starts = [f"{tmp_path}/settings.yaml: port: ", f"{tmp_path}/settings.yaml: there is no setting 'hots'"]
    starts += ["WSGW_LANES: lanes: ", "command line: drain_seconds: "]
    for line, start in zip(found, starts, strict=True):
        assert line.startswith(start)


BAD = [
    ("port", "http"),
    ("port", "-1"),
    ("port", "65536"),
    ("port", "1.5"),
    ("port", ""),
    ("workers", "0"),
    ("lanes", "maybe"),
    ("drain_seconds", "-1"),
    ("drain_seconds", "soon"),
    ("head_seconds", "0"),
    ("outbox_bytes", "1"),
    ("drain_seconds", "nan"),
    ("stop_seconds", "inf"),
    ("trust_forwarded", "10.0.0.0/8, a-proxy"),
    ("egress_deny", "metadata"),
    ("egress_allow", "169.254.169.254:80"),
    ("backend_certificates", "a.pem:a.key"),
    ("backend_certificates", "id=a.pem"),
    ("vpc_sources", "10.0.0.0/8"),
    ("vpc_sources", "10.0.0.0/33=vpce-1"),
    ("vpc_sources", "=vpce-1"),
    ("vpc_sources", "10.0.0.0/8=eni-1"),
    ("vpc_sources", "10.0.0.0/8=vpc-1/vpce-1"),
    ("vpc_sources", "10.0.0.0/8=vpce-1/"),
    ("jwt_algorithms", "RS256, HS256"),
    ("jwt_algorithms", "none"),
    ("jwt_algorithms", ""),
    ("cognito_endpoint", "localhost:9229"),
    ("vpc_links", "http://10.0.0.7"),
    ("vpc_links", "link=10.0.0.7:80"),
    ("vpc_links", "link=http://10.0.0.7/path"),
    ("public_url", "gw.example.com"),
    ("redis_prefix", "{wsgw}"),
    ("redis_prefix", ""),
    ("redis_prefix", "ws gw"),
    ("throttle_mode", "fast"),
]


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_value_that_cannot_be_is_told_with_its_source(name: str, text: str):
    variable = f"WSGW_{name.upper()}"
    (line,) = faults(lambda: load(None, {variable: text}))
    assert line.startswith(f"{variable}: {name}: ")


FILES = [
    pytest.param("- port\n", "expected lines of `name: value`", id="a list"),
    pytest.param("port\n", "expected lines of `name: value`", id="a text"),
    pytest.param("port: [\n", "not readable as YAML", id="no YAML"),
]


@pytest.mark.parametrize(("text", "complaint"), FILES)
def test_a_file_that_holds_no_settings_is_told_by_name(tmp_path: Path, text: str, complaint: str):
    line = faults(lambda: from_file(tmp_path, text))[0]
    assert line.startswith(f"{tmp_path / 'settings.yaml'}: {complaint}")


def test_a_file_that_is_not_there_is_told_by_name(tmp_path: Path):
    assert faults(lambda: load(config_file=tmp_path / "none")) == [f"{tmp_path / 'none'}: No such file or directory"]


def test_a_token_whose_variable_is_not_set_is_a_fault_and_no_empty_token():
    assert faults(lambda: load(None, {"WSGW_MANAGEMENT_TOKENS": "${NOT_SET}"})) == [
        "WSGW_MANAGEMENT_TOKENS: management_tokens: the environment has no NOT_SET; set it"
    ]


# ---- wsgw config


def config(*words: str, **environment: str) -> Any:
    return CliRunner().invoke(main, ["config", *words], env=environment)


def test_show_prints_each_setting_with_its_source(tmp_path: Path):
    file = tmp_path / "settings.yaml"
    file.write_text("port: 9000\n")
    result = config("show", "--config", str(file), "--no-lanes", WSGW_REGION="eu-central-1")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert len(lines) == len(NAMES)
    for line in (
        f"port: 9000  # {file}",
        'region: "eu-central-1"  # WSGW_REGION',
        "lanes: false  # command line",
        "backlog: 4096  # default",
    ):
        assert line in lines


def test_show_keeps_secrets_to_itself():
    result = config("show", WSGW_MANAGEMENT_TOKENS="canary-one,canary-two")
    assert "# management_tokens: 2 configured  # WSGW_MANAGEMENT_TOKENS" in result.output
    assert "canary" not in result.output


def test_faults_end_the_command_with_2_and_a_line_each():
    result = config("show", WSGW_PORT="x", WSGW_LANES="maybe")
    assert result.exit_code == 2
    lines = result.output.splitlines()
    assert [line.split(": ")[:3] for line in lines] == [
        ["wsgw", "WSGW_PORT", "port"],
        ["wsgw", "WSGW_LANES", "lanes"],
    ]


def test_the_documentation_is_what_the_command_prints():
    result = config("doc")
    assert result.exit_code == 0
    assert (ROOT / "docs" / "settings.md").read_text() == result.output, "run: wsgw config doc > docs/settings.md"


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_every_setting_is_documented(row: Setting):
    (line,) = [line for line in config("doc").output.splitlines() if line.startswith(f"| `{row.name}` |")]
    assert f"`WSGW_{row.name.upper()}`" in line
    assert row.doc in line
    # A sentence about it, and a unit where there is one to doubt.
    assert len(row.doc) > 10
    assert row.name.endswith("_seconds") <= (row.unit == "s")
    assert row.name.endswith("_bytes") <= (row.unit == "bytes")


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_every_setting_is_used(row: Setting):
    """A setting that nothing reads would promise what nobody keeps."""
    needle = f".{row.name}"
    sources = [path for path in (ROOT / "wsgw").rglob("*.py") if path.name != "settings.py"]
    assert any(needle in path.read_text() for path in sources)
