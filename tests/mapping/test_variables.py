from __future__ import annotations

from typing import Any

import pytest

from tests.mapping.mapping_samples import TIME, invocation
from wsgw.caller import Principal
from wsgw.errors import BadRequestBody, Forbidden, IntegrationTimeout
from wsgw.mapping.variables import UnknownVariable, context_of, context_reader

PRINCIPAL = Principal("user-1", {"role": "admin", "level": "7"}, {"userArn": "arn:aws:iam::1:user/u", "accountId": "1"})

EVERY_MESSAGE: list[tuple[str, Any]] = [
    ("apiId", "a1b2c3d4e5"),
    ("connectedAt", TIME - 1),
    ("connectionId", "gbAAAAAAAAAAAAAAAA=="),
    ("domainName", "ws.example.com"),
    ("eventType", "MESSAGE"),
    ("extendedRequestId", "EOn3lGUtIAMEktQ="),
    ("messageDirection", "IN"),
    ("messageId", "gbAAAfAAAAAAAAAAAA=="),
    ("requestId", "EOn3lGUtIAMEktQ="),
    ("requestTime", "25/Sep/2026:00:01:13 +0000"),
    ("requestTimeEpoch", TIME),
    ("routeKey", "send"),
    ("stage", "dev"),
    ("status", 200),
    ("identity.sourceIp", "203.0.113.9"),
    ("identity.userAgent", "agent/1.0"),
]
WITH_AUTHORIZER: list[tuple[str, Any]] = [
    ("authorizer.principalId", "user-1"),
    ("authorizer.role", "admin"),
    ("authorizer.level", "7"),
    ("authorizer.nothere", None),
    ("identity.userArn", "arn:aws:iam::1:user/u"),
    ("identity.accountId", "1"),
    ("identity.caller", None),
]
ALL_OF_AWS = (
    "apiId connectedAt connectionId domainName eventType extendedRequestId messageId requestId requestTime "
    "requestTimeEpoch routeKey stage status identity.accountId identity.apiKey identity.apiKeyId identity.caller "
    "identity.cognitoAuthenticationProvider identity.cognitoAuthenticationType identity.cognitoIdentityId "
    "identity.cognitoIdentityPoolId identity.principalOrgId identity.sourceIp identity.user identity.userAgent "
    "identity.userArn authenticate.error authenticate.latency authenticate.status authorize.error authorize.latency "
    "authorize.status authorizer.error authorizer.integrationLatency authorizer.integrationStatus authorizer.latency "
    "authorizer.requestId authorizer.status authorizer.principalId integration.error integration.integrationStatus "
    "integration.latency integration.requestId integration.status integrationLatency error.message "
    "error.messageString error.responseType error.validationErrorString waf.error waf.latency waf.status"
)


@pytest.mark.parametrize(("name", "value"), EVERY_MESSAGE)
def test_a_variable_of_every_message(name: str, value: Any) -> None:
    assert context_reader(name)(invocation(b"{}")) == value


@pytest.mark.parametrize(("name", "value"), WITH_AUTHORIZER)
def test_a_variable_of_an_authorized_connection(name: str, value: Any) -> None:
    assert context_reader(name)(invocation(principal=PRINCIPAL)) == value
    assert context_reader(name)(invocation()) is None


@pytest.mark.parametrize("name", ALL_OF_AWS.split())
def test_each_variable_that_aws_documents_can_be_read(name: str) -> None:
    value = context_reader(name)(invocation())
    assert value is None or isinstance(value, (str, int))


def test_a_failed_invocation_says_why() -> None:
    failed = invocation(error=Forbidden('say "no"'))
    assert context_reader("error.message")(failed) == 'say "no"'
    assert context_reader("error.messageString")(failed) == '"say \\"no\\""'
    assert context_reader("error.responseType")(failed) == "ACCESS_DENIED"
    assert context_reader("error.validationErrorString")(failed) is None
    assert context_reader("integration.error")(failed) is None
    refused = invocation(error=BadRequestBody(detail="[x] is no number"))
    assert context_reader("error.validationErrorString")(refused) == "[x] is no number"
    assert context_reader("integration.error")(invocation(error=IntegrationTimeout())) == "Endpoint request timed out"


def test_an_integration_shows_only_when_it_ran() -> None:
    names = ("integration.status", "integration.integrationStatus", "integration.latency", "integrationLatency")
    ran = invocation(integration_status=201, integration_latency=0)
    assert [context_reader(name)(ran) for name in names] == [201, 201, 0, 0]
    assert [context_reader(name)(invocation()) for name in names] == [None] * 4


def test_the_close_code_belongs_to_a_disconnect() -> None:
    gone = invocation(event_type="DISCONNECT", disconnect_code=1001, disconnect_reason="bye")
    assert context_reader("disconnectStatusCode")(gone) == 1001
    assert context_reader("disconnectReason")(gone) == "bye"
    assert context_reader("disconnectStatusCode")(invocation()) is None


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("connectionID", "$context.connectionId"),
        ("identity.sourceIP", "$context.identity.sourceIp"),
        ("authorizer.a b", "$context has no variable"),
        ("authorizer.", "$context has no variable"),
        ("__class__", "list of WebSocket variables"),
        ("", "list of WebSocket variables"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(UnknownVariable) as caught:
        context_reader(name)
    assert hint in str(caught.value)


def test_templates_see_the_context_as_a_whole() -> None:
    context = context_of(invocation(principal=PRINCIPAL))
    for name, value in [*EVERY_MESSAGE, *WITH_AUTHORIZER]:
        found: Any = context
        for key in name.split("."):
            found = found.get(key)
        assert found == value, name
    assert "error" not in context
    assert "disconnectReason" not in context


def test_a_context_without_authorizer_error_or_message() -> None:
    context = context_of(invocation(event_type="CONNECT", user_agent=None))
    assert context["routeKey"] == "$connect"
    assert context["messageId"] is None
    assert context["identity"] == {"userAgent": None, "sourceIp": "203.0.113.9"}
    assert "authorizer" not in context


def test_a_context_of_a_disconnect_and_of_an_error() -> None:
    context = context_of(
        invocation(event_type="DISCONNECT", disconnect_code=1005, disconnect_reason="", error=Forbidden())
    )
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1005, "")
    assert context["error"] == {
        "message": "Forbidden",
        "messageString": '"Forbidden"',
        "responseType": "ACCESS_DENIED",
        "validationErrorString": None,
    }


def test_what_a_template_writes_does_not_stay() -> None:
    entered = invocation(principal=PRINCIPAL)
    context = context_of(entered)
    context["identity"]["sourceIp"] = "changed"
    context["authorizer"]["role"] = "changed"
    assert context_of(entered)["identity"]["sourceIp"] == "203.0.113.9"
    assert context_of(entered)["authorizer"]["role"] == "admin"
