"""API keys: where they are looked for, who is refused, what a key may look like, files of keys.

Sources: developer guide, "Usage plans and API keys for REST APIs" and "API Gateway API key file format"; texts recorded
on the service.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.harness.authorizers import policy
from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import Response
from tests.harness.rest_api import ask, mock, rest_api
from tests.harness.usage import KEY, OTHER_VALUE, VALUE, plan, quota
from wsgw.definitions.api import Api
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.check_usage import check_usage
from wsgw.definitions.freeze_rest import freeze_rest
from wsgw.definitions.usage import ApiKey, PlanStage, UsagePlan
from wsgw.errors import DefinitionError
from wsgw.formats.api_key_csv import read_api_keys

FORBIDDEN = (403, "ForbiddenException", {"message": "Forbidden"})


def keyed(*keys: str, **members: Any) -> Api:
    """The API, its methods for those who have a key."""
    routes = [msgspec.structs.replace(mock(key), api_key_required=True) for key in keys or ("GET /a",)]
    return rest_api(*routes, **members)


def serve(gateway: TestGateway, *plans: UsagePlan, keys: tuple[ApiKey, ...] = (KEY,), **members: Any) -> None:
    gateway.deploy(keyed(**members))
    gateway.app.admit_keys(keys, plans)


async def get(gateway: TestGateway, *lines: str, path: str = "/a") -> Response:
    return await ask(gateway, "GET", path, *lines)


def said(response: Response) -> tuple[int, str | None, Any]:
    return response.status, response.header("x-amzn-ErrorType"), json.loads(response.body)


# ---- source


@pytest.mark.parametrize("name", ["X-API-Key", "x-api-key"])
async def test_source_header(gateway: TestGateway, name: str):
    """apiKeySource HEADER: request header X-API-Key."""
    serve(gateway, plan("partner"), api_key_source="HEADER")
    assert (await get(gateway, f"{name}: {VALUE}")).status == 200
    assert said(await get(gateway, path=f"/a?x-api-key={VALUE}")) == FORBIDDEN


@pytest.mark.parametrize("named", [VALUE, OTHER_VALUE, None], ids=["known", "unknown", "none"])
async def test_source_authorizer(gateway: TestGateway, named: str | None):
    """apiKeySource AUTHORIZER: usageIdentifierKey returned by the Lambda authorizer, and no header."""

    async def authorize(event: Any, context: Any) -> Any:
        return policy(**({} if named is None else {"usageIdentifierKey": named}))

    one = Authorizer(
        id="who", name="who", type="REQUEST", called="PYTHON", uri="authorize", result_ttl=0, identity_sources=()
    )
    asked = {"authorization_type": "CUSTOM", "authorizer": "who", "api_key_required": True}
    api = rest_api(
        msgspec.structs.replace(mock("GET /a"), **asked), authorizers={"who": one}, api_key_source="AUTHORIZER"
    )
    gateway.deploy(api, handlers={"authorize": authorize})
    gateway.app.admit_keys([KEY], [plan("partner")])
    for lines in ((), (f"X-API-Key: {VALUE}",)):
        response = await get(gateway, *lines)
        assert response.status == 200 if named == VALUE else said(response) == FORBIDDEN


async def test_source_authorizer_needs_an_authorizer(gateway: TestGateway):
    with pytest.raises(DefinitionError, match="come from an authorizer"):
        serve(gateway, api_key_source="AUTHORIZER")


# ---- refusals

OTHER_STAGE, OTHER_API = PlanStage(api_id="pets", stage="prod"), PlanStage(api_id="cats", stage="dev")
REFUSED: dict[str, tuple[tuple[str, ...], ApiKey, UsagePlan]] = {
    "missing": ((), KEY, plan("partner")),
    "unknown": ((f"X-API-Key: {OTHER_VALUE}",), KEY, plan("partner")),
    "its id instead of its value": (("X-API-Key: partner",), KEY, plan("partner")),
    "disabled": ((f"X-API-Key: {VALUE}",), msgspec.structs.replace(KEY, enabled=False), plan("partner")),
    "not attached to a usage plan": ((f"X-API-Key: {VALUE}",), KEY, plan("another")),
    "in a plan of another stage": ((f"X-API-Key: {VALUE}",), KEY, plan("partner", stages=(OTHER_STAGE,))),
    "in a plan of another API": ((f"X-API-Key: {VALUE}",), KEY, plan("partner", stages=(OTHER_API,))),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_missing_unknown_disabled_or_not_attached_is_403(gateway: TestGateway, case: str):
    """403 Forbidden, type INVALID_API_KEY."""
    lines, key, of = REFUSED[case]
    serve(gateway, of, keys=(key,))
    assert said(await get(gateway, *lines)) == FORBIDDEN


async def test_a_method_without_api_key_required_ignores_keys_and_counts_nothing(gateway: TestGateway):
    """Row: key ignored, no metering."""
    gateway.deploy(rest_api(mock("GET /a")))
    gateway.app.admit_keys([KEY], [plan("partner", quota=quota(1))])
    assert [(await get(gateway, f"X-API-Key: {value}")).status for value in (VALUE, VALUE, "unknown")] == [200] * 3
    gateway.deploy(keyed())
    assert [(await get(gateway, f"X-API-Key: {VALUE}")).status for _ in range(2)] == [200, 429]


async def test_a_documents_source_and_methods_say_it(gateway: TestGateway):
    """apiKeySource and apiKeyRequired as the API's documents have them."""
    method = {
        "httpMethod": "GET",
        "authorizationType": "NONE",
        "apiKeyRequired": True,
        "methodIntegration": {
            "type": "MOCK",
            "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "integrationResponses": {"200": {"statusCode": "200"}},
        },
        "methodResponses": {"200": {"statusCode": "200"}},
    }
    document = {"protocolType": "REST", "id": "pets", "name": "pets", "apiKeySource": "HEADER"}
    resources = [{"id": "r", "path": "/a", "resourceMethods": {"GET": method}}]
    gateway.deploy(freeze_rest({**document, "resources": resources, "stages": [{"stageName": "dev"}]}))
    gateway.app.admit_keys([KEY], [plan("partner")])
    assert said(await get(gateway)) == FORBIDDEN
    assert (await get(gateway, f"X-API-Key: {VALUE}")).status == 200


# ---- what a key may look like

MEMBERS: dict[str, tuple[dict[str, Any], str | None]] = {
    "value of 19 characters": ({"value": "x" * 19}, "API Key value should be at least 20 characters"),
    "value of 20 characters": ({"value": "x" * 20}, None),
    "value of 128 characters": ({"value": "x" * 128}, None),
    "value of 129 characters": ({"value": "x" * 129}, "API Key value exceeds maximum size of 128 characters"),
    "name of 1024 characters": ({"name": "x" * 1024}, None),
    "name of 1025 characters": ({"name": "x" * 1025}, "Invalid API Key name, can be at most 1024 characters"),
    "description of 125,000 characters": ({"description": "x" * 125_000}, None),
    "description of 125,001 characters": ({"description": "x" * 125_001}, "Invalid API Key description specified"),
}


@pytest.mark.parametrize("case", MEMBERS)
def test_a_member_of_a_key_has_its_limits(case: str):
    """The errors of CreateApiKey, as findings."""
    members, message = MEMBERS[case]
    key = msgspec.structs.replace(KEY, **members)
    assert [one.message for one in check_usage([key], [], [])] == ([] if message is None else [message])


def test_a_value_is_one_keys_alone():
    """Row: duplicate value, API Key already exists."""
    twice = [KEY, ApiKey(id="another", value=VALUE)]
    assert [one.message for one in check_usage(twice, [], [])] == ["API Key already exists"]


async def test_the_id_of_a_key_may_be_its_value(gateway: TestGateway):
    """generateDistinctId: older keys had id = value."""
    serve(gateway, plan(VALUE), keys=(ApiKey(id=VALUE, value=VALUE),))
    assert (await get(gateway, f"X-API-Key: {VALUE}")).status == 200


# ---- files of keys

V, W = "v" * 30, "w" * 128
FILES: dict[str, tuple[str, Any]] = {
    "columns case-insensitive, any order": (f"kEY,NAME\n{V},n", (V, "n", "", True, ())),
    "Description, Enabled, UsagePlanIds": (
        f"Name,Key,Description,Enabled,UsagePlanIds\nn,{W},d,FALSE,p",
        (W, "n", "d", False, ("p",)),
    ),
    "UsagePlanIds: comma list in double quotes": (
        f'Name,Key,UsagePlanIds\nn,{V},"p,q"',
        (V, "n", "", True, ("p", "q")),
    ),
    "UsagePlanIds: comma list in single quotes": (
        f"Name,Key,UsagePlanIds\nn,{V},\"'p,q'\"",
        (V, "n", "", True, ("p", "q")),
    ),
    "unknown columns ignored": (f"Name,Colour,Key\nn,red,{V}", (V, "n", "", True, ())),
    "defaults empty string and true": (f"Name,Key,Description,Enabled\n,{V},,", (V, "", "", True, ())),
    "Name required": (f"Key\n{V}", "no column name"),
    "Key required": ("Name\nn", "no column key"),
    "30 characters demanded": (f"Name,Key\nn,{V[:29]}", "API Key value should be at least 30 characters"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_of_keys(case: str):
    """Import: columns, what is required, defaults."""
    text, expected = FILES[case]
    rows, findings = read_api_keys(text.encode(), "keys.csv")
    if isinstance(expected, str):
        assert [one.message for one in findings] == [expected]
    else:
        ((_, name, value, description, enabled, plans),) = rows
        assert ((value, name, description, enabled, plans), findings) == (expected, [])
