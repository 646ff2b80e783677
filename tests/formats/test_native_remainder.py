"""A slip in the shape of an API does not hide what else is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from wsgw.cli.main import main

SLIP = "integration: {type: MOOK}"


def found(tmp_path: Path, text: str) -> list[str]:
    """The findings of `wsgw check`, without file, line and remedy."""
    file = tmp_path / "wsgw.yaml"
    file.write_text(text)
    lines = CliRunner().invoke(main, ["check", str(file)]).output.splitlines()[:-1]
    return [line.split(": ", 2)[2].partition(" (")[0] for line in lines]


def http(*lines: str) -> str:
    return "\n  ".join(["apis:", "a:", "  protocol: HTTP", *(f"  {line}" for line in lines)])


UNKNOWN = "apis.a.routes[\"GET /{id}\"].integration.uri: the route has no path variable 'nope'"
KIND = 'apis.a.routes["GET /y"].integration.type: not a value that is known here'


def test_the_other_routes_are_looked_at(tmp_path: Path):
    text = http("routes:", "  GET /{id}: http://localhost:9000/x", f"  GET /y: {{{SLIP}}}")
    assert found(tmp_path, text) == [KIND]
    text = http("routes:", "  GET /{id}: 'http://localhost:9000/{nope}'", f"  GET /y: {{{SLIP}}}")
    assert found(tmp_path, text) == [UNKNOWN, KIND]


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        ("cors: {maxAge: soon}", "apis.a.cors.maxAge: text where a whole number is expected"),
        ("nmae: x", "apis.a.nmae: there is no such key"),
        ("stages: {prod: {variables: {a: 1}}}", "apis.a.stages.prod.variables.a: a number where text is expected"),
        ("stages: {prod: {throttle: fast}}", "apis.a.stages.prod.throttle: text where a mapping is expected"),
    ],
)
def test_the_routes_are_looked_at_where_another_member_has_the_slip(tmp_path: Path, slip: str, said: str):
    text = http("routes: {'GET /{id}': 'http://localhost:9000/{nope}'}", slip)
    assert found(tmp_path, text) == [UNKNOWN, said]


def test_nothing_is_said_of_what_is_missing_because_it_was_left_out(tmp_path: Path):
    routes = ("routes:", "  GET /x: 'http://${stageVariables.a}:1'", f"  GET /y: {{{SLIP}}}")
    stages = ("stages: {$default: {variables: {a: 1}, routeSettings: {GET /y: {throttlingRateLimit: 1}}}}",)
    domain = "\ndomainNames: {a.example.com: {mappings: {/: a}}}"
    said = ["apis.a.stages.$default.variables.a: a number where text is expected"]
    assert found(tmp_path, http(*routes, *stages) + domain) == [KIND, *said]


def test_an_api_of_which_too_little_is_left_has_the_slips_alone(tmp_path: Path):
    assert found(tmp_path, http(f"routes: {{GET /y: {{{SLIP}}}}}")) == [KIND]
    assert found(tmp_path, http("routes: 5")) == ["apis.a.routes: a number where a mapping is expected"]
    assert found(tmp_path, "apis: {a: 5}") == ["apis.a: a number where a mapping is expected"]


def test_what_is_left_is_never_served(tmp_path: Path):
    file = tmp_path / "wsgw.yaml"
    file.write_text(http("routes:", "  GET /x: http://localhost:9000", f"  GET /y: {{{SLIP}}}"))
    for command in (["serve", str(file)], ["import", str(file), "--data", str(tmp_path / "data")]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 1, result.output
        assert KIND in result.output
    exported = CliRunner().invoke(main, ["export", "a", "--file", str(file)])
    assert exported.exit_code == 1
    assert "GET /x" not in exported.output


@pytest.mark.parametrize("slip", ["resultTtlInSecond: 60", "resultTtlInSeconds: 3601", "type: TOKN"])
def test_a_slip_in_an_authorizer_does_not_make_it_unknown_to_routes(tmp_path: Path, slip: str):
    """Another route's unknown one is still found."""
    kind = "" if slip.startswith("type") else "type: REQUEST, "
    text = http(
        f"authorizers: {{door: {{{kind}uri: lambda:door, {slip}}}}}",
        "routes:",
        "  GET /a: {authorizer: door, integration: lambda:a}",
        "  GET /b: {authorizer: dor, integration: lambda:b}",
    )
    of_the_slip, of_the_route = found(tmp_path, text)
    assert of_the_slip.startswith(f"apis.a.authorizers.door.{slip.partition(':')[0]}: ")
    assert of_the_route == "apis.a.routes[\"GET /b\"].authorizer: there is no authorizer 'dor'"
