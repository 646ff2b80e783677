"""`wsgw export`: from files and from what is stored, in each form; and `wsgw import` of OpenAPI into what is stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from wsgw.cli.main import main
from wsgw.formats.openapi import import_openapi
from wsgw.formats.yaml import load

PETS = """
openapi: 3.0.1
info: {title: Pets, version: "1"}
servers: [{url: https://example.com/v1}]
paths:
  /pets:
    get:
      responses: {"200": {description: fine}}
      x-amazon-apigateway-integration: {type: http_proxy, httpMethod: GET, uri: http://localhost:9000/pets}
"""
MORE = PETS.replace("/pets:", "/cats:").replace("get:", "put:")
CHAT = """
apis:
  chat:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes: {$default: http://localhost:9000}
  web: {protocol: HTTP, routes: {GET /: http://localhost:9000/}}
accessKeys: {AKIDEXAMPLE: {secret: "${NOT_SET_HERE}"}}
"""


def wsgw(*words: str) -> Result:
    return CliRunner().invoke(main, words, catch_exceptions=False)


@pytest.fixture
def pets(tmp_path: Path) -> str:
    (tmp_path / "pets.yaml").write_text(PETS)
    return str(tmp_path / "pets.yaml")


@pytest.fixture
def chat(tmp_path: Path) -> str:
    (tmp_path / "chat.yaml").write_text(CHAT)
    return str(tmp_path / "chat.yaml")


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(tmp_path / "data")


def stored_paths(data: str) -> list[str]:
    made = wsgw("export", "pets", "--data", data)
    assert made.exit_code == 0, made.stderr
    return sorted(load(made.stdout.encode(), "export").data["paths"])


def test_an_api_of_a_file_is_written_as_openapi(pets):
    made = wsgw("export", "pets", "--file", pets)
    assert (made.exit_code, made.stderr) == (0, "")
    assert made.stdout.startswith("openapi: 3.0.1\n")
    again = import_openapi(load(made.stdout.encode(), "export").data).document
    assert again == import_openapi(load(PETS.encode(), "pets").data).document


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (("--format", "swagger"), "swagger"),
        (("--format", "native"), "apis"),
        (("--format", "oas30", "--output", "json"), "openapi"),
        (("--no-extensions",), "openapi"),
        (("--extensions", "integrations,validators"), "openapi"),
    ],
)
def test_every_form_can_be_chosen(pets, words, first):
    made = wsgw("export", "pets", "--file", pets, *words)
    assert made.exit_code == 0, made.stderr
    assert next(iter(load(made.stdout.encode(), "export").data)) == first
    assert made.stdout.startswith("{") == ("json" in words)
    assert ("x-amazon-apigateway-integration" in made.stdout) == ("--no-extensions" not in words and first != "apis")


def test_the_name_of_the_file_says_how_to_write(pets, tmp_path):
    out = tmp_path / "out.json"
    made = wsgw("export", "pets", "--file", pets, "--out", str(out))
    assert (made.exit_code, made.stdout) == (0, "")
    assert json.loads(out.read_text())["info"]["title"] == "Pets"
    made = wsgw("export", "pets", "--file", pets, "--out", str(tmp_path / "none" / "out.json"))
    assert made.exit_code == 1
    assert "cannot be written" in made.stderr


def test_a_websocket_api_is_native_and_openapi_does_not_describe_it(chat):
    made = wsgw("export", "chat", "--file", chat)
    assert made.exit_code == 0, made.stderr
    assert load(made.stdout.encode(), "export").data["apis"]["chat"]["routes"] == {"$default": "http://localhost:9000"}
    made = wsgw("export", "chat", "--file", chat, "--format", "oas30")
    assert (made.exit_code, made.stdout) == (1, "")
    assert "native" in made.stderr


def test_what_is_stored_is_exported(pets, chat, data):
    assert wsgw("import", pets, chat, "--data", data).exit_code == 0
    for api in ("pets", "web", "chat"):
        made = wsgw("export", api, "--data", data, "--format", "native")
        assert made.exit_code == 0, made.stderr
        assert set(load(made.stdout.encode(), "export").data["apis"]) == {api}
    assert "NOT_SET_HERE" not in wsgw("export", "chat", "--data", data).output


def test_an_unknown_api_is_refused_with_the_known_ones(pets, data):
    made = wsgw("export", "cats", "--file", pets)
    assert (made.exit_code, made.stdout) == (1, "")
    assert made.stderr == "wsgw: there is no API 'cats'; known are pets\n"
    assert wsgw("import", pets, "--data", data).exit_code == 0
    assert "known are pets" in wsgw("export", "cats", "--data", data).stderr


def test_a_directory_that_nobody_stored_in_is_not_made(data):
    made = wsgw("export", "pets", "--data", data)
    assert made.exit_code == 1
    assert "nothing is stored in" in made.stderr
    assert not Path(data).exists()


def test_a_file_that_is_not_there_is_named(tmp_path):
    made = wsgw("export", "pets", "--file", str(tmp_path / "none.yaml"))
    assert made.exit_code == 1
    assert (
        made.stderr
        == f"{tmp_path}/none.yaml: error: cannot be read: No such file or directory (name a definition file)\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "where from?"),
        (("--file", "x", "--no-extensions", "--extensions", "integrations"), "contradict"),
        (("--file", "x", "--extensions", "integration"), "there are no extensions integration; known are"),
        (("--file", "x", "--format", "native", "--no-extensions"), "has no extensions"),
        (("--file", "x", "--format", "raml"), "raml"),
    ],
)
def test_wrong_use_ends_with_2(words, said):
    made = wsgw("export", "pets", *words)
    assert made.exit_code == 2
    assert said in made.stderr


def test_a_file_with_errors_is_not_exported(tmp_path):
    (tmp_path / "bad.yaml").write_text(PETS.replace("http_proxy", "htp"))
    made = wsgw("export", "pets", "--file", str(tmp_path / "bad.yaml"))
    assert made.exit_code == 1
    assert "bad.yaml:" in made.stderr
    assert "'htp' is not known here" in made.stderr


@pytest.mark.parametrize(
    ("basepath", "paths"), [("ignore", ["/pets"]), ("prepend", ["/v1/pets"]), ("split", ["/pets"])]
)
def test_the_base_path_is_treated_as_asked(pets, data, basepath, paths):
    assert wsgw("import", pets, "--data", data, "--basepath", basepath).exit_code == 0
    assert stored_paths(data) == paths


@pytest.mark.parametrize(
    ("mode", "paths"),
    [(("--mode", "merge"), ["/cats", "/pets"]), (("--mode", "overwrite"), ["/cats"]), ((), ["/cats"])],
)
def test_an_import_goes_into_what_is_stored(pets, data, tmp_path, mode, paths):
    assert wsgw("import", pets, "--data", data, "--stage", "blue").exit_code == 0
    (tmp_path / "more.yaml").write_text(MORE)
    made = wsgw("import", str(tmp_path / "more.yaml"), "--data", data, *mode)
    assert made.exit_code == 0, made.stderr
    assert stored_paths(data) == paths
    text = wsgw("export", "pets", "--data", data).stdout
    assert ("blue" in text) == bool(mode)


def test_a_mode_needs_an_openapi_document_of_the_same_kind(pets, chat, data, tmp_path):
    assert wsgw("import", pets, "--data", data).exit_code == 0
    made = wsgw("import", chat, "--data", data, "--mode", "merge")
    assert made.exit_code == 1
    assert "--mode is for OpenAPI documents" in made.stderr
    (tmp_path / "http.yaml").write_text(PETS + "x-wsgw-protocol: HTTP\n")
    made = wsgw("import", str(tmp_path / "http.yaml"), "--data", data, "--mode", "merge")
    assert made.exit_code == 1
    assert "another kind: REST" in made.stderr
    assert stored_paths(data) == ["/pets"]


def test_what_does_not_go_together_is_not_merged(data, tmp_path):
    for name, text in (("a", PETS.replace("/pets:", "/{a}:")), ("b", PETS.replace("/pets:", "/{b}:"))):
        (tmp_path / name).write_text(text)
    assert wsgw("import", str(tmp_path / "a"), "--data", data).exit_code == 0
    made = wsgw("import", str(tmp_path / "b"), "--data", data, "--mode", "merge")
    assert made.exit_code == 1
    assert "variable path part" in made.stderr
    assert "Traceback" not in made.stderr


def test_warnings_can_keep_an_import_from_being_stored(data, tmp_path):
    (tmp_path / "warned.yaml").write_text(PETS + "x-amazon-apigateway-nope: 1\n")
    made = wsgw("import", str(tmp_path / "warned.yaml"), "--data", data, "--fail-on-warnings")
    assert made.exit_code == 1
    assert "nothing was stored: there are warnings" in made.stderr
    assert "nothing is stored in" in wsgw("export", "pets", "--data", data).stderr
    assert wsgw("import", str(tmp_path / "warned.yaml"), "--data", data).exit_code == 0
