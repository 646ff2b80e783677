"""Every text of a REST API that does not compile is found, with its path and the compiler's words."""

from __future__ import annotations

import json

import pytest

from wsgw.definitions.freeze import freeze
from wsgw.formats.parse import parse
from wsgw.live.prove import prove
from wsgw.pipeline.validate import schema_check


def proved(**members: object) -> list[tuple[str, str, str]]:
    """Severity, path and message of each finding of an API `c`."""
    api = {"protocol": "REST", "routes": {"GET /a": "http://h"}, **members}
    parsed = parse(json.dumps({"apis": {"c": api}}).encode(), "f", {})
    assert parsed.findings == ()
    found = prove(freeze(parsed.documents[0]))
    return [(one.severity, " ".join(map(str, one.path[2:])), one.message) for one in found]


def calling(**integration: object) -> dict:
    return {"routes": {"GET /a": {"integration": integration}}}


def mapping(target: str, source: str, kind: str = "HTTP") -> dict:
    return calling(type=kind, uri="http://h", requestParameters={target: source})


def responding(**response: object) -> dict:
    return calling(type="MOCK", integrationResponses={"200": response})


AT = "routes GET /a integration"
HEADER = "integration.request.header.x"
FAULTS = [
    # targets and sources of a request
    (mapping("header.x", "'a'"), f"{AT} requestParameters header.x"),
    (mapping("integration.request.body.x", "'a'"), f"{AT} requestParameters integration.request.body.x"),
    (mapping(HEADER, "true"), f"{AT} requestParameters {HEADER}"),
    (mapping(HEADER, "''"), f"{AT} requestParameters {HEADER}"),
    (mapping(HEADER, "route.request.header.a"), f"{AT} requestParameters {HEADER}"),
    (mapping(HEADER, "method.request.body.a["), f"{AT} requestParameters {HEADER}"),
    (mapping(HEADER, "method.response.header.a"), f"{AT} requestParameters {HEADER}"),
    # of a response
    (
        responding(responseParameters={"method.response.body": "'a'"}),
        f"{AT} integrationResponses 200 responseParameters method.response.body",
    ),
    (
        responding(responseParameters={"method.response.header.x": "method.request.header.x"}),
        f"{AT} integrationResponses 200 responseParameters method.response.header.x",
    ),
    # templates
    (calling(type="MOCK", requestTemplates={"a/b": "#if($a)"}), f"{AT} requestTemplates a/b"),
    (responding(responseTemplates={"a/b": "#foreach($a in"}), f"{AT} integrationResponses 200 responseTemplates a/b"),
    # selection patterns
    (responding(selectionPattern="(4"), f"{AT} integrationResponses 200 selectionPattern"),
    (responding(selectionPattern="(?<=a)b"), f"{AT} integrationResponses 200 selectionPattern"),
    # gateway responses
    (
        {"gatewayResponses": {"UNAUTHORIZED": {"responseParameters": {"header.x": "'a'"}}}},
        "gatewayResponses UNAUTHORIZED responseParameters header.x",
    ),
    (
        {"gatewayResponses": {"UNAUTHORIZED": {"responseParameters": {"gatewayresponse.header.x": "a"}}}},
        "gatewayResponses UNAUTHORIZED responseParameters gatewayresponse.header.x",
    ),
    # models and access logs
    ({"models": {"M": {"schema": {"type": "strin"}}}}, "models M schema type"),
    ({"stages": {"p": {"accessLog": "$context.requestId\nx"}}}, "stages p accessLog"),
]


@pytest.mark.parametrize(("members", "path"), FAULTS, ids=[path for _, path in FAULTS])
def test_what_does_not_compile_is_found(members: dict, path: str):
    found = proved(**members)
    assert [(severity, at) for severity, at, _ in found] == [("error", path)]
    assert all(message and "\n" not in message for _, _, message in found)


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        # reserved headers
        ("HTTP", "Content-Length", "every request is answered 500"),
        ("HTTP_PROXY", "Transfer-Encoding", "every request is answered 500"),
        ("HTTP", "Via", "not sent"),
        ("HTTP", "Expect", "not sent"),
        ("AWS", "Authorization", "every request is answered 500"),
        ("AWS_PROXY", "TE", "every request is answered 500"),
        ("AWS", "Referer", "not sent"),
        ("PYTHON", "Authorization", "every request is answered 500"),
    ],
)
def test_a_mapping_to_a_reserved_header_is_warned_of(kind: str, name: str, said: str):
    ((severity, _, message),) = proved(**mapping(f"integration.request.header.{name}", "'a'", kind))
    assert severity == "warning"
    assert said in message


def test_a_mock_maps_no_headers_and_has_none_reserved():
    assert proved(**mapping("integration.request.header.Content-Length", "'a'", "MOCK")) == []


def test_a_sound_api_compiles():
    api = {
        "models": {"M": {"schema": {"type": "object"}}},
        "gatewayResponses": {"DEFAULT_4XX": {"responseParameters": {"gatewayresponse.header.x": "context.requestId"}}},
        "stages": {"p": {"accessLog": "$context.requestId $context.resourcePath"}},
        **calling(
            type="HTTP",
            uri="http://${stageVariables.gone}/{id}",
            requestParameters={
                "integration.request.path.id": "method.request.path.id",
                "integration.request.querystring.a": "method.request.multivaluequerystring.a",
                "integration.request.header.Authorization": "method.request.body.token",
                "integration.request.header.b": "stageVariables.b",
            },
            requestTemplates={"application/json": "$input.json('$.a')"},
            integrationResponses={
                "200": {"responseParameters": {"method.response.header.x": "integration.response.body.a.b"}},
                "500": {"selectionPattern": "(.|\\n)*Error(.|\\n)*", "responseTemplates": {"a/b": "$input.body"}},
            },
        ),
    }
    assert proved(**api) == []


def test_what_a_proxy_does_not_use_is_not_looked_at():
    unused = {"200": {"selectionPattern": "(", "responseTemplates": {"a/b": "#if("}}}
    assert proved(**calling(type="HTTP_PROXY", uri="http://h", integrationResponses=unused)) == []


def test_every_fault_is_found_at_once():
    integration = {
        "type": "MOCK",
        "requestTemplates": {"a/b": "#if(", "c/d": "#foreach("},
        "integrationResponses": {"200": {"selectionPattern": "("}, "404": {"selectionPattern": "["}},
    }
    assert len(proved(models={"M": {"schema": {"type": 1}}}, **calling(**integration))) == 5


MANY = 400


def many(**others: object) -> dict:
    """Models that need each other, all of them, and `others`."""
    at = "https://apigateway.amazonaws.com/restapis/a/models/"
    ring = {f"M{n}": {"schema": {"properties": {"next": {"$ref": f"{at}M{(n + 1) % MANY}"}}}} for n in range(MANY)}
    return {"models": {**ring, **{name: {"schema": schema} for name, schema in others.items()}}}


def test_models_that_need_each_other_are_proved_together(monkeypatch):
    """One by one, each with all that it needs, hundreds take minutes."""
    made: list[str] = []

    def counted(model):
        made.append(model.name)
        return schema_check(model)

    monkeypatch.setattr("wsgw.live.prove_parts.schema_check", counted)
    assert proved(**many()) == []
    assert len(made) == 1


@pytest.mark.parametrize("definitions", [{"Bad": {}}, {"Bad": True}, ["Bad"], 5], ids=str)
def test_a_model_that_only_shares_its_name_with_a_part_of_another_is_proved_itself(definitions):
    found = proved(models={"A": {"schema": {"definitions": definitions}}, "Bad": {"schema": {"type": "nope"}}})
    assert [path for _, path, _ in found if path.startswith("models Bad")] == ["models Bad schema type"]


def test_a_fault_of_one_model_is_found_among_many_that_need_it():
    ref = {"$ref": "https://apigateway.amazonaws.com/restapis/a/models/Bad"}
    found = proved(models={"A": {"schema": {"items": ref}}, "Bad": {"schema": {"pattern": "("}}})
    assert any(path.startswith("models Bad schema") for _, path, _ in found)
