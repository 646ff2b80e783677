"""Who may connect: Lambda authorizers and IAM on `$connect`, what a refused client gets, what stays with a connection.

What an authorizer is told stands in tests/spec/authorizers, API keys in test_connect_keys.py.
Source: developer guide, "Control access to WebSocket APIs with AWS Lambda REQUEST authorizers", "… with IAM
authorization", "… $connect route"; answers recorded on the service.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.authorizers.sigv4_signing import HOST, altered, sign
from tests.harness.authorizers import policy
from tests.harness.gateway import TestGateway
from tests.harness.lambda_endpoint import Answer as LambdaAnswer
from tests.harness.lambda_endpoint import Function, LambdaEndpoint, raises, returns
from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket, Response
from tests.harness.until import until
from wsgw.authorizers.iam import SignedRequest
from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import Api
from wsgw.definitions.check import check
from wsgw.definitions.finding import Finding
from wsgw.definitions.freeze import freeze
from wsgw.errors import DefinitionError
from wsgw.formats.parse import parse

ACCOUNT = "000000000000"
ARN = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:chat/prod"
TOKEN = {"X-Token": "t"}
DENIED = "User is not authorized to access this resource"
EXPLICIT = f"{DENIED} with an explicit deny in an identity-based policy"
IMPLICIT = f"{DENIED} because no identity-based policy allows the execute-api:Invoke action"
INTERNAL = "Internal server error"
CONTEXT = {"tenant": "t1", "level": 7, "ratio": 1.5, "admin": True, "empty": "", "nothing": None}
TEXTS = {"tenant": "t1", "level": "7", "ratio": "1.5", "admin": "true", "empty": ""}


def document(connect: dict[str, Any] | None = None, *, stage: Any = None, **authorizer: Any) -> dict[str, Any]:
    """The API `chat`: `$connect` behind the authorizer `who`, which `authorizer` changes; `connect` instead of it."""
    one = {"type": "REQUEST", "uri": "lambda:auth", "identitySource": "route.request.header.X-Token", **authorizer}
    called = {"integration": {"type": "AWS_PROXY", "uri": "handle"}}
    shown = '{"who":"$context.authorizer.principalId","level":"$context.authorizer.level"}'
    return {
        "protocol": "WEBSOCKET",
        "routeSelectionExpression": "$request.body.action",
        "authorizers": {"who": {name: value for name, value in one.items() if value is not None}},
        "routes": {
            "$connect": {**called, **(connect or {"authorizer": "who"})},
            "$default": called,
            "$disconnect": called,
            "who": {"integration": {"type": "MOCK", "responseTemplates": {"$default": shown}}, "twoWay": True},
        },
        "stages": {"prod": stage},
    }


def findings(one: dict[str, Any]) -> list[Finding]:
    parsed = parse(json.dumps({"apis": {"chat": one}}).encode(), "chat.yaml", {})
    return [*parsed.findings, *(check(freeze(parsed.documents[0])) if not parsed.findings else ())]


def frozen(one: dict[str, Any]) -> Api:
    parsed = parse(json.dumps({"apis": {"chat": one}}).encode(), "chat.yaml", {})
    assert parsed.findings == ()
    return freeze(parsed.documents[0])


@pytest.fixture
def lanes() -> bool:
    """Handshakes are guarded behind either door alike, which tests/edge has."""
    return True


class Site:
    """A gateway with the API `chat`, its functions `auth`, which lets all in, and `handle`, which gets the events."""

    def __init__(self, gateway: TestGateway, lambdas: LambdaEndpoint) -> None:
        self.gateway, self.lambdas = gateway, lambdas
        self.answers(returns(policy()))
        lambdas.functions["handle"] = returns({"statusCode": 200})

    def answers(self, function: Function) -> None:
        self.lambdas.functions["auth"] = function

    def deploy(self, connect: dict[str, Any] | None = None, **members: Any) -> None:
        self.gateway.deploy(frozen(document(connect, **members)))

    async def connect(self, headers: dict[str, str] = TOKEN, query: str = "") -> RawWebSocket:
        return await self.gateway.connect(f"/prod{query}", headers=list(headers.items()))

    async def refused(self, headers: dict[str, str] = TOKEN, query: str = "") -> Response:
        with pytest.raises(HandshakeRefused) as refusal:
            await self.connect(headers, query)
        return refusal.value.response

    def calls(self, function: str = "auth") -> list[Any]:
        return [call.event for call in self.lambdas.calls if call.function == function]


@pytest.fixture
async def site(gateway: TestGateway, functions: LambdaEndpoint) -> Site:
    one = Site(gateway, functions)
    one.deploy()
    return one


def is_uniform(response: Response, status: int, message: str) -> None:
    """It is the gateway's own refusal: the uniform object to the byte, and the headers of its own answers."""
    found = json.loads(response.body)
    ids = f'"connectionId":"{found["connectionId"]}", "requestId":"{found["requestId"]}"'
    assert (response.status, response.body.decode()) == (status, f'{{"message": {json.dumps(message)}, {ids}}}')
    assert response.header("content-type") == "application/json; charset=UTF-8"
    assert response.header("x-amz-apigw-id") == found["requestId"]
    assert response.header("x-amzn-errortype") is response.header("x-amzn-requestid") is None


async def closed(site: Site, client: RawWebSocket) -> None:
    await client.close()
    await until(lambda: len(site.calls("handle")) >= 2)


# ---- only `$connect`

ELSEWHERE = [
    pytest.param({"authorizationType": "AWS_IAM"}, id="AWS_IAM"),
    pytest.param({"authorizer": "who"}, id="CUSTOM"),
]


@pytest.mark.parametrize("key", ["$default", "$disconnect", "send"])
@pytest.mark.parametrize("guard", ELSEWHERE)
async def test_only_connect_may_carry_authorization(site: Site, key: str, guard: dict[str, Any]):
    """Only `$connect` may carry authorization: on another route it is an error, and not deployed."""
    one = document()
    one["routes"][key] = {**one["routes"]["$default"], **guard}
    found = findings(one)
    assert [finding.severity for finding in found] == ["error"]
    assert "restricted to the $connect route only" in found[0].message
    with pytest.raises(DefinitionError, match="restricted to the"):
        site.gateway.deploy(frozen(one))


@pytest.mark.parametrize(
    ("connect", "severity"),
    [
        pytest.param({"authorizationType": "NONE"}, "", id="NONE"),
        pytest.param({"authorizationType": "AWS_IAM"}, "", id="AWS_IAM"),
        pytest.param({"authorizationType": "CUSTOM", "authorizer": "who"}, "", id="CUSTOM"),
        pytest.param({"authorizationType": "COGNITO_USER_POOLS", "authorizer": "who"}, "error", id="Cognito: none"),
        pytest.param({"authorizationType": "CUSTOM"}, "error", id="CUSTOM without an authorizer"),
    ],
)
def test_each_authorization_type(connect: dict[str, Any], severity: str):
    """authorizationType: NONE (default), AWS_IAM, CUSTOM."""
    assert {finding.severity for finding in findings(document(connect))} == ({severity} if severity else set())


async def test_without_authorization_all_may_connect(site: Site):
    """authorizationType: NONE is the default."""
    site.deploy({"operationName": "open"})
    await site.connect({})
    assert site.calls() == []


# ---- the Lambda REQUEST authorizer

DEFINITIONS = [
    pytest.param({}, set(), id="as it is"),
    pytest.param({"type": "TOKEN"}, {"error"}, id="type: TOKEN does not exist"),
    pytest.param({"uri": None}, {"error"}, id="required members: AuthorizerUri"),
    pytest.param({"type": None}, {"error"}, id="required members: AuthorizerType"),
    pytest.param({"identitySource": None}, {"warning"}, id="required members: IdentitySource (ours: a warning)"),
    pytest.param({"authorizerCredentialsArn": "arn:aws:iam::1:role/r"}, {"warning"}, id="AuthorizerCredentialsArn"),
    pytest.param({"identitySource": "$request.header.A"}, {"error"}, id="identity sources: not as HTTP APIs"),
    pytest.param({"identitySource": "method.request.header.A"}, {"error"}, id="identity sources: not as REST APIs"),
    pytest.param({"identityValidationExpression": "x"}, {"warning"}, id="identityValidationExpression: unused"),
    pytest.param({"resultTtlInSeconds": 300}, {"warning"}, id="caching: none"),
    pytest.param({"payloadFormatVersion": "2.0"}, {"warning"}, id="payload version: HTTP-API only"),
    pytest.param({"enableSimpleResponses": True}, {"error"}, id="simple responses: HTTP-API only"),
]


@pytest.mark.parametrize(("members", "severities"), DEFINITIONS)
def test_each_member_of_a_definition(members: dict[str, Any], severities: set[str]):
    assert {finding.severity for finding in findings(document(**members))} == severities


def test_an_api_has_ten_authorizers():
    """authorizers per API: 10, adjustable: a warning beyond."""
    one = document()
    who = one["authorizers"]["who"]
    one["authorizers"] |= {f"another-{number}": who for number in range(9)}
    assert findings(one) == []
    one["authorizers"]["eleventh"] = who
    assert [finding.severity for finding in findings(one)] == ["warning"]


async def test_the_uri_has_the_form_of_an_integrations(site: Site):
    """AuthorizerUri: same ARN form as a Lambda integration."""
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:auth"
    site.lambdas.functions[function] = returns(policy())
    site.deploy(uri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations")
    await site.connect()
    assert len(site.calls(function)) == 1


SOURCES = [
    pytest.param("route.request.header.X-Token", TOKEN, "", id="route.request.header.{name}"),
    pytest.param("route.request.querystring.token", {}, "?token=t", id="route.request.querystring.{name}"),
    pytest.param("stageVariables.tier", {}, "", id="stageVariables.{name}"),
    pytest.param("context.identity.sourceIp", {}, "", id="context.{name}"),
    pytest.param("context.connectionId", {}, "", id="context sources: connectionId works"),
    pytest.param("context.connectedAt", {}, "", id="context sources: connectedAt works"),
    pytest.param("context.requestTimeEpoch", {}, "", id="context sources: requestTimeEpoch works"),
]
MISSING = [
    pytest.param("route.request.header.X-Token", {}, "", id="header missing"),
    pytest.param("route.request.header.X-Token", {"X-Token": ""}, "", id="header empty"),
    pytest.param("route.request.querystring.token", {}, "", id="querystring missing"),
    pytest.param("route.request.querystring.token", {}, "?token=", id="querystring empty"),
    pytest.param("stageVariables.none", {}, "", id="stage variable missing"),
    pytest.param("context.eventType", {}, "", id="context sources: eventType counts as missing"),
    pytest.param("context.messageDirection", {}, "", id="context sources: messageDirection counts as missing"),
]
STAGE = {"variables": {"tier": "gold"}}


@pytest.mark.parametrize(("source", "headers", "query"), SOURCES)
async def test_each_identity_source(site: Site, source: str, headers: dict[str, str], query: str):
    site.deploy(identitySource=[source], stage=STAGE)
    await site.connect(headers, query)
    assert len(site.calls()) == 1


@pytest.mark.parametrize(("source", "headers", "query"), MISSING)
async def test_each_identity_source_without_a_value(site: Site, source: str, headers: dict[str, str], query: str):
    """Outcome: identity source missing/empty: 401 Unauthorized; the function is not called. (Checklist 4)"""
    site.deploy(identitySource=[source], stage=STAGE)
    is_uniform(await site.refused(headers, query), 401, "Unauthorized")
    assert site.lambdas.calls == []


async def test_all_identity_sources_must_be_there(site: Site):
    """evaluation: **all** must be present and non-empty."""
    site.deploy(identitySource=["route.request.header.X-Token", "route.request.querystring.room"])
    is_uniform(await site.refused(TOKEN), 401, "Unauthorized")
    is_uniform(await site.refused({}, "?room=1"), 401, "Unauthorized")
    assert site.calls() == []
    await site.connect(TOKEN, "?room=1")


async def test_a_validation_expression_does_not_apply(site: Site):
    """identityValidationExpression: unused, does not apply to REQUEST authorizers."""
    site.deploy(identityValidationExpression="nothing like it")
    await site.connect()
    assert len(site.calls()) == 1


async def test_the_function_runs_on_every_handshake(site: Site):
    """caching: none."""
    site.deploy(resultTtlInSeconds=300)
    for _ in range(3):
        await site.connect()
    assert len(site.calls()) == 3


def of_size(size: int) -> Function:
    """Lets in with a result of so many bytes."""
    result = policy(context={"pad": ""})
    result["context"]["pad"] = "x" * (size - len(json.dumps(result)))
    assert len(json.dumps(result)) == size
    return returns(result)


LIMITS = [
    pytest.param(of_size(8192), True, id="result size: 8 KB"),
    pytest.param(of_size(8193), False, id="result size: a byte more"),
    pytest.param(returns(policy(resource=["*", "x" * 512])), True, id="policy Resource: 512 chars"),
    pytest.param(returns(policy(resource=["*", "x" * 513])), False, id="policy Resource: a char more"),
]


@pytest.mark.parametrize(("function", "let_in"), LIMITS)
async def test_each_limit_of_a_result(site: Site, function: Function, let_in: bool):
    site.answers(function)
    if let_in:
        await site.connect()
    else:
        is_uniform(await site.refused(), 500, INTERNAL)


def test_an_authorizer_has_ten_seconds():
    """timeout: not documented (unconfirmed): 10 s, configurable."""
    assert frozen(document()).authorizers["who"].timeout_ms == 10_000
    assert frozen(document(timeoutMs=3000)).authorizers["who"].timeout_ms == 3000


# ---- the policy

STATEMENTS = [
    pytest.param([("Allow", "*")], None, id="Allow"),
    pytest.param([("Allow", f"{ARN}/$connect")], None, id="Allow of the methodArn"),
    pytest.param([("Allow", "arn:aws:execute-api:*:*:chat/pr?d/*")], None, id="`*` and `?` in Resource"),
    pytest.param([("Allow", f"{ARN}/send")], IMPLICIT, id="implicit Deny: another route"),
    pytest.param([("Allow", "arn:aws:execute-api:us-east-1:1:chat/prod/$connect")], IMPLICIT, id="implicit: account"),
    pytest.param([("Deny", "*")], EXPLICIT, id="Deny"),
    pytest.param([("Allow", "*"), ("Deny", f"{ARN}/$connect")], EXPLICIT, id="explicit Deny > Allow"),
    pytest.param([("Deny", f"{ARN}/send"), ("Allow", "*")], None, id="a Deny of another route"),
]


@pytest.mark.parametrize(("statements", "said"), STATEMENTS)
async def test_each_decision_of_a_policy(site: Site, statements: list[tuple[str, str]], said: str | None):
    """Policy: explicit Deny > Allow > implicit Deny, for `execute-api:Invoke` on `methodArn`; both texts of 403."""
    whole = [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": on} for effect, on in statements]
    site.answers(returns({"principalId": "p", "policyDocument": {"Version": "2012-10-17", "Statement": whole}}))
    if said is None:
        await site.connect()
    else:
        is_uniform(await site.refused(), 403, said)
    assert len(site.calls("handle")) == (1 if said is None else 0)


@pytest.mark.parametrize(
    ("action", "let_in"),
    [
        ("execute-api:Invoke", True),
        ("execute-api:*", True),
        ("execute-api:In?oke", True),
        (["s3:GetObject", "execute-api:invoke"], True),
        ("execute-api:ManageConnections", False),
        ("*", True),
    ],
    ids=str,
)
async def test_each_action_of_a_policy(site: Site, action: Any, let_in: bool):
    """Policy: `*` and `?` wildcards in action."""
    statement = {"Action": action, "Effect": "Allow", "Resource": "*"}
    site.answers(returns({"principalId": "p", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}))
    if let_in:
        await site.connect()
    else:
        is_uniform(await site.refused(), 403, IMPLICIT)


# ---- outcomes


async def no_policy(_event: Any) -> LambdaAnswer:
    return LambdaAnswer(200, b"{}")


OUTCOMES = [
    pytest.param(raises("Exception", "Unauthorized"), 401, "Unauthorized", id="throws exactly Unauthorized"),
    pytest.param(returns(policy("Deny")), 403, EXPLICIT, id="policy has explicit Deny"),
    pytest.param(returns(policy(resource="arn:x")), 403, IMPLICIT, id="policy allows nothing matching"),
    pytest.param(raises("Error", "no"), 500, INTERNAL, id="throws anything else"),
    pytest.param(raises("Error", "unauthorized"), 500, INTERNAL, id="throws unauthorized in lower case"),
    pytest.param(raises("Sandbox.Timedout", "Task timed out after 3.00 seconds"), 500, INTERNAL, id="times out"),
    pytest.param(None, 500, INTERNAL, id="may not be invoked"),
    pytest.param(no_policy, 500, INTERNAL, id="result is not a valid policy (unconfirmed)"),
    pytest.param(
        returns({"policyDocument": policy()["policyDocument"]}), 500, INTERNAL, id="no principalId (unconfirmed)"
    ),
    pytest.param(returns(policy(context={"a": {}})), 500, INTERNAL, id="bad context: an object (unconfirmed)"),
    pytest.param(returns(policy(context={"a": []})), 500, INTERNAL, id="bad context: an array (unconfirmed)"),
]


@pytest.mark.parametrize(("function", "status", "message"), OUTCOMES)
async def test_each_outcome(site: Site, function: Function | None, status: int, message: str):
    """Status and uniform object; the integration is not called, and no `$disconnect` follows. (Checklist 2)"""
    site.answers(function) if function else site.lambdas.functions.pop("auth")
    is_uniform(await site.refused(), status, message)
    assert site.gateway.connections == []
    site.answers(returns(policy()))
    await closed(site, await site.connect())
    assert [event["requestContext"]["eventType"] for event in site.calls("handle")] == ["CONNECT", "DISCONNECT"]


async def test_a_route_that_only_authorizes(site: Site):
    """`$connect` route without integration: auth decides, then 101."""
    one = document()
    del one["routes"]["$connect"]["integration"]
    site.gateway.deploy(frozen(one))
    await site.connect()
    is_uniform(await site.refused({}), 401, "Unauthorized")


# ---- what stays with the connection


async def test_the_authorizer_in_every_event(site: Site):
    """requestContext.authorizer: principalId and each context key as text, in CONNECT, MESSAGE and DISCONNECT;
    integrationLatency, a number, in CONNECT only; null is absent (unconfirmed). (Checklist 5, 6)
    """
    site.answers(returns(policy(context=CONTEXT)))
    client = await site.connect()
    await client.send_text("hi")
    await until(lambda: len(site.calls("handle")) == 2)
    await client.close()
    await until(lambda: len(site.calls("handle")) == 3)
    events = site.calls("handle")
    assert [event["requestContext"]["eventType"] for event in events] == ["CONNECT", "MESSAGE", "DISCONNECT"]
    sections = [event["requestContext"]["authorizer"] for event in events]
    assert isinstance(sections[0].pop("integrationLatency"), int)
    assert sections == [{"principalId": "somebody", **TEXTS}] * 3
    assert {"headers", "queryStringParameters"}.isdisjoint(events[1])
    assert len(site.calls()) == 1


async def test_the_authorizer_in_templates(site: Site):
    """`$context.authorizer.*` in templates."""
    site.answers(returns(policy(context=CONTEXT)))
    client = await site.connect()
    await client.send_json({"action": "who"})
    assert await client.receive_json() == {"who": "somebody", "level": "7"}


async def test_open_connections_are_not_looked_at_again(site: Site):
    """No re-check later: what the function would say now ends no open connection, nor does another authorizer."""
    client = await site.connect()
    site.answers(returns(policy("Deny")))
    await client.send_json({"action": "who"})
    assert (await client.receive_json())["who"] == "somebody"
    site.deploy({"authorizationType": "AWS_IAM"})
    await client.send_json({"action": "who"})
    assert (await client.receive_json())["who"] == "somebody"
    assert len(site.calls()) == 1
    is_uniform(await site.refused(), 403, "Missing Authentication Token")


async def test_a_result_that_is_over_ends_no_connection(site: Site):
    """No re-check later: an expired token does not end an open connection, unless the stage says so (ours)."""
    site.answers(returns(policy(expiresAt=site.gateway.clock.wall_ms() / 1000 + 60)))
    client = await site.connect()
    site.gateway.advance(61)
    await client.send_json({"action": "who"})
    assert (await client.receive_json())["who"] == "somebody"


# ---- IAM

USER = AccessKey(
    access_key_id="AKIDUSER",
    secret="s1",
    principal=f"arn:aws:iam::{ACCOUNT}:user/ann",
    user_id="AIDA1",
    organization_id="o-1",
)
SESSION = AccessKey(
    access_key_id="ASIAROLE",
    secret="s2",
    session_token="token",
    principal=f"arn:aws:sts::{ACCOUNT}:assumed-role/Reader/bob",
)
WRONG = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class Signed(Site):
    """The API with AWS_IAM on `$connect`."""

    def signed(self, target: str = "/prod", **options: Any) -> SignedRequest:
        options.setdefault("at", self.gateway.clock.wall_ms() / 1000)
        return sign("GET", target, **{"key": USER, "body": b"", **options})

    async def handshake(self, request: SignedRequest) -> RawWebSocket:
        return await self.gateway.connect(request.raw_target, headers=list(request.headers))

    async def turned_away(self, request: SignedRequest, message: str) -> None:
        with pytest.raises(HandshakeRefused) as refusal:
            await self.handshake(request)
        is_uniform(refusal.value.response, 403, message)

    def admit(self, *statements: dict[str, Any]) -> AccessKey:
        """USER, its policy these statements."""
        whole = [{"Effect": "Allow", "Action": "execute-api:Invoke", **one} for one in statements]
        key = msgspec.structs.replace(USER, policies=({"Version": "2012-10-17", "Statement": whole},))
        self.gateway.app.admit([key], ())
        return key


@pytest.fixture
async def iam(gateway: TestGateway, functions: LambdaEndpoint) -> Signed:
    one = Signed(gateway, functions)
    one.deploy({"authorizationType": "AWS_IAM"})
    gateway.app.admit([USER, SESSION], ())
    return one


@pytest.mark.parametrize("key", [USER, SESSION], ids=["a key", "with X-Amz-Security-Token"])
@pytest.mark.parametrize("presigned", [False, True], ids=["in headers", "presigned query for browsers"])
async def test_a_signature_may_stand(iam: Signed, presigned: bool, key: AccessKey):
    """signature: SigV4, service `execute-api`, on the GET upgrade request."""
    await iam.handshake(iam.signed("/prod?room=1", presigned=presigned, key=key))


async def test_a_presigned_handshake_has_its_time(iam: Signed):
    """signature: optional -Expires."""
    now = iam.gateway.clock.wall_ms() / 1000
    await iam.handshake(iam.signed(presigned=True, expires=120, at=now - 100))
    with pytest.raises(HandshakeRefused, match="403"):
        await iam.handshake(iam.signed(presigned=True, expires=60, at=now - 100))


RESOURCES = [
    pytest.param(f"{ARN}/$connect", True, id="{apiId}/{stage}/$connect"),
    pytest.param("arn:aws:execute-api:us-east-1:000000000000:chat/*", True, id="wildcards: {apiId}/*"),
    pytest.param("arn:aws:execute-api:*:*:*/prod/$connect", True, id="wildcards: *:*/prod/$connect"),
    pytest.param("arn:aws:execute-api:*", True, id="wildcards: `*` spans `/`"),
    pytest.param(f"{ARN}/send", False, id="another routeKey"),
    pytest.param("arn:aws:execute-api:us-east-1:000000000000:chat/dev/$connect", False, id="another stage"),
    pytest.param("arn:aws:execute-api:us-east-1:000000000000:other/*", False, id="another apiId"),
    pytest.param("arn:aws-cn:execute-api:us-east-1:000000000000:chat/*", False, id="another partition"),
]


@pytest.mark.parametrize(("resource", "let_in"), RESOURCES)
async def test_each_resource(iam: Signed, resource: str, let_in: bool):
    """action / resource: `execute-api:Invoke` on `arn:{partition}:execute-api:{region}:{account}:…`."""
    key = iam.admit({"Resource": resource})
    if let_in:
        await iam.handshake(iam.signed(key=key))
    else:
        await iam.turned_away(iam.signed(key=key), "Forbidden")


async def test_a_signed_handshake_that_is_denied(iam: Signed):
    """deny: 403 `Forbidden`."""
    key = iam.admit({"Resource": "*"}, {"Effect": "Deny", "Resource": f"{ARN}/$connect"})
    await iam.turned_away(iam.signed(key=key), "Forbidden")


async def test_another_action_is_not_enough(iam: Signed):
    """action: `execute-api:Invoke`."""
    key = iam.admit({"Resource": "*", "Action": "execute-api:ManageConnections"})
    await iam.turned_away(iam.signed(key=key), "Forbidden")


REFUSED = [
    pytest.param(
        lambda iam: SignedRequest("GET", "/prod", [("Host", HOST)]),
        "Missing Authentication Token",
        id="unsigned (unconfirmed)",
    ),
    pytest.param(lambda iam: altered(iam.signed(), raw_target="/prod?a=1"), WRONG, id="bad signature (unconfirmed)"),
    pytest.param(
        lambda iam: iam.signed(key=AccessKey(access_key_id="AKIDNOBODY", secret="s")),
        "The security token included in the request is invalid.",
        id="unknown key (unconfirmed)",
    ),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
async def test_each_handshake_that_is_not_well_signed(iam: Signed, make: Any, message: str):
    """deny, unsigned, bad or expired signature: 403."""
    await iam.turned_away(make(iam), message)
    assert iam.calls("handle") == []


async def test_a_signature_of_another_day(iam: Signed):
    """expired signature: 403."""
    with pytest.raises(HandshakeRefused) as refusal:
        await iam.handshake(iam.signed(at=iam.gateway.clock.wall_ms() / 1000 - 86_400))
    assert refusal.value.response.status == 403
    assert json.loads(refusal.value.response.body)["message"].startswith("Signature expired: ")


@pytest.mark.parametrize(("authorize_messages", "answered"), [(False, True), (True, False)], ids=["as it is", "ours"])
async def test_other_routes(iam: Signed, authorize_messages: bool, answered: bool):
    """other routes (unconfirmed): connect-time only, optional per-route policy check."""
    iam.deploy({"authorizationType": "AWS_IAM"}, stage={"authorizeMessages": authorize_messages})
    key = iam.admit({"Resource": "*"}, {"Effect": "Deny", "Resource": f"{ARN}/who"})
    client = await iam.handshake(iam.signed(key=key))
    await client.send_json({"action": "who"})
    said = await client.receive_json()
    assert ("who" in said) is answered
    assert said.get("message") == (None if answered else "Forbidden")


async def test_the_identity_passes_through(iam: Signed):
    """pass-through: identity.userArn, caller, user, accountId, accessKey as context variables, at every message."""
    names = ("userArn", "caller", "user", "accountId", "accessKey", "principalOrgId", "cognitoIdentityId")
    shown = json.dumps({name: f"$context.identity.{name}" for name in names})
    one = document({"authorizationType": "AWS_IAM"})
    one["routes"]["who"]["integration"]["responseTemplates"] = {"$default": shown}
    iam.gateway.deploy(frozen(one))
    client = await iam.handshake(iam.signed())
    await client.send_json({"action": "who"})
    assert await client.receive_json() == {
        "userArn": USER.principal,
        "caller": "AIDA1",
        "user": "AIDA1",
        "accountId": ACCOUNT,
        "accessKey": "AKIDUSER",
        "principalOrgId": "o-1",
        "cognitoIdentityId": "",
    }


# ---- not available

POLICY = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"},
}


async def test_there_are_no_resource_policies(site: Site):
    """Not available: resource policies."""
    with_policy = msgspec.structs.replace(frozen(document()), policy=POLICY)
    assert [finding.severity for finding in check(with_policy)] == ["error"]
    with pytest.raises(DefinitionError, match="only REST APIs have resource policies"):
        site.gateway.deploy(with_policy)


def test_there_are_no_cognito_authorizers():
    """Not available: Cognito authorizers."""
    arn = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_a"
    found = findings(document(type="COGNITO_USER_POOLS", providerARNs=[arn], uri=None))
    assert "error" in {finding.severity for finding in found}


def test_jwt_authorizers_are_ours():
    """Not available: JWT authorizers; here they are, and a check says that API Gateway has none."""
    found = findings(document(type="JWT", issuer="https://issuer.example", audience="app", uri=None))
    assert [(finding.severity, "API Gateway has no JWT" in finding.message) for finding in found] == [("warning", True)]
