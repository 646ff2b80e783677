"""What is said about an HTTP API that cannot, or should not, be served: one row a kind of finding."""

from __future__ import annotations

import json

import pytest

from wsgw.definitions.check import check
from wsgw.definitions.freeze import broken, freeze
from wsgw.formats.parse import parse

SOUND = {"protocol": "HTTP", "routes": {"GET /pets/{id}": "http://h/{id}"}}


def findings_of(**members: object) -> list[str]:
    """The findings of an API `c`, without their common beginning."""
    parsed = parse(json.dumps({"apis": {"c": {**SOUND, **members}}}).encode(), "f", {})
    assert [str(finding) for finding in parsed.findings] == []
    (document,) = parsed.documents
    assert broken(document) == []
    return [str(finding).replace(": apis.c.", ": ") for finding in check(freeze(document))]


def routes(*keys: str) -> dict:
    return {"routes": dict.fromkeys(keys, "http://h")}


def calling(**integration: object) -> dict:
    return {"routes": {"$default": {"integration": integration}}}


def cors(**members: object) -> dict:
    return {"cors": {"allowOrigins": ["https://a.example"], **members}}


def test_a_sound_api_has_no_findings():
    assert findings_of() == []


WRONG = [
    ({"routes": {}}, "error: routes: the API has no routes (add one, as $default: http://localhost:9000/)"),
    # ---- route keys
    (
        routes("/pets"),
        "error: routes./pets: the provided route key is not formatted properly (write METHOD /PATH, as GET /pets/{id}, "
        "or $default)",
    ),
    (
        routes("GTE /pets"),
        'error: routes["GTE /pets"]: Invalid HttpMethod specified. Valid options are '
        "GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY (use one of them)",
    ),
    (
        routes("GET /{a+}/b"),
        'error: routes["GET /{a+}/b"]: Cannot create a child of a resource with a greedy path variable: {a+} '
        "(end the path with it)",
    ),
    (
        routes("GET /x{a}"),
        "error: routes[\"GET /x{a}\"]: a path variable is a whole segment, and 'x{a}' is none (write {name} "
        "between two "
        "slashes, or {name+} at the end)",
    ),
    (routes("GET /a//b"), 'error: routes["GET /a//b"]: an empty segment in the path (remove a slash)'),
    (
        routes("GET /a?b"),
        "error: routes[\"GET /a?b\"]: 'a?b' has characters that a path cannot have (use no blanks, braces, ? and #)",
    ),
    (
        routes("GET /{a}/{a}"),
        "error: routes[\"GET /{a}/{a}\"]: the path variable 'a' is there twice (give one of them another name)",
    ),
    (
        routes("GET /{a}", "GET /{b}"),
        'error: routes["GET /{b}"]: it takes the same requests as GET /{a} (remove one)',
    ),
    (
        {"routes": {"GET /": {}}},
        'error: routes["GET /"].integration: the route calls nothing (add an integration, or remove the route)',
    ),
    # ---- integrations
    (
        calling(type="HTTP_PROXY", uri="ftp://h"),
        "error: routes.$default.integration.uri: not a URL that can be called (write http://HOST/PATH or "
        "https://HOST/PATH)",
    ),
    (
        {"routes": {"GET /{a}": "http://h/{b}"}},
        "error: routes[\"GET /{a}\"].integration.uri: the route has no path variable 'b' (it has: a)",
    ),
    (
        {"routes": {"$default": "http://h/{proxy}"}},
        "error: routes.$default.integration.uri: the route has no path variable 'proxy' (it has none)",
    ),
    (
        calling(type="HTTP_PROXY", uri="http://h", method="get"),
        "error: routes.$default.integration.method: not an HTTP method (write one in capitals, as POST)",
    ),
    (
        calling(type="HTTP_PROXY", uri="http://${stageVariables.host}/"),
        "error: routes.$default.integration.uri: the stage variable 'host' is not set in stage $default (set it under "
        "variables of the stage)",
    ),
    (
        calling(type="HTTP_PROXY", uri="http://h", timeoutInMillis=30_001),
        "error: routes.$default.integration.timeoutInMillis: 30001 ms is more than stage $default allows (30000) "
        "(lower "
        "it, or raise limits.timeoutMs of the stage (API Gateway has 30000))",
    ),
    (
        calling(type="HTTP_PROXY", uri="http://h", connectionType="VPC_LINK", connectionId="l"),
        "error: routes.$default.integration.uri: not a private backend (write the ARN of a load balancer's listener or "
        "of a Cloud Map service)",
    ),
    (
        calling(type="HTTP_PROXY", uri="arn:aws:servicediscovery:r:a:service/s", connectionType="VPC_LINK"),
        "error: routes.$default.integration.connectionId: a VPC_LINK needs the id of one (add connectionId)",
    ),
    (
        calling(type="AWS_PROXY", uri="f", connectionType="VPC_LINK"),
        "error: routes.$default.integration.connectionType: AWS_PROXY integrations have no VPC_LINK (use type "
        "HTTP_PROXY, or remove it)",
    ),
    (
        calling(type="HTTP_PROXY", uri="http://h", tlsConfig={"serverNameToVerify": "a"}),
        "warning: routes.$default.integration.tlsConfig: tlsConfig is for private backends (VPC_LINK) (remove it)",
    ),
    (
        calling(type="HTTP_PROXY", uri="http://h", payloadFormatVersion="2.0"),
        "warning: routes.$default.integration.payloadFormatVersion: only a function's event has a payload format "
        "(remove it)",
    ),
    (
        calling(type="HTTP_PROXY", integrationSubtype="SQS-SendMessage"),
        "error: routes.$default.integration.integrationSubtype: HTTP_PROXY integrations have no subtype (use type "
        "AWS_PROXY, or remove it)",
    ),
    (
        calling(type="AWS_PROXY", integrationSubtype="SQS-SendMessage", uri="x"),
        "warning: routes.$default.integration.uri: a first-class integration calls its service's own address "
        "(remove it)",
    ),
    (
        calling(type="AWS_PROXY", uri="f", credentialsArn="r"),
        "warning: routes.$default.integration.credentialsArn: functions are called with the gateway's own credentials "
        "(remove it)",
    ),
    (
        calling(type="HTTP_PROXY", uri="http://h", responseParameters={"404": {"append:header.x": "x" * 513}}),
        'error: routes.$default.integration.responseParameters.404["append:header.x"]: longer than 512 characters '
        "(shorten it)",
    ),
    # ---- CORS
    (
        cors(allowOrigins=["example.com"]),
        "error: cors.allowOrigins[0]: not an Origin as browsers send it (write scheme://host[:port], https://*, "
        "http://* or *)",
    ),
    (
        cors(allowOrigins=["*"], allowCredentials=True),
        "error: cors.allowCredentials: credentials cannot be allowed to every origin (*) (name the origins)",
    ),
    (
        cors(allowOrigins=[]),
        "warning: cors.allowOrigins: without allowOrigins no page of another origin may read an answer (add them)",
    ),
    (
        cors(allowMethods=["get"]),
        "error: cors.allowMethods[0]: not an HTTP method (write one in capitals, or *)",
    ),
    (cors(allowHeaders=["x y"]), "error: cors.allowHeaders[0]: not the name of a header (write a name, or *)"),
    (cors(exposeHeaders=[""]), "error: cors.exposeHeaders[0]: not the name of a header (write a name, or *)"),
    # ---- stages
    (
        {"stages": {"a b": None}},
        'error: stages["a b"]: no name that a stage of an HTTP API can have (use 1 to 128 letters, digits, - and _)',
    ),
    (
        {"stages": {"p": {"routeSettings": {"GET /gone": {"throttlingRateLimit": 1}}}}},
        'warning: stages.p.routeSettings["GET /gone"]: there is no route with this key (routes: GET /pets/{id})',
    ),
]


@pytest.mark.parametrize(("members", "message"), WRONG, ids=[message[:70] for _, message in WRONG])
def test_each_fault_is_found_and_worded(members: dict, message: str):
    assert findings_of(**members) == [message]


SOUND_VARIANTS = [
    routes("$default", "ANY /{proxy+}", "GET /pets/", "GET /a/{b}/c", "GET /a/{other}/d", "POST /pets/{name}"),
    routes("GET /"),
    calling(type="HTTP_PROXY", uri="${stageVariables.url}") | {"stages": {"p": {"variables": {"url": "http://h"}}}},
    calling(type="HTTP_PROXY", uri="http://h", timeoutInMillis=60_000)
    | {"stages": {"p": {"limits": {"timeoutMs": 0}}}},
    calling(
        type="HTTP_PROXY",
        uri="arn:aws:elasticloadbalancing:eu-west-1:000000000000:listener/app/a/b/c",
        connectionType="VPC_LINK",
        connectionId="link",
        tlsConfig={"serverNameToVerify": "a.example"},
    ),
    calling(type="AWS_PROXY", integrationSubtype="SQS-SendMessage", credentialsArn="r"),
    cors(allowOrigins=["https://*", "http://localhost:3000"], allowCredentials=True, allowMethods=["*"]),
    cors(allowHeaders=["*", "x-a"], maxAge=-1),
    {"stages": {"$default": None, "beta": None}},
]


@pytest.mark.parametrize("members", SOUND_VARIANTS)
def test_what_can_be_served_has_no_findings(members: dict):
    assert findings_of(**members) == []


def test_what_only_a_document_can_say_is_found_too():
    document = {
        "apiId": "c",
        "name": "c",
        "protocolType": "HTTP",
        "corsConfiguration": {"allowOrigins": ["*"], "maxAge": 86_401},
        "routes": [{"routeKey": "$default", "target": "integrations/i"}],
        "integrations": [{"integrationId": "i", "integrationType": "MOCK"}],
        "models": [{"name": "M", "schema": "{}"}],
    }
    assert [str(finding).replace(": apis.c.", ": ") for finding in check(freeze(document))] == [
        "error: cors.maxAge: maxAge is -1 to 86400 seconds (choose one in between)",
        "warning: models: HTTP APIs check no bodies: models are not used (remove them, or use a REST API)",
        "error: routes.$default.integration.type: HTTP APIs have no MOCK integrations (use HTTP_PROXY or AWS_PROXY, or "
        "a REST API)",
    ]


def test_a_route_key_that_is_there_twice_is_refused():
    route = {"routeKey": "GET /a"}
    document = {"apiId": "c", "name": "c", "protocolType": "HTTP", "routes": [route, route]}
    assert [str(finding) for finding in broken(document)] == [
        'error: apis.c.routes["GET /a"]: there are two routes with this key (remove one)'
    ]
