"""Resource policies: their grammar, how they and the method's authorization decide together, what a refusal says.

Sources: developer guide, "Control access to a REST API with API Gateway resource policies", its tables A and B, and
"AWS condition keys that can be used in API Gateway resource policies"; refusals recorded on the service.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.conftest import MakeGateway
from tests.harness.authorizers import authorizer, call, guarded
from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import Response
from tests.harness.rest_api import ask, mock, rest_api
from tests.harness.signed_requests import (
    ACCOUNT,
    OTHER_ACCOUNT,
    SAYS,
    as_resource_policy,
    document,
    key_of,
    said,
    send,
    signed,
    statement,
)
from tests.harness.user_pool import UserPool, pool_authorizer
from wsgw.definitions.api import Api
from wsgw.definitions.check import check
from wsgw.definitions.freeze_rest import freeze_rest
from wsgw.errors import DefinitionError

ARN = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:pets/dev"
MASKED = "arn:aws:execute-api:us-east-1:********0000:pets/dev/GET/a"
EXPLICIT = "with an explicit deny in a resource-based policy"
SILENT = "because no resource-based policy allows the execute-api:Invoke action"


def whole(effect: str = "Allow", resource: Any = "execute-api:/*", **members: Any) -> dict[str, Any]:
    """A statement about everybody."""
    return statement(effect, resource, **{"Principal": "*", **members})


def open_to(policy: Any, **members: Any) -> Api:
    """The API, its methods without authorization."""
    return rest_api(mock("ANY /{proxy+}"), mock("GET /"), policy=policy, **members)


async def status_of(gateway: TestGateway, policy: Any, path: str = "/a", *lines: str, verb: str = "GET") -> int:
    gateway.deploy(open_to(policy))
    return (await ask(gateway, verb, path, *lines)).status


# ---- grammar


async def test_a_policy_is_a_string_of_a_document(gateway: TestGateway):
    """Row: IAM policy document stored as string."""
    method = {"httpMethod": "GET", "authorizationType": "NONE", "methodIntegration": {"type": "MOCK"}}
    api = {
        "protocolType": "REST",
        "id": "pets",
        "name": "pets",
        "resources": [{"id": "r", "path": "/a", "resourceMethods": {"GET": method}}],
        "policy": json.dumps(document(whole("Deny"))),
        "stages": [{"stageName": "dev"}],
    }
    gateway.deploy(freeze_rest(api))
    assert (await ask(gateway, "GET", "/a")).status == 403


NAMES = [
    pytest.param("execute-api:/dev/GET/a", "/a", 200, id="abbreviated execute-api:/stage/VERB/path"),
    pytest.param("execute-api:/dev/GET/a", "/b", 403, id="abbreviated, another path"),
    pytest.param("execute-api:/prod/GET/a", "/a", 403, id="abbreviated, another stage"),
    pytest.param("execute-api:/*", "/a", 200, id="abbreviated execute-api:/*"),
    pytest.param(f"{ARN}/GET/a", "/a", 200, id="full ARN"),
    pytest.param([f"{ARN}/GET/b", "execute-api:/*/*/a"], "/a", 200, id="a list"),
    pytest.param("*", "/a", 200, id="*"),
    pytest.param(ARN.replace("pets", "cats") + "/*", "/a", 403, id="another API"),
]


@pytest.mark.parametrize(("resource", "path", "status"), NAMES)
async def test_resources_may_be_abbreviated(gateway: TestGateway, resource: Any, path: str, status: int):
    """Row: Resource may be abbreviated."""
    assert await status_of(gateway, document(whole(resource=resource)), path) == status


WHOM = [
    pytest.param("*", 200, id="*"),
    pytest.param({"AWS": "*"}, 200, id="AWS: *"),
    pytest.param({"AWS": ["*"]}, 200, id="a list of one"),
    pytest.param({"AWS": [ACCOUNT, OTHER_ACCOUNT]}, 403, id="accounts, of which nobody has signed"),
]


@pytest.mark.parametrize(("principal", "status"), WHOM)
async def test_a_principal_may_be_a_list(gateway: TestGateway, principal: Any, status: int):
    """Row: a one-element Principal list is a string."""
    assert await status_of(gateway, document(whole(Principal=principal))) == status


def test_a_policy_of_more_than_8192_characters_is_an_error():
    """Row: maximum 8,192 characters."""

    def findings(length: int) -> list[str]:
        policy = document(whole(Sid="s"))
        policy["Statement"][0]["Sid"] = "s" * (length - len(json.dumps(policy, separators=(",", ":"))) + 1)
        return [one.message for one in check(open_to(policy)) if one.severity == "error"]

    assert findings(8_192) == []
    assert findings(8_193) == ["8193 characters; a policy has up to 8192"]


async def test_a_change_needs_a_deployment(gateway: TestGateway):
    """Row: redeploy needed after a change."""
    policy = document(whole())
    gateway.deploy(open_to(policy))
    policy["Statement"][0]["Effect"] = "Deny"
    assert (await ask(gateway, "GET", "/a")).status == 200
    gateway.deploy(open_to(policy))
    assert (await ask(gateway, "GET", "/a")).status == 403


# ---- condition keys

LINES = ("Referer: https://a.example/page", "User-Agent: curl/8")
CONDITIONS = [
    ("aws:SourceIp", {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
    ("aws:Referer", {"StringLike": {"aws:Referer": "https://a.example/*"}}, {"StringLike": {"aws:Referer": "http:*"}}),
    ("aws:UserAgent", {"StringLike": {"aws:UserAgent": "curl/?"}}, {"StringEquals": {"aws:UserAgent": "curl"}}),
    ("aws:CurrentTime", {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
     {"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}),
    ("aws:EpochTime", {"NumericGreaterThan": {"aws:EpochTime": "1600000000"}},
     {"NumericLessThanEquals": {"aws:EpochTime": "1600000000"}}),
    ("aws:SourceArn", {"Null": {"aws:SourceArn": "true"}}, {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:*"}}),
    ("aws:SourceVpc", {"Null": {"aws:SourceVpc": "true"}}, {"StringEquals": {"aws:SourceVpc": "vpc-1"}}),
    ("aws:SourceVpce", {"Null": {"aws:SourceVpce": "true"}}, {"StringEquals": {"aws:SourceVpce": "vpce-1"}}),
    ("aws:VpcSourceIp", {"Null": {"aws:VpcSourceIp": "true"}}, {"IpAddress": {"aws:VpcSourceIp": "127.0.0.0/8"}}),
    ("aws:PrincipalArn: only with AWS_IAM", {"Null": {"aws:PrincipalArn": "true"}},
     {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:*"}}),
]  # fmt: skip


@pytest.mark.parametrize(("holds", "fails"), [row[1:] for row in CONDITIONS], ids=[row[0] for row in CONDITIONS])
async def test_a_condition_key_of_any_authorization_type(gateway: TestGateway, holds: Any, fails: Any):
    """Row: condition keys with any authorization type."""
    assert await status_of(gateway, document(whole(Condition=holds)), "/a", *LINES) == 200
    assert await status_of(gateway, document(whole(Condition=fails)), "/a", *LINES) == 403


@pytest.mark.parametrize(("proto", "status"), [("https", 200), ("http", 403)])
async def test_the_condition_key_secure_transport(make_gateway: MakeGateway, proto: str, status: int):
    """Row: aws:SecureTransport."""
    gateway = await make_gateway(trust_forwarded=("127.0.0.0/8",))
    policy = document(whole(Condition={"Bool": {"aws:SecureTransport": "true"}}))
    lines = ("X-Forwarded-For: 192.0.2.1", f"X-Forwarded-Proto: {proto}")
    assert await status_of(gateway, policy, "/a", *lines) == status


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, 200),
        ({"StringEquals": {"aws:SourceVpc": "vpc-2"}}, 200),
        ({"IpAddress": {"aws:VpcSourceIp": "127.0.0.1"}}, 200),
        ({"IpAddress": {"aws:SourceIp": "127.0.0.1"}}, 403),
        ({"StringEquals": {"aws:SourceVpce": "vpce-2"}}, 403),
    ],
    ids=str,
)
async def test_a_condition_key_of_private_endpoints(make_gateway: MakeGateway, condition: Any, status: int):
    """Row: aws:SourceVpc, aws:SourceVpce, and aws:VpcSourceIp in place of aws:SourceIp."""
    gateway = await make_gateway(vpc_sources=("127.0.0.0/8=vpce-1/vpc-2",))
    gateway.deploy(open_to(document(whole(Condition=condition)), private=True))
    assert (await ask(gateway, "GET", "/a")).status == status


OF_SIGNERS = [
    ("aws:PrincipalArn", {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/ann"}}),
    ("aws:PrincipalOrgID", {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
    ("aws:PrincipalTag", {"StringEquals": {"aws:PrincipalTag/team": "blue"}}),
    ("aws:PrincipalType", {"StringEquals": {"aws:PrincipalType": "User"}}),
    ("aws:PrincipalAccount", {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}),
    ("aws:userid", {"StringEquals": {"aws:userid": "AIDAANN"}}),
    ("aws:username", {"StringEquals": {"aws:username": "ann"}}),
    ("aws:PrincipalOrgPaths: not known", {"Null": {"aws:PrincipalOrgPaths": "true"}}),
    ("aws:TokenIssueTime: not known", {"Null": {"aws:TokenIssueTime": "true"}}),
    ("aws:MultiFactorAuthAge: not known", {"Null": {"aws:MultiFactorAuthAge": "true"}}),
    ("aws:MultiFactorAuthPresent: not known", {"Null": {"aws:MultiFactorAuthPresent": "true"}}),
]


@pytest.mark.parametrize("condition", [row[1] for row in OF_SIGNERS], ids=[row[0] for row in OF_SIGNERS])
async def test_a_condition_key_of_those_who_sign(make_gateway: MakeGateway, condition: Any):
    """Row: condition keys with AWS_IAM only."""
    key = key_of(ACCOUNT, SAYS["silent"], tags={"team": "blue"}, user_id="AIDAANN", organization_id="o-1")
    gateway = await make_gateway(access_keys=(key,))
    for effect, status in (("Allow", 200), ("Deny", 403)):
        policy = document(whole(), whole(effect, Condition=condition))
        gateway.deploy(behind_iam(policy))
        assert (await send(gateway, signed(key=key))).status == status


OPERATORS = [
    ("IpAddress", {"aws:SourceIp": "127.0.0.1/32"}),
    ("NotIpAddress", {"aws:SourceIp": "10.0.0.0/8"}),
    ("StringEquals", {"aws:UserAgent": "curl/8"}),
    ("StringNotEquals", {"aws:UserAgent": "curl/9"}),
    ("StringEqualsIgnoreCase", {"aws:UserAgent": "CURL/8"}),
    ("StringNotEqualsIgnoreCase", {"aws:UserAgent": "CURL/9"}),
    ("StringLike", {"aws:UserAgent": "curl*"}),
    ("StringNotLike", {"aws:UserAgent": "wget*"}),
    ("ArnNotLike", {"aws:SourceArn": "arn:aws:sns:*:*:*"}),
    ("ArnLikeIfExists", {"aws:SourceArn": "arn:aws:sns:*:*:*"}),
    ("Bool", {"aws:ViaAWSService": "false"}),
    ("DateGreaterThan", {"aws:CurrentTime": "2020-01-01T00:00:00Z"}),
    ("DateNotEquals", {"aws:CurrentTime": "2020-01-01T00:00:00Z"}),
    ("NumericGreaterThanEquals", {"aws:EpochTime": "1600000000"}),
    ("Null", {"aws:SourceVpce": "true"}),
    ("StringEqualsIfExists", {"aws:SourceVpce": "vpce-1"}),
]


@pytest.mark.parametrize(("operator", "condition"), OPERATORS, ids=[row[0] for row in OPERATORS])
async def test_an_operator(gateway: TestGateway, operator: str, condition: Any):
    """Row: operators IpAddress, NotIpAddress, String*, Arn*, Bool, Date*, Numeric*, Null, …IfExists."""
    held = {operator: condition}
    assert await status_of(gateway, document(whole(Condition=held)), "/a", *LINES) == 200
    assert await status_of(gateway, document(whole(), whole("Deny", Condition=held)), "/a", *LINES) == 403


async def test_an_operator_that_is_none_is_not_deployed(gateway: TestGateway):
    with pytest.raises(DefinitionError, match="no such operator"):
        gateway.deploy(open_to(document(whole(Condition={"Address": {"aws:SourceIp": "10.0.0.0/8"}}))))


# ---- evaluation: method without authorization, user pools, private APIs


NONE = [("allow", 200, ""), ("silent", 403, SILENT), ("deny", 403, EXPLICIT)]


@pytest.mark.parametrize(("says", "status", "why"), NONE, ids=[row[0] for row in NONE])
async def test_row_none_the_resource_policy_must_explicitly_allow(
    gateway: TestGateway, says: str, status: int, why: str
):
    """Row: NONE; otherwise implicit deny. The rows explicit deny, implicit deny, anonymous caller of refusals."""
    gateway.deploy(open_to(as_resource_policy(SAYS[says])))
    response = await ask(gateway, "GET", "/a")
    assert response.status == status
    if status == 403:
        assert said(response)[1:] == ("AccessDeniedException", {"Message": refusal("anonymous", why)})


def refusal(user: str, why: str) -> str:
    return f"User: {user} is not authorized to perform: execute-api:Invoke on resource: {MASKED} {why}"


async def test_row_none_without_a_policy_everybody_is_let_in(gateway: TestGateway):
    assert await status_of(gateway, None) == 200


@pytest.mark.parametrize(("says", "status", "why"), NONE, ids=[row[0] for row in NONE])
async def test_row_cognito_the_token_first_then_the_resource_policy_must_allow(
    make_gateway: MakeGateway, says: str, status: int, why: str
):
    """Row: COGNITO_USER_POOLS, as NONE."""
    pool = await UserPool().start()
    try:
        gateway = await make_gateway(cognito_endpoint=pool.url)
        method = msgspec.structs.replace(mock("GET /a"), authorization_type="COGNITO_USER_POOLS", authorizer="pool")
        policy = as_resource_policy(SAYS[says])
        gateway.deploy(rest_api(method, policy=policy, authorizers={"pool": pool_authorizer()}))
        response = await ask(gateway, "GET", "/a", "Authorization: none")
        assert (response.status, response.body) == (401, b'{"message":"Unauthorized"}')
        response = await ask(gateway, "GET", "/a", f"Authorization: {pool.id_token()}")
    finally:
        await pool.stop()
    assert response.status == status, response.body
    if status == 403:
        assert said(response)[1:] == ("AccessDeniedException", {"Message": refusal("anonymous", why)})


async def test_row_private_api_without_a_policy_every_call_is_denied(gateway: TestGateway):
    """Row: PRIVATE API; a resource policy is required."""
    gateway.deploy(open_to(None, private=True))
    response = await ask(gateway, "GET", "/a")
    assert said(response) == (403, "AccessDeniedException", {"Message": refusal("anonymous", SILENT)})
    assert await status_of(gateway, as_resource_policy(SAYS["allow"])) == 200


# ---- tables A and B

#: IAM or authorizer policy, resource policy, A: same account, B: cross account.
TABLE = [
    ("allow", "allow", "allow", "allow"),
    ("allow", "silent", "allow", "implicit deny"),
    ("allow", "deny", "explicit deny", "explicit deny"),
    ("silent", "allow", "allow", "implicit deny"),
    ("silent", "silent", "implicit deny", "implicit deny"),
    ("silent", "deny", "explicit deny", "explicit deny"),
    ("deny", "allow", "explicit deny", "explicit deny"),
    ("deny", "silent", "explicit deny", "explicit deny"),
    ("deny", "deny", "explicit deny", "explicit deny"),
]
IDS = [f"{own}, {by_resource}" for own, by_resource, _, _ in TABLE]
A = pytest.mark.parametrize(("own", "by_resource", "outcome"), [row[:3] for row in TABLE], ids=IDS)
B = pytest.mark.parametrize(("own", "by_resource", "outcome"), [(*row[:2], row[3]) for row in TABLE], ids=IDS)


def behind_iam(policy: Any) -> Api:
    return rest_api(msgspec.structs.replace(mock("GET /a"), authorization_type="AWS_IAM"), policy=policy)


def outcome_of(response: Response) -> str:
    if response.status == 200:
        return "allow"
    status, error_type, body = said(response)
    assert (status, error_type) == (403, "AccessDeniedException")
    return "explicit deny" if " with an explicit deny" in body["Message"] else "implicit deny"


async def decided(make_gateway: MakeGateway, account: str, own: str, by_resource: str) -> str:
    key = key_of(account, SAYS[own])
    gateway = await make_gateway(access_keys=(key,))
    gateway.deploy(behind_iam(as_resource_policy(SAYS[by_resource])))
    return outcome_of(await send(gateway, signed(key=key)))


@A
async def test_table_a_of_iam_callers_in_the_same_account(
    make_gateway: MakeGateway, own: str, by_resource: str, outcome: str
):
    """Row: AWS_IAM, caller in same account."""
    assert await decided(make_gateway, ACCOUNT, own, by_resource) == outcome


@B
async def test_table_b_of_iam_callers_in_another_account(
    make_gateway: MakeGateway, own: str, by_resource: str, outcome: str
):
    """Row: AWS_IAM, caller in another account."""
    assert await decided(make_gateway, OTHER_ACCOUNT, own, by_resource) == outcome


@A
async def test_table_a_of_callers_that_a_lambda_authorizer_lets_in(
    gateway: TestGateway, own: str, by_resource: str, outcome: str
):
    """Row: Lambda authorizer; the two combined per table A."""
    calls = 0

    async def authorize(event: Any, context: Any) -> Any:
        nonlocal calls
        calls += 1
        return {"principalId": "ann", "policyDocument": SAYS[own]}

    one = authorizer("REST", "authorize", called="PYTHON")
    gateway.deploy(
        guarded(one, "REST", policy=as_resource_policy(SAYS[by_resource])), handlers={"authorize": authorize}
    )
    answer = await call(gateway, "REST", "X-Token: t")
    if outcome == "allow":
        assert answer.status == 200
    else:
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
        assert ("with an explicit deny" in answer.message) is (outcome == "explicit deny")
    # Checked for explicit deny before the authorizer runs.
    assert calls == (0 if by_resource == "deny" else 1)


# ---- refusals

LAMBDA = "User is not authorized to access this resource"
REFUSALS = [
    pytest.param("allow", "deny", f"User: anonymous is not authorized to perform: execute-api:Invoke on resource: "
                 f"{MASKED} {EXPLICIT}", id="explicit deny before the authorizer: anonymous caller"),
    pytest.param("silent", "silent", LAMBDA, id="Lambda authorizer denied: not covered"),
    pytest.param("deny", "allow", f"{LAMBDA} with an explicit deny", id="Lambda authorizer denied: explicit"),
]  # fmt: skip


@pytest.mark.parametrize(("own", "by_resource", "message"), REFUSALS)
async def test_a_refusal_of_a_caller_with_a_lambda_authorizer(
    gateway: TestGateway, own: str, by_resource: str, message: str
):
    """Row: Lambda authorizer denied; 403, AccessDeniedException, key Message."""

    async def authorize(event: Any, context: Any) -> Any:
        return {"principalId": "ann", "policyDocument": SAYS[own]}

    one = authorizer("REST", "authorize", called="PYTHON")
    gateway.deploy(
        guarded(one, "REST", policy=as_resource_policy(SAYS[by_resource])), handlers={"authorize": authorize}
    )
    answer = await call(gateway, "REST", "X-Token: t")
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert answer.json() == {"Message": message}


SIGNED = [
    pytest.param(ACCOUNT, "allow", "deny", EXPLICIT, id="explicit deny"),
    pytest.param(ACCOUNT, "deny", "allow", "with an explicit deny in an identity-based policy", id="own explicit deny"),
    pytest.param(OTHER_ACCOUNT, "allow", "silent", SILENT, id="implicit deny"),
]


@pytest.mark.parametrize(("account", "own", "by_resource", "why"), SIGNED)
async def test_a_refusal_of_a_caller_who_has_signed(
    make_gateway: MakeGateway, account: str, own: str, by_resource: str, why: str
):
    """Rows: explicit deny, implicit deny; the user part is the ARN, the account masked but for its last four."""
    key = key_of(account, SAYS[own])
    gateway = await make_gateway(access_keys=(key,))
    gateway.deploy(behind_iam(as_resource_policy(SAYS[by_resource])))
    response = await send(gateway, signed(key=key))
    assert said(response) == (403, "AccessDeniedException", {"Message": refusal(key.principal, why)})
