"""Every text of an Api that does not compile is found, with its path and the compiler's words."""

from __future__ import annotations

import json

import pytest

from wsgw.definitions.freeze import freeze
from wsgw.formats.parse import parse
from wsgw.live.prove import prove


def proved(**members: object) -> list[tuple[str, str]]:
    """Path and message of each finding of an API `c`."""
    api = {
        "protocol": "WEBSOCKET",
        "routeSelectionExpression": "$request.body.action",
        "routes": {"send": "http://h"},
        **members,
    }
    parsed = parse(json.dumps({"apis": {"c": api}}).encode(), "f", {})
    assert parsed.findings == ()
    return [("/".join(map(str, finding.path[2:])), finding.message) for finding in prove(freeze(parsed.documents[0]))]


def calling(key: str = "send", **integration: object) -> dict:
    return {"routes": {key: {"integration": integration}}}


def responding(**response: object) -> dict:
    return calling(type="MOCK", integrationResponses={"$default": response})


FAULTS = [
    ({"routeSelectionExpression": "$request.body[?("}, "routeSelectionExpression"),
    ({"routeSelectionExpression": "${request.body.action"}, "routeSelectionExpression"),
    ({"routeSelectionExpression": "$stageVariables.x"}, "routeSelectionExpression"),
    (
        {"routes": {"send": {"integration": "http://h", "modelSelectionExpression": "$context.x"}}},
        "routes/send/modelSelectionExpression",
    ),
    (calling(type="HTTP", uri="http://h/${stageVariable.x}"), "routes/send/integration/uri"),
    (
        calling(type="HTTP", uri="http://h", requestParameters={"integration.request.header.a": "b"}),
        "routes/send/integration/requestParameters/integration.request.header.a",
    ),
    (
        calling(type="HTTP", uri="http://h", requestParameters={"header.a": "'b'"}),
        "routes/send/integration/requestParameters/header.a",
    ),
    (
        calling(
            type="HTTP",
            uri="http://h",
            requestParameters={"integration.request.header.a": "route.request.header.b"},
        ),
        "routes/send/integration/requestParameters/integration.request.header.a",
    ),
    (
        calling(type="HTTP", uri="http://h", templateSelectionExpression="${request.body"),
        "routes/send/integration/templateSelectionExpression",
    ),
    (calling(type="MOCK", requestTemplates={"x": "#if($a)"}), "routes/send/integration/requestTemplates/x"),
    (
        calling(type="MOCK", integrationResponses={"/(?<=a)b/": {}}),
        "routes/send/integration/integrationResponses//(?<=a)b/",
    ),
    (
        responding(templateSelectionExpression="${integration.response.body}"),
        "routes/send/integration/integrationResponses/$default/templateSelectionExpression",
    ),
    (
        responding(responseTemplates={"x": "#foreach($a in"}),
        "routes/send/integration/integrationResponses/$default/responseTemplates/x",
    ),
    ({"models": {"M": {"schema": {"type": "strin"}}}}, "models/M/schema/type"),
    ({"models": {"M": {"schema": {"properties": {"a": 1}}}}}, "models/M/schema/properties/a"),
    ({"models": {"M": {"schema": {"$ref": "http://127.0.0.1:1/x"}}}}, "models/M/schema"),
    ({"models": {"M": {"schema": {"$ref": "#/definitions/gone"}}}}, "models/M/schema"),
    ({"stages": {"prod": {"accessLog": "$context.requestId\n"}}}, None),
    ({"stages": {"prod": {"accessLog": "$context.requestId\nx"}}}, "stages/prod/accessLog"),
    ({"stages": {"prod": {"accessLog": "$context.status"}}}, "stages/prod/accessLog"),
]


@pytest.mark.parametrize(("members", "path"), FAULTS)
def test_what_does_not_compile_is_found(members, path):
    found = proved(**members)
    assert [at for at, _ in found] == ([path] if path else [])
    assert all(message and "\n" not in message for _, message in found)


def test_a_sound_api_compiles():
    assert (
        proved(
            models={"M": {"schema": {"type": "object", "required": ["a"]}}},
            **calling(
                "$connect",
                type="HTTP",
                uri="http://h/${stageVariables.x}",
                requestParameters={"integration.request.header.a": "route.request.header.b"},
                templateSelectionExpression="\\$default",
                requestTemplates={"$default": '{"m":$input.body}'},
                integrationResponses={"/2\\d\\d/": {"responseTemplates": {"$default": "x"}}, "$default": {}},
            ),
            stages={"prod": {"accessLog": "$context.requestId $context.status"}},
        )
        == []
    )


def test_every_fault_is_found_at_once():
    routes = {
        "a": {"integration": {"type": "MOCK", "requestTemplates": {"x": "#if(", "y": "#foreach("}}},
        "b": {"integration": {"type": "HTTP", "uri": "http://h", "requestParameters": {"x": "y", "z": "y"}}},
    }
    assert len(proved(routeSelectionExpression="${", routes=routes)) == 5
