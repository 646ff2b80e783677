"""Resource policies of REST APIs as clients meet them: over real sockets, from documents to answers."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.authorizers.sigv4_signing import KEY
from tests.conftest import MakeGateway
from tests.edge.test_iam import INVOKE, ask, error_of, now, signed
from tests.harness.rest_api import ask as ask_for
from tests.harness.rest_api import mock, rest_api
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.freeze_rest import freeze_rest

ALLOWED = {**INVOKE, "Principal": "*", "Resource": "execute-api:/*"}
DENIAL = (
    "User: anonymous is not authorized to perform: execute-api:Invoke on resource: "
    "arn:aws:execute-api:us-east-1:********0000:pets/dev/GET/a "
)
SILENT = "because no resource-based policy allows the execute-api:Invoke action"
EXPLICIT = "with an explicit deny in a resource-based policy"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def api(document: dict[str, Any] | None, **members: Any) -> Api:
    return rest_api(mock("ANY /{proxy+}"), mock("GET /"), policy=document, **members)


ROWS: list[tuple[str, dict[str, Any], str | None]] = [
    ("allowed", policy(ALLOWED), None),
    ("explicit deny", policy(ALLOWED, {**ALLOWED, "Effect": "Deny"}), DENIAL + EXPLICIT),
    ("implicit deny", policy({**ALLOWED, "Resource": "execute-api:/dev/GET/b"}), DENIAL + SILENT),
    ("own address", policy({**ALLOWED, "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}}), None),
    (
        "other address",
        policy(ALLOWED, {**ALLOWED, "Effect": "Deny", "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}),
        DENIAL + EXPLICIT,
    ),
    ("referer", policy({**ALLOWED, "Condition": {"StringLike": {"aws:Referer": "https://a.example/*"}}}), None),
    ("user agent", policy({**ALLOWED, "Condition": {"StringEquals": {"aws:UserAgent": "curl/8"}}}), None),
    (
        "no TLS",
        policy(ALLOWED, {**ALLOWED, "Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}),
        DENIAL + EXPLICIT,
    ),
]


@pytest.mark.parametrize(("_row", "document", "message"), ROWS, ids=[row[0] for row in ROWS])
async def test_a_resource_policy_decides(make_gateway: MakeGateway, _row: str, document: Any, message: str | None):
    """The rows "explicit deny", "implicit deny", "anonymous caller": 403, `Message`, the account masked."""
    gateway = await make_gateway()
    gateway.deploy(api(document))
    response = await ask_for(gateway, "GET", "/a", "Referer: https://a.example/x", "User-Agent: curl/8")
    if message is None:
        assert response.status == 200, response.body
    else:
        assert error_of(response) == (403, "AccessDeniedException", {"Message": message})


async def test_time_ends_what_a_policy_allows(make_gateway: MakeGateway):
    gateway = await make_gateway()
    until = {"NumericLessThan": {"aws:EpochTime": str(int(now()) + 100)}}
    gateway.deploy(api(policy({**ALLOWED, "Condition": until})))
    assert (await ask_for(gateway, "GET", "/a")).status == 200
    gateway.advance(101)
    assert (await ask_for(gateway, "GET", "/a")).status == 403


async def test_a_network_may_stand_for_a_vpc_endpoint(make_gateway: MakeGateway):
    """A PRIVATE API: only by the endpoint that its policy names."""
    document = policy({**ALLOWED, "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}})
    inside = await make_gateway(vpc_sources=("127.0.0.0/8=vpce-1/vpc-2",))
    inside.deploy(api(document, private=True))
    assert (await ask_for(inside, "GET", "/a")).status == 200
    outside = await make_gateway(vpc_sources=("127.0.0.0/8=vpce-2/vpc-2",))
    outside.deploy(api(document, private=True))
    assert (await ask_for(outside, "GET", "/a")).status == 403


async def test_a_private_api_without_a_policy_lets_nobody_in(make_gateway: MakeGateway):
    gateway = await make_gateway()
    gateway.deploy(api(None, private=True))
    assert error_of(await ask_for(gateway, "GET", "/a")) == (403, "AccessDeniedException", {"Message": DENIAL + SILENT})


@pytest.mark.parametrize("types", [["PRIVATE"], ["REGIONAL"]])
def test_the_endpoint_type_of_a_document_says_whether_an_api_is_private(types):
    document = {"protocolType": "REST", "id": "a", "name": "a", "endpointConfiguration": {"types": types}}
    assert freeze_rest({**document, "resources": [], "policy": json.dumps(policy(ALLOWED))}).private is (
        types == ["PRIVATE"]
    )


async def test_what_is_not_there_is_said_before_any_policy(make_gateway: MakeGateway):
    """Resources are looked up first: step 5 before step 6."""
    gateway = await make_gateway()
    gateway.deploy(rest_api(mock("GET /a"), policy=policy({**ALLOWED, "Effect": "Deny"})))
    assert error_of(await ask_for(gateway, "GET", "/b"))[1] == "MissingAuthenticationTokenException"


async def test_a_policy_names_whom_it_lets_in_from_another_account(make_gateway: MakeGateway):
    stranger = msgspec.structs.replace(
        KEY, principal="arn:aws:iam::111122223333:user/ann", policies=(policy({**INVOKE, "Resource": "*"}),)
    )
    gateway = await make_gateway(access_keys=(stranger,))
    document = policy({**ALLOWED, "Principal": {"AWS": "arn:aws:iam::111122223333:root"}})
    routes = [msgspec.structs.replace(mock("GET /a"), authorization_type="AWS_IAM"), mock("GET /b")]
    one = msgspec.structs.replace(rest_api(*routes, stage=Stage(name="prod"), policy=document), id="chat")
    gateway.deploy(one)
    assert (await ask(gateway, signed(target="/prod/a"))).status == 200
    # The same policy on a route without authorization: nobody is known, so nobody is meant.
    assert (await ask(gateway, signed(target="/prod/b"))).status == 403
    other = policy({**ALLOWED, "Principal": {"AWS": "444455556666"}})
    gateway.deploy(msgspec.structs.replace(one, policy=other))
    assert (await ask(gateway, signed(target="/prod/a"))).status == 403


async def test_who_cannot_prove_who_they_are_is_told_so_before_the_policy_is_asked(make_gateway: MakeGateway):
    """AWS_IAM: the signature first, then the table."""
    gateway = await make_gateway(access_keys=(KEY,))
    secured = msgspec.structs.replace(mock("GET /a"), authorization_type="AWS_IAM")
    gateway.deploy(rest_api(secured, policy=policy({**ALLOWED, "Effect": "Deny"})))
    assert error_of(await ask_for(gateway, "GET", "/a"))[1] == "MissingAuthenticationTokenException"
