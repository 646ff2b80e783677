"""`wsgw check` looks for what a deployment would: functions, files of keys, countries, and keys that may sign."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.harness.countries import write_countries
from tests.harness.gateway import TestGateway
from wsgw.cli.check import check
from wsgw.cli.definition_files import Beside, checked, read_definitions
from wsgw.definitions.access import AccessKey
from wsgw.errors import DefinitionError
from wsgw.formats.parse import parse

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on a file `shop.yaml` of this text, in an empty directory, and with these options."""
    monkeypatch.chdir(tmp_path)

    def run(text: str, *options: str) -> Result:
        Path("shop.yaml").write_text(text)
        return CliRunner().invoke(check, ["shop.yaml", *options])

    return run


@pytest.fixture
async def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TestGateway]:
    """A gateway into which functions are imported; of this process nothing is left changed."""
    modules = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    gateway = TestGateway(lanes=True)
    await gateway.start()
    yield gateway
    await gateway.stop()
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def findings(result: Result) -> list[str]:
    return result.output.splitlines()[:-1]


async def refusal(gateway: TestGateway, file: Path) -> str:
    """Why a deployment of `file` fails."""
    with pytest.raises(DefinitionError) as caught:
        gateway.deploy(*read_definitions([file], os.environ).apis, base=file.parent)
    return str(caught.value)


# ---- functions

HTTP = """\
apis:
  shop:
    protocol: HTTP
    authorizers:
      door: {type: REQUEST, uri: "python:AUTHORIZER", identitySource: $request.header.x, enableSimpleResponses: true}
      unused: {type: REQUEST, uri: "python:wsgw_gone:who", identitySource: $request.header.x}
    routes:
      GET /orders: {authorizer: door, integration: "python:INTEGRATION"}
"""
REST = """\
apis:
  shop:
    protocol: REST
    authorizers:
      door: {type: TOKEN, uri: "python:AUTHORIZER"}
      unused: {type: TOKEN, uri: "python:wsgw_gone:who"}
    routes:
      GET /orders: {authorizer: door, integration: "python:INTEGRATION"}
"""
WEBSOCKET = """\
apis:
  shop:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    authorizers:
      door: {type: REQUEST, uri: "python:AUTHORIZER", identitySource: route.request.header.x}
      unused: {type: REQUEST, uri: "python:wsgw_gone:who", identitySource: route.request.header.x}
    routes:
      $connect: {authorizer: door}
      orders: "python:INTEGRATION"
"""
FUNCTIONS = "raise SystemExit('imported')\nasync def who(event, context): ...\nasync def orders(event, context): ...\n"


def api(text: str, authorizer: str = "wsgw_beside:who", integration: str = "wsgw_beside:orders") -> str:
    return text.replace("AUTHORIZER", authorizer).replace("INTEGRATION", integration)


@pytest.mark.parametrize("text", [HTTP, REST, WEBSOCKET], ids=["HTTP", "REST", "WEBSOCKET"])
def test_functions_that_are_there_are_found_and_nothing_is_imported(run: Run, tmp_path: Path, text: str):
    (tmp_path / "wsgw_beside.py").write_text(FUNCTIONS)
    result = run(api(text))
    assert (result.exit_code, findings(result)) == (0, [])
    assert "wsgw_beside" not in sys.modules


@pytest.mark.parametrize("text", [HTTP, REST, WEBSOCKET], ids=["HTTP", "REST", "WEBSOCKET"])
def test_functions_that_are_not_there_are_errors_with_their_place(run: Run, tmp_path: Path, text: str):
    (tmp_path / "wsgw_beside.py").write_text(FUNCTIONS)
    result = run(api(text, "wsgw_beside:whom", "wsgw_nowhere:orders"))
    assert result.exit_code == 1
    of_authorizer, of_route = findings(result)
    assert "error: apis.shop.authorizers.door.uri: python:wsgw_beside:whom: " in of_authorizer
    assert of_authorizer.endswith("wsgw_beside.py has no whom: define `async def whom(event, context)`")
    assert ".integration.uri: python:wsgw_nowhere:orders: no module wsgw_nowhere: put it beside" in of_route


@pytest.mark.parametrize("text", [HTTP, REST, WEBSOCKET], ids=["HTTP", "REST", "WEBSOCKET"])
@pytest.mark.parametrize(
    "names",
    [{"authorizer": "wsgw_found:whom"}, {"integration": "wsgw_found:order"}, {"integration": "wsgw_nowhere:orders"}],
    ids=lambda names: next(iter(names.values())),
)
async def test_it_is_what_a_deployment_would_say(
    run: Run, gateway: TestGateway, tmp_path: Path, text: str, names: dict[str, str]
):
    (tmp_path / "wsgw_found.py").write_text(FUNCTIONS.partition("\n")[2])
    (said,) = findings(run(api(text, **{"authorizer": "wsgw_found:who", "integration": "wsgw_found:orders", **names})))
    told = await refusal(gateway, tmp_path / "shop.yaml")
    assert said[said.index("python:") :] in told


def test_functions_are_looked_for_beside_the_first_file(tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "one" / "wsgw_beside.py").write_text(FUNCTIONS)
    first, second = tmp_path / "one" / "keys.yaml", tmp_path / "two" / "shop.yaml"
    first.write_text("managementTokens: [t]")
    second.write_text(api(REST))
    assert CliRunner().invoke(check, [str(first), str(second)]).exit_code == 0
    assert CliRunner().invoke(check, [str(second), str(first)]).exit_code == 1


def test_what_is_no_function_at_all_is_one_finding(run: Run, tmp_path: Path):
    (tmp_path / "wsgw_beside.py").write_text(FUNCTIONS)
    (said,) = findings(run(api(HTTP, authorizer="no function")))
    assert "not a Python function" in said


# ---- keys of issuers

JWT = """\
apis:
  shop:
    protocol: HTTP
    authorizers:
      login: {type: JWT, issuer: "https://issuer.example", audience: shop, jwksUri: "file:keys.json"}
      unused: {type: JWT, issuer: "https://issuer.example", audience: shop, jwksUri: "file:gone.json"}
    routes:
      GET /orders: {authorizer: login, integration: http://localhost:9/}
"""


@pytest.mark.parametrize("text", [None, "{", "{}", '{"keys": []}', '{"keys": [{"kty": "oct"}]}'], ids=str)
async def test_a_file_without_keys_is_an_error_as_it_is_for_a_deployment(
    run: Run, gateway: TestGateway, tmp_path: Path, text: str | None
):
    if text is not None:
        (tmp_path / "keys.json").write_text(text)
    result = run(JWT)
    (said,) = findings(result)
    place = "shop.yaml:5: error: apis.shop.authorizers.login.jwksUri: "
    assert (result.exit_code, said.startswith(place)) == (1, True)
    told = (await refusal(gateway, tmp_path / "shop.yaml")).replace(f"{tmp_path}/", "")
    assert said.removeprefix(place) in told


def test_a_file_on_another_host_is_an_error(run: Run):
    (said,) = findings(run(JWT.replace("file:keys.json", "file://host/keys.json")))
    assert "names no file; write file:keys.json" in said


# ---- countries

GEO = """\
apis:
  shop:
    protocol: HTTP
    routes: {GET /orders: "http://localhost:9/"}
    stages:
      $default:
        webAcl:
          rules:
            - {name: here, action: BLOCK, statement: {geoMatchStatement: {countryCodes: [AT]}}}
"""


def test_without_a_file_of_countries_there_is_a_warning_for_settings_may_name_one_elsewhere(run: Run):
    result = run(GEO)
    (said,) = findings(result)
    assert result.exit_code == 0
    assert said.startswith("shop.yaml:7: warning: apis.shop.stages.$default.webAcl: GeoMatchStatement needs a file of")
    assert "--geo-database" in said


def test_a_file_of_countries_that_is_none_is_an_error(run: Run, tmp_path: Path):
    (tmp_path / "none.mmdb").write_text("AT")
    for name in ("gone.mmdb", "none.mmdb"):
        result = run(GEO, "--geo-database", name)
        assert result.exit_code == 1
        assert f"error: apis.shop.stages.$default.webAcl: geo_database '{name}' cannot be read" in result.output


def test_a_file_of_countries_is_taken_from_any_place_that_settings_have(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = write_countries(tmp_path / "countries.mmdb", {"192.0.2.0/24": "AT"})
    assert findings(run(GEO, "--geo-database", str(file))) == []
    (tmp_path / "settings.yaml").write_text(f"geo_database: {file}")
    assert findings(run(GEO, "--config", "settings.yaml")) == []
    monkeypatch.setenv("WSGW_GEO_DATABASE", str(file))
    assert findings(run(GEO)) == []


def test_a_rule_that_cannot_be_compiled_is_said_once(run: Run):
    regex = "{regexMatchStatement: {regexString: '(', fieldToMatch: {uriPath: {}}}}"
    rule = f"            - {{name: bad, action: BLOCK, statement: {regex}}}\n"
    assert len([one for one in findings(run(GEO + rule)) if "error" in one]) == 1


# ---- access keys

SIGNED = """\
apis:
  shop:
    protocol: HTTP
    routes:
      GET /open: http://localhost:9/
      GET /orders: {authorizationType: AWS_IAM, integration: "http://localhost:9/"}
      PUT /orders: {authorizationType: AWS_IAM, integration: "http://localhost:9/"}
"""
NOBODY = (
    'shop.yaml:6: warning: apis.shop.routes["GET /orders"].authorizationType: there is no access key in force to sign '
    "requests with: nobody can call this (add one under accessKeys, here or in what is served beside it: another file, "
    "what is stored)"
)


def test_routes_that_want_signatures_where_nobody_can_sign_are_a_warning_for_each_api(run: Run):
    result = run(SIGNED)
    assert (result.exit_code, findings(result)) == (0, [NOBODY])


def test_an_access_key_in_any_of_the_files_will_do(run: Run, tmp_path: Path):
    (tmp_path / "keys.yaml").write_text("accessKeys: {AKID: {secret: s}}")
    assert findings(run(SIGNED, "keys.yaml")) == []


def test_an_access_key_that_has_expired_is_a_warning_and_nobody_can_sign_with_it(run: Run):
    text = SIGNED + "accessKeys:\n  OLD: {secret: s, expires: '2020-01-31T12:00:00Z'}\n"
    expired = "shop.yaml:9: warning: accessKeys.OLD.expires: the key has expired: what it signs is refused"
    assert findings(run(text)) == [NOBODY, f"{expired} (renew it, or remove it)"]
    assert findings(run(f"{text}  NEW: {{secret: s}}\n")) == [f"{expired} (renew it, or remove it)"]


@pytest.mark.parametrize(("now", "warnings"), [(99.0, 0), (100.0, 2)])
def test_a_key_expires_at_its_time(now: float, warnings: int):
    parsed = parse(f"{SIGNED}accessKeys: {{AKID: {{secret: s, expires: 100}}}}".encode(), "shop.yaml", {})
    assert len(checked(parsed, now=lambda: now).findings) == warnings


def test_a_stored_access_key_will_do():
    parsed = parse(SIGNED.encode(), "shop.yaml", {})
    assert checked(parsed, beside=Beside(access_keys=[AccessKey(access_key_id="A", secret="s")])).findings == ()
    assert len(checked(parsed).findings) == 1
