"""`wsgw check`: what it prints, and how it exits."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from wsgw.cli.check import check
from wsgw.cli.definition_files import read_definitions

SOUND = """\
apis:
  chat:
    protocol: WEBSOCKET
    routeSelectionExpression: $request.body.action
    routes:
      $default: http://localhost:9000/
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs the command on files of these names and texts, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def run(**files: str | bytes) -> Result:
        for name, text in files.items():
            Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return CliRunner().invoke(check, list(files))

    return run


def test_a_sound_file_exits_with_0(run):
    result = run(sound=SOUND)
    assert result.output == "1 file, 1 API: 0 errors, 0 warnings\n"
    assert result.exit_code == 0


def test_a_slip_in_an_action_of_an_access_keys_policy_is_a_warning(run):
    policy = "{Statement: [{Effect: Allow, Action: ['s3:GetObject', 'execute-api:Invok'], Resource: '*'}]}"
    result = run(file=SOUND + f"accessKeys: {{AKID: {{secret: s, policies: [{policy}]}}}}\n")
    assert "warning: accessKeys.AKID.policies[0]: Statement[0].Action: no request is asked about execute-api:Invok" in (
        result.output
    )
    assert "s3:" not in result.output
    assert result.exit_code == 0


def test_a_policy_that_is_none_is_told_with_its_place(run):
    result = run(file=SOUND + "accessKeys: {AKID: {secret: s, policies: [{Statement: {Effect: Maybe}}]}}\n")
    assert "file:7: error: accessKeys.AKID.policies[0]: Statement.Effect: expected Allow or Deny" in result.output
    assert result.exit_code == 1


def test_warnings_alone_exit_with_0(run):
    result = run(file=SOUND + "    stages: {prod: {routeSettings: {send: {throttlingRateLimit: 1}}}}\n")
    assert result.output.splitlines() == [
        "file:7: warning: apis.chat.stages.prod.routeSettings.send: there is no route with this key (routes: $default)",
        "1 file, 1 API: 0 errors, 1 warning",
    ]
    assert result.exit_code == 0


def test_every_finding_is_a_line_in_the_order_of_the_files(run):
    first = SOUND + "      send: {integration: {type: AWS}}\n      other: {apiKeyRequired: true}\n"
    second = "apis:\n  pets:\n    protocol: HTTP\n  dogs:\n    protocol: WEBSOCKET\n    rutes: {}\n"
    result = run(first=first, second=second, third="a: [", fourth="")
    assert [line.partition(" (")[0] for line in result.output.splitlines()] == [
        "first:7: error: apis.chat.routes.send.integration.type: AWS integrations are not served by this version",
        "first:8: error: apis.chat.routes.other.integration: the route calls nothing",
        "first:8: error: apis.chat.routes.other.apiKeyRequired: API keys are asked for with the handshake only, and "
        "$connect asks for none",
        "first:8: warning: apis.chat.routes.other.apiKeyRequired: no usage plan has keys for the stage prod: nobody "
        "can call this",
        "second:2: error: apis.pets.routes: the API has no routes",
        "second:6: error: apis.dogs.rutes: there is no such key",
        "third:2:1: error: not readable as YAML: did not find expected node content",
        "fourth:1:1: error: the file is empty",
        "4 files, 2 APIs: 7 errors, 1 warning",
    ]
    assert result.exit_code == 1


def test_what_only_a_compiler_can_tell_is_found_too(run):
    result = run(file=SOUND.replace("$request.body.action", "${request.body.action"))
    assert result.output.startswith("file:4: error: apis.chat.routeSelectionExpression: selection expression")
    assert result.exit_code == 1


def test_a_missing_file_is_a_finding(run):
    result = CliRunner().invoke(check, ["gone.yaml"])
    assert result.output.splitlines() == [
        "gone.yaml: error: cannot be read: No such file or directory (name a definition file)",
        "1 file, 0 APIs: 1 error, 0 warnings",
    ]
    assert result.exit_code == 1


def test_a_directory_is_a_finding(run, tmp_path):
    assert "cannot be read: Is a directory" in CliRunner().invoke(check, [str(tmp_path)]).output


def test_a_huge_file_is_refused(run):
    result = run(file=b"x: y\n" * 2_000_000)
    assert result.output.startswith("file:1:1: error: the file has more than 6 MiB (split it)")


def test_without_files_it_is_wrong_use():
    assert CliRunner().invoke(check, []).exit_code == 2


def test_secrets_are_read_from_the_environment_and_never_printed(run, monkeypatch):
    monkeypatch.setenv("CHAT_SECRET", "canary")
    result = run(file=SOUND + "accessKeys: {A: {secret: ${CHAT_SECRET}, principal: 5}, B: {secret: ${CHAT_SECRET}}}\n")
    assert "accessKeys.A.principal: a number where text is expected" in result.output
    assert "canary" not in result.output


def test_an_api_without_stages_is_given_one(tmp_path):
    file = tmp_path / "f"
    file.write_text(SOUND)
    assert list(read_definitions([file], {}).apis[0].stages) == ["prod"]
    assert list(read_definitions([file], {}, stage="dev").apis[0].stages) == ["dev"]


def test_several_files_are_one_whole(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(SOUND)
    two.write_text("accessKeys: {A: {secret: '${S}'}}\nmanagementTokens: [t]")
    definitions = read_definitions([one, two], {"S": "x"})
    assert definitions.findings == ()
    assert [api.id for api in definitions.apis] == ["chat"]
    assert [key.secret for key in definitions.access_keys] == ["x"]
    assert definitions.management_tokens == ("t",)


TEXT = st.text(alphabet="$.{}[]()*?'\"\\\\#/ aif:set1\n\r\u00e9", max_size=12) | st.sampled_from(
    ["$default", "$request.body.action", "/2../", "http://h/${stageVariables.x}", "context.connectionId", "{}", "1"]
)
TEXTS = st.dictionaries(TEXT, TEXT, max_size=2)
INTEGRATION = st.fixed_dictionaries(
    {"type": st.sampled_from(["HTTP", "HTTP_PROXY", "MOCK", "AWS_PROXY", "PYTHON", "AWS"])},
    optional={
        "uri": TEXT,
        "method": TEXT,
        "requestTemplates": TEXTS,
        "requestParameters": TEXTS,
        "templateSelectionExpression": TEXT,
        "integrationResponses": st.dictionaries(TEXT, st.fixed_dictionaries({}, optional={"responseTemplates": TEXTS})),
    },
)
ROUTE = TEXT | st.fixed_dictionaries(
    {"integration": INTEGRATION},
    optional={
        "twoWay": st.booleans(),
        "modelSelectionExpression": TEXT,
        "requestModels": TEXTS,
        "requestParameters": st.dictionaries(TEXT, st.booleans(), max_size=1),
    },
)
SCHEMA = TEXT | st.dictionaries(st.sampled_from(["type", "$ref", "pattern", "properties", "required"]), TEXT | TEXTS)
STAGE = st.fixed_dictionaries({}, optional={"accessLog": TEXT, "variables": TEXTS, "allowedOrigins": st.lists(TEXT)})
API = st.fixed_dictionaries(
    {"protocol": st.just("WEBSOCKET"), "routeSelectionExpression": TEXT},
    optional={
        "routes": st.dictionaries(TEXT, ROUTE, max_size=3),
        "models": st.dictionaries(TEXT, st.fixed_dictionaries({"schema": SCHEMA}), max_size=1),
        "stages": st.dictionaries(TEXT, STAGE, max_size=2),
    },
)


@given(st.dictionaries(TEXT, API, max_size=2))
def test_whatever_a_definition_says_it_gives_findings_and_never_a_traceback(tmp_path_factory, apis):
    file = tmp_path_factory.getbasetemp() / "generated"
    file.write_bytes(orjson.dumps({"apis": apis}))
    definitions = read_definitions([file], {})
    assert all(finding.file == str(file) and finding.message for finding in definitions.findings)


DOMAIN = """
apis:
  shop: {protocol: HTTP, routes: {$default: "http://h"}}
domainNames:
  a.example:
    certificate: cert.pem
    certificateKey: key.pem
    mappings: {/: shop/beta}
"""


def test_domain_names_are_checked_with_their_files_and_apis(run):
    result = run(file=DOMAIN)
    assert [line.partition(" (")[0] for line in result.output.splitlines()] == [
        'file:6: error: domainNames["a.example"].certificate: there is no such file',
        'file:7: error: domainNames["a.example"].certificateKey: there is no such file',
        "file:8: error: domainNames[\"a.example\"].mappings./: the API has no stage 'beta'",
        "1 file, 1 API: 3 errors, 0 warnings",
    ]


def test_what_has_no_effect_is_said(run):
    text = "apis:\n  c:\n    protocol: REST\n    routes: {GET /: http://h}\n    stages: {p: {tracingEnabled: true}}\n"
    result = run(file=text)
    assert result.output.startswith("file:5: warning: apis.c.stages.p.tracingEnabled: traces are not recorded")
    assert result.exit_code == 0


def test_a_domain_name_leads_to_the_stage_that_no_path_can_name(tmp_path: Path):
    """An HTTP API that names no stage has `$default`."""
    file = tmp_path / "wsgw.yaml"
    routes = "{$default: 'http://localhost:9/'}"
    file.write_text(
        f"apis:\n  shop: {{protocol: HTTP, routes: {routes}}}\n  pets: {{protocol: REST, routes: {{GET /: 'http://h'}}}}\n"
        "domainNames:\n  a.example: {mappings: {/: shop, pets: pets}}\n"
    )
    (domain,) = read_definitions([file], {}).domain_names
    assert [mapping.stage for mapping in domain.mappings] == ["$default", ""]
    (domain,) = read_definitions([file], {}, stage="dev").domain_names
    assert [mapping.stage for mapping in domain.mappings] == ["", ""]


@pytest.mark.parametrize("protocol", ["REST", "WEBSOCKET"])
@pytest.mark.parametrize("deep", [99, 300, 990, 1030])
def test_a_schema_that_is_nested_too_deep_is_a_finding(run, protocol: str, deep: int):
    schema = '{"items":' * deep + "{}" + "}" * deep
    selection = "routeSelectionExpression: $request.body.action\n    " if protocol == "WEBSOCKET" else ""
    routes = "GET /" if protocol == "REST" else "$default"
    text = f"apis:\n  a:\n    protocol: {protocol}\n    {selection}routes: {{{routes}: 'http://h/'}}\n"
    result = run(f=f"{text}    models:\n      M: {{schema: '{schema}'}}\n")
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert ("error: apis.a.models.M.schema: " in result.output) == (deep > 99)


@pytest.mark.parametrize("name", ["gone.pem", "n" * 5000, "nul\\0.pem", "."], ids=lambda name: name[:8])
def test_a_certificate_that_is_no_file_is_a_finding(run, name: str):
    result = run(f=f'domainNames: {{a.example: {{truststore: "{name}", mappings: {{}}}}}}')
    assert 'error: domainNames["a.example"].truststore: there is no such file (name a PEM file)' in result.output


@pytest.mark.parametrize(
    "url", ["http://[", "http://a:b@h/", "http://h:0/", "http://h:x/", "http://h/\u00e9", "http://{h}/"]
)
@pytest.mark.parametrize(("protocol", "key"), [("REST", "GET /"), ("HTTP", "GET /"), ("WEBSOCKET", "$connect")])
def test_a_url_that_nothing_can_be_sent_to_is_found_before_it_is_deployed(run, url: str, protocol: str, key: str):
    api = {"protocol": protocol, "routes": {key: url}}
    if protocol == "WEBSOCKET":
        api["routeSelectionExpression"] = "$request.body.action"
    result = run(f=orjson.dumps({"apis": {"a": api}}))
    assert result.exit_code == 1
    assert ".integration.uri: invalid_url: " in result.output


def test_names_of_path_variables_are_no_fault_of_a_url(run):
    routes = {"GET /{id}/{all+}": "http://h/{id}/{all}?x={id}", "GET /b": "http://${stageVariables.host}/"}
    stages = {"prod": {"variables": {"host": "h"}}}
    for protocol in ("REST", "HTTP"):
        result = run(f=orjson.dumps({"apis": {"a": {"protocol": protocol, "routes": routes, "stages": stages}}}))
        assert "invalid_url" not in result.output
