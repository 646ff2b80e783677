"""Which policies are asked for which route, in which order, and what the answers make together: tables A and B."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from wsgw.authorizers.facts import IamPrincipal
from wsgw.authorizers.grants import Grants
from wsgw.authorizers.iam_verifier import principal_of
from wsgw.authorizers.policy import compile_policy
from wsgw.caller import Authorization, Caller, ConnectionFacts, Principal
from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Route
from wsgw.errors import AccessDenied, GatewayError, UriTooLong
from wsgw.header_fields import HeaderFields
from wsgw.invocation import HttpInvocation, Invocation
from wsgw.live.guard_policy import permit_steps, policy_steps
from wsgw.live.guards import guards
from wsgw.live.parts import Parts
from wsgw.pipeline.run import run
from wsgw.settings import Settings

ACCOUNT, OTHER = "123456789012", "999999999999"
NOW = 1_790_337_600.0
STAGE = Stage(name="prod")
MASKED = "arn:aws:execute-api:us-east-1:********9012:pets/prod/GET/a"
#: What a policy says about GET /a, by the word that the tables have for it.
EFFECTS = {
    "allow": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}],
    "silent": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*:*:other/*"}],
    "deny": [
        {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"},
        {"Effect": "Deny", "Action": "execute-api:Invoke", "Resource": "*"},
    ],
}


def document(effect: str, *, resource: bool = False) -> dict[str, Any]:
    members = {"Principal": "*"} if resource else {}
    return {"Version": "2012-10-17", "Statement": [{**members, **one} for one in EFFECTS[effect]]}


class Kept:
    """The part of Access that policies need."""

    def now(self) -> float:
        return NOW

    def kept(self, _key: Any, make: Any) -> Any:
        return make()


def parts(**settings: Any) -> Parts:
    chosen = msgspec.structs.replace(Settings(), account_id=ACCOUNT, **settings)
    return SimpleNamespace(settings=chosen, access=Kept())  # type: ignore[return-value]


def rest(policy: Any = None, **members: Any) -> Api:
    return Api(id="pets", name="pets", protocol="REST", policy=policy, **members)


def route(kind: str) -> Route:
    return Route(key="GET /a", authorization_type=kind)


def request(path: str = "/a", headers: list[tuple[str, str]] | None = None, ip: str = "203.0.113.9") -> HttpInvocation:
    caller = Caller()
    caller.source_ip, caller.user_agent, caller.domain_name = ip, "curl/8", "api.example"
    site: Any = SimpleNamespace(api_id="pets", stage="prod")
    made = HttpInvocation(site, caller, "id", 0, "GET", f"/prod{path}", path, "", HeaderFields(headers or []))
    made.forwarded = (("X-Forwarded-For", ip), ("X-Forwarded-Port", "443"), ("X-Forwarded-Proto", "https"))
    return made


def signer(effect: str, account: str = ACCOUNT) -> IamPrincipal:
    key = AccessKey(
        access_key_id="AKID", secret="s", principal=f"arn:aws:iam::{account}:user/ann", policies=(document(effect),)
    )
    return principal_of(key)


def by_authorizer(effect: str) -> Principal:
    return Principal("ann", {}, grants=Grants([compile_policy(document(effect))]))


async def outcome(api: Api, one: Route, principal: Principal | None, invocation: Invocation | None = None) -> str:
    """`allow`, or when which policy refused what how: `before`, `after` the caller is known, and what it is told."""
    invocation = invocation or request()
    when = "before"
    try:
        await run(policy_steps(api, STAGE, one, parts()), invocation)
        when = "after"
        invocation.caller.principal = principal
        await run(permit_steps(api, STAGE, one, parts()), invocation)
    except AccessDenied as error:
        return f"{when}: {error.message}"
    return "allow"


def of_iam(account: str, why: str) -> str:
    return (
        f"after: User: arn:aws:iam::{account}:user/ann is not authorized to perform: execute-api:Invoke "
        f"on resource: {MASKED} {why}"
    )


def of_nobody(when: str, why: str) -> str:
    return f"{when}: User: anonymous is not authorized to perform: execute-api:Invoke on resource: {MASKED} {why}"


BY_RESOURCE, BY_IDENTITY = (
    "with an explicit deny in a resource-based policy",
    "with an explicit deny in an identity-based policy",
)
NO_RESOURCE, NO_IDENTITY = (
    f"because no {kind}-based policy allows the execute-api:Invoke action" for kind in ("resource", "identity")
)

#: IAM or authorizer policy, resource policy: A, B.
TABLES = [
    ("allow", "allow", None, None),
    ("allow", "silent", None, NO_RESOURCE),
    ("allow", "deny", BY_RESOURCE, BY_RESOURCE),
    ("silent", "allow", None, NO_IDENTITY),
    ("silent", "silent", NO_IDENTITY, NO_IDENTITY),
    ("silent", "deny", BY_RESOURCE, BY_RESOURCE),
    ("deny", "allow", BY_IDENTITY, BY_IDENTITY),
    ("deny", "silent", BY_IDENTITY, BY_IDENTITY),
    ("deny", "deny", BY_IDENTITY, BY_IDENTITY),
]


@pytest.mark.parametrize(("own", "resource", "table_a", "_table_b"), TABLES)
async def test_a_signer_of_the_same_account_is_decided_on_by_table_a(own, resource, table_a, _table_b):
    """policy-01 to policy-09."""
    found = await outcome(rest(document(resource, resource=True)), route("AWS_IAM"), signer(own))
    assert found == ("allow" if table_a is None else of_iam(ACCOUNT, table_a))


@pytest.mark.parametrize(("own", "resource", "_table_a", "table_b"), TABLES)
async def test_a_signer_of_another_account_is_decided_on_by_table_b(own, resource, _table_a, table_b):
    """policy-10 to policy-18."""
    found = await outcome(rest(document(resource, resource=True)), route("AWS_IAM"), signer(own, OTHER))
    assert found == ("allow" if table_b is None else of_iam(OTHER, table_b))


@pytest.mark.parametrize(("own", "resource", "table_a", "_table_b"), TABLES)
async def test_an_authorizer_is_decided_on_by_table_a_and_not_asked_where_the_policy_denies(
    own, resource, table_a, _table_b
):
    """The row "Lambda authorizer"."""
    found = await outcome(rest(document(resource, resource=True)), route("CUSTOM"), by_authorizer(own))
    if table_a is None:
        assert found == "allow"
    elif resource == "deny":
        assert found == of_nobody("before", BY_RESOURCE)
    else:
        denied = " with an explicit deny" if own == "deny" else ""
        assert found == f"after: User is not authorized to access this resource{denied}"


ALONE = [("allow", None), ("silent", NO_RESOURCE), ("deny", BY_RESOURCE)]


@pytest.mark.parametrize(("resource", "why"), ALONE)
async def test_without_authorization_the_resource_policy_must_allow(resource, why):
    """The row NONE."""
    found = await outcome(rest(document(resource, resource=True)), route("NONE"), None)
    assert found == ("allow" if why is None else of_nobody("before", why))


@pytest.mark.parametrize(("resource", "why"), ALONE)
async def test_a_token_of_a_user_pool_comes_first_and_then_the_resource_policy_must_allow(resource, why):
    """The row COGNITO_USER_POOLS."""
    principal = Principal("ann", {}, kind="COGNITO")
    found = await outcome(rest(document(resource, resource=True)), route("COGNITO_USER_POOLS"), principal)
    assert found == ("allow" if why is None else of_nobody("after", why))


@pytest.mark.parametrize("kind", ["NONE", "CUSTOM", "COGNITO_USER_POOLS", "AWS_IAM"])
async def test_a_private_api_without_a_policy_lets_nobody_in(kind):
    """The row PRIVATE API."""
    found = await outcome(rest(private=True), route(kind), signer("allow"))
    assert found == of_nobody("before", NO_RESOURCE)


async def test_a_private_api_with_a_policy_is_decided_on_as_any_other():
    assert await outcome(rest(document("allow", resource=True), private=True), route("NONE"), None) == "allow"


# ---- without a resource policy


@pytest.mark.parametrize(("own", "why"), [("allow", None), ("silent", NO_IDENTITY), ("deny", BY_IDENTITY)])
async def test_without_a_resource_policy_a_signer_needs_a_policy_of_its_own(own, why):
    assert await outcome(rest(), route("AWS_IAM"), signer(own)) == ("allow" if why is None else of_iam(ACCOUNT, why))


@pytest.mark.parametrize("own", ["allow", None])
async def test_without_a_resource_policy_no_other_account_is_let_in(own):
    """A key without policies may do everything, but in its own account."""
    principal = signer("allow", OTHER)
    if own is None:
        principal = principal_of(AccessKey(access_key_id="A", secret="s", principal=f"arn:aws:iam::{OTHER}:user/ann"))
    assert await outcome(rest(), route("AWS_IAM"), principal) == of_iam(OTHER, NO_RESOURCE)


async def test_a_key_whose_principal_is_of_no_account_is_of_another():
    principal = principal_of(AccessKey(access_key_id="A", secret="s", principal="backend"))
    assert (await outcome(rest(), route("AWS_IAM"), principal)).endswith(NO_RESOURCE)


async def test_who_could_not_be_told_is_refused():
    """No verifier gives nobody; should one, it is no way in."""
    assert (await outcome(rest(), route("CUSTOM"), None)).startswith("after: ")


def test_a_route_that_needs_no_policy_has_no_step_for_one():
    def steps(api: Api, kind: str) -> int:
        one = route(kind)
        return len(policy_steps(api, STAGE, one, parts())) + len(permit_steps(api, STAGE, one, parts()))

    assert [steps(rest(), kind) for kind in ("NONE", "COGNITO_USER_POOLS")] == [0, 0]
    assert [steps(rest(), kind) for kind in ("CUSTOM", "AWS_IAM")] == [1, 1]
    policy = document("allow", resource=True)
    kinds = ("NONE", "CUSTOM", "COGNITO_USER_POOLS", "AWS_IAM")
    assert [steps(rest(policy), kind) for kind in kinds] == [1, 2, 1, 1]


# ---- what cannot be enforced is not served

FAULTS = [
    ({}, "Statement: expected an object"),
    ({"Statement": [{**EFFECTS["allow"][0]}]}, "says whom it means; add Principal"),
    ({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke"}}, "Resource"),
    ({"Statement": [{**EFFECTS["allow"][0], "Principal": {"AWS": "arn:aws:iam::1:*"}}]}, "wildcards have no meaning"),
    ({"Statement": [{**EFFECTS["allow"][0], "Principal": "*", "Condition": {"Ip": {"a": "b"}}}]}, "no such operator"),
]


@pytest.mark.parametrize("kind", ["NONE", "CUSTOM", "COGNITO_USER_POOLS", "AWS_IAM"])
@pytest.mark.parametrize(("policy", "fault"), FAULTS)
def test_a_policy_that_is_none_is_not_served(policy, fault, kind):
    with pytest.raises(ValueError, match="the resource policy: ") as refusal:
        policy_steps(rest(policy), STAGE, route(kind), parts())
    assert fault in str(refusal.value)


@pytest.mark.parametrize("protocol", ["HTTP", "WEBSOCKET"])
def test_a_policy_of_an_api_that_can_have_none_is_not_served(protocol):
    api = Api(id="a", name="a", protocol=protocol, policy=document("allow", resource=True))
    with pytest.raises(ValueError, match="only REST APIs have resource policies"):
        guards(api, STAGE, Route(key="$connect"), parts())


# ---- names

NAMES = [
    ("execute-api:/*", "/a", True),
    ("execute-api:/prod/GET/a", "/a", True),
    ("execute-api:/prod/GET/a", "/a/", True),
    ("execute-api:/prod/GET/a", "/b", False),
    ("execute-api:/prod/*/a", "/a", True),
    ("execute-api:/test/*", "/a", False),
    ("execute-api:/prod/GET/", "/", True),
    ("execute-api:/prod/GET/a?", "/ab", True),
    (f"arn:aws:execute-api:us-east-1:{ACCOUNT}:pets/prod/GET/a", "/a", True),
    (f"arn:aws:execute-api:us-east-1:{ACCOUNT}:pets/*", "/a", True),
    (f"arn:aws:execute-api:us-east-1:{OTHER}:pets/*", "/a", False),
    ("execute-api:/prod/GET/a b", "/a%20b", False),
]


@pytest.mark.parametrize(("resource", "path", "allowed"), NAMES)
async def test_resources_may_be_named_in_short(resource, path, allowed):
    policy = document("allow", resource=True)
    policy["Statement"][0]["Resource"] = resource
    assert (await outcome(rest(policy), route("NONE"), None, request(path)) == "allow") is allowed


@pytest.mark.parametrize("path", ["/@me", "/%40me", "/@me/", "/%40me//"])
async def test_what_denies_a_path_denies_it_however_it_is_written(path):
    denied = {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "execute-api:/prod/GET/@me"}
    policy = {"Version": "2012-10-17", "Statement": [*document("allow", resource=True)["Statement"], denied]}
    assert "explicit deny" in await outcome(rest(policy), route("NONE"), None, request(path))
    assert "explicit deny" in await outcome(rest(policy), route("CUSTOM"), by_authorizer("allow"), request(path))


EXCEPTED = [
    ("Deny", "/open", True),
    ("Deny", "/open/", True),
    ("Deny", "/shut", False),
    ("Deny", "/%40me", False),
    ("Allow", "/shut", True),
    ("Allow", "/open", False),
    ("Allow", "/open/", False),
    ("Allow", "/@me", False),
    ("Allow", "/%40me", False),
    ("Allow", "/%40me/", False),
]


@pytest.mark.parametrize(("effect", "path", "allowed"), EXCEPTED)
async def test_what_is_excepted_is_excepted_however_it_is_written(effect, path, allowed):
    excepted = {"Effect": effect, "Principal": "*", "Action": "*"}
    excepted["NotResource"] = ["execute-api:/prod/GET/open", "execute-api:/prod/GET/@me"]  # type: ignore[assignment]
    statements = document("allow", resource=True)["Statement"] if effect == "Deny" else []
    policy = {"Version": "2012-10-17", "Statement": [*statements, excepted]}
    assert (await outcome(rest(policy), route("NONE"), None, request(path)) == "allow") is allowed


async def test_a_path_that_no_policy_could_name_is_too_long():
    with pytest.raises(UriTooLong):
        await outcome(rest(document("allow", resource=True)), route("NONE"), None, request("/" + "x" * 1600))


async def test_another_action_allows_nothing():
    policy = document("allow", resource=True)
    policy["Statement"][0]["Action"] = ["execute-api:InvalidateCache", "execute-api:ManageConnections"]
    assert (await outcome(rest(policy), route("NONE"), None)).endswith(NO_RESOURCE)


# ---- conditions: a statement that allows only if they hold

CONDITIONS: list[tuple[dict[str, Any], bool]] = [
    ({"IpAddress": {"aws:SourceIp": ["203.0.113.0/24"]}}, True),
    ({"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}, False),
    ({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, False),
    ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, False),
    ({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}, True),
    ({"IpAddress": {"aws:VpcSourceIp": "0.0.0.0/0"}}, False),
    ({"StringLike": {"aws:Referer": "https://example.com/*"}}, True),
    ({"StringLike": {"aws:UserAgent": "curl/*"}}, True),
    ({"StringNotLike": {"aws:UserAgent": "curl/*"}}, False),
    ({"Bool": {"aws:SecureTransport": "true"}}, True),
    ({"Bool": {"aws:SecureTransport": "false"}}, False),
    ({"DateGreaterThan": {"aws:CurrentTime": "2026-09-25T11:00:00Z"}}, True),
    ({"DateLessThan": {"aws:CurrentTime": "2026-09-25T12:00:00Z"}}, False),
    ({"NumericLessThanEquals": {"aws:EpochTime": "1790337600"}}, True),
    ({"NumericLessThan": {"aws:EpochTime": "1790337600"}}, False),
    ({"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}, False),
    ({"Null": {"aws:PrincipalArn": "true"}}, True),
    ({"ArnEquals": {"aws:SourceArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:t"}}, False),
    ({"StringEqualsIfExists": {"aws:SourceArn": "x"}}, True),
    ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, True),
]


def conditional(condition: dict[str, Any], **members: Any) -> dict[str, Any]:
    policy = document("allow", resource=True)
    policy["Statement"][0] |= {"Condition": condition, **members}
    return policy


@pytest.mark.parametrize(("condition", "holds"), CONDITIONS, ids=str)
async def test_a_condition_holds_for_anybody(condition, holds):
    one = request(headers=[("Referer", "https://example.com/page")])
    assert (await outcome(rest(conditional(condition)), route("NONE"), None, one) == "allow") is holds


OF_SIGNERS: list[tuple[dict[str, Any], bool]] = [
    ({"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}, True),
    ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/*"}}, True),
    ({"StringEquals": {"aws:PrincipalType": "User"}}, True),
    ({"StringEquals": {"aws:username": "ann"}}, True),
    ({"StringEquals": {"aws:username": "bob"}}, False),
    ({"StringEquals": {"aws:userid": "ann"}}, True),
    ({"StringEquals": {"aws:PrincipalTag/Team": "blue"}}, True),
    ({"StringEquals": {"aws:PrincipalTag/team": "red"}}, False),
    ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, True),
    ({"Null": {"aws:MultiFactorAuthPresent": "true"}}, True),
    ({"Bool": {"aws:PrincipalIsAWSService": "false"}}, True),
]


@pytest.mark.parametrize(("condition", "holds"), OF_SIGNERS, ids=str)
async def test_a_condition_holds_for_who_has_signed(condition, holds):
    key = AccessKey(
        access_key_id="A",
        secret="s",
        principal=f"arn:aws:iam::{ACCOUNT}:user/ann",
        policies=(document("silent"),),
        tags={"team": "blue"},
        organization_id="o-1",
    )
    found = await outcome(rest(conditional(condition)), route("AWS_IAM"), principal_of(key))
    assert (found == "allow") is holds


WHOM = [
    ({"AWS": ACCOUNT}, True),
    ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, True),
    ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/ann"}, True),
    ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"}, False),
    ({"AWS": [OTHER, f"arn:aws:iam::{ACCOUNT}:user/ann"]}, True),
    ({"Service": "events.amazonaws.com"}, False),
]


@pytest.mark.parametrize(("whom", "allowed"), WHOM, ids=str)
async def test_a_resource_policy_may_name_whom_it_means(whom, allowed):
    policy = conditional({}, Principal=whom)
    assert (await outcome(rest(policy), route("AWS_IAM"), signer("silent")) == "allow") is allowed
    assert await outcome(rest(policy), route("NONE"), None) != "allow"


async def test_a_refusal_is_noted_for_logs():
    invocation = request()
    invocation.authorization = Authorization()
    await outcome(rest(), route("AWS_IAM"), signer("deny"), invocation)
    assert (invocation.authorization.phase, invocation.authorization.status) == ("authorize", 403)
    assert invocation.authorization.error.endswith(BY_IDENTITY)


# ---- WebSocket and HTTP APIs


def handshake() -> Invocation:
    connection = ConnectionFacts()
    connection.source_ip, connection.user_agent, connection.callback_base = "203.0.113.9", None, "https://x"
    site: Any = SimpleNamespace(api_id="pets", stage="prod")
    return Invocation(site, "CONNECT", "$connect", connection, "id", 0)


LAMBDA = "User is not authorized to access this resource"
SOCKETS = [
    ("CUSTOM", "allow", "allow"),
    ("CUSTOM", "silent", f"after: {LAMBDA} {NO_IDENTITY}"),
    ("CUSTOM", "deny", f"after: {LAMBDA} {BY_IDENTITY}"),
    ("AWS_IAM", "allow", "allow"),
    ("AWS_IAM", "silent", "after: Forbidden"),
    ("AWS_IAM", "deny", "after: Forbidden"),
]


@pytest.mark.parametrize(("kind", "own", "expected"), SOCKETS)
async def test_a_handshake_is_told_why_an_authorizer_refused_and_no_more(kind, own, expected):
    """websocket.md's rows: explicit deny, nothing that matches, IAM deny."""
    principal = signer(own) if kind == "AWS_IAM" else by_authorizer(own)
    api = Api(id="pets", name="pets", protocol="WEBSOCKET")
    one = Route(key="$connect", authorization_type=kind)
    assert await outcome(api, one, principal, handshake()) == expected


@pytest.mark.parametrize("kind", ["CUSTOM", "AWS_IAM"])
@pytest.mark.parametrize("own", ["silent", "deny"])
async def test_a_caller_of_an_http_api_is_told_nothing(kind, own):
    principal = signer(own) if kind == "AWS_IAM" else by_authorizer(own)
    invocation = request()
    invocation.caller.principal = principal
    with pytest.raises(GatewayError, match=r"^Forbidden") as refusal:
        await run(permit_steps(Api(id="a", name="a", protocol="HTTP"), STAGE, route(kind), parts()), invocation)
    assert refusal.value.status == 403
