"""Where services are found, as whom they are called, and what is said where either is not to be found out."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.aws_services import aws_environment, aws_services, client
from wsgw.errors import GatewayError, IntegrationFailure, IntegrationTimeout
from wsgw.integrations import aws_services as aws_services_module
from wsgw.integrations.aws_actions import AwsActions
from wsgw.integrations.aws_service import AwsIntegration
from wsgw.integrations.aws_services import AwsServices
from wsgw.integrations.http_pool import HttpPool
from wsgw.invocation import IntegrationRequest, Reply


class Sent:
    """Stands in for the pool: keeps what would be sent, and where to."""

    def __init__(self) -> None:
        self.url = self.authority = ""
        self.lines = b""
        self.body = b""

    def target(self, url: str) -> Sent:
        self.url = url
        self.authority = url.split("/")[2]
        return self

    async def send_to(self, _target: Any, _verb: str, lines: bytes, body: bytes, _timeout: float) -> Reply:
        self.lines, self.body = lines, body
        return Reply(200, b"{}")

    @property
    def scope(self) -> str:
        """Region and service of the signature."""
        return "/".join(self.lines.decode().partition("Credential=")[2].split("/")[2:4])


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    aws_environment(monkeypatch)
    return Sent()


@pytest.fixture
def services(sent: Sent) -> AwsServices:
    return AwsServices(sent)  # type: ignore[arg-type]


def request(uri: str, method: str = "POST", body: bytes = b"{}", timeout: float = 10) -> IntegrationRequest:
    return IntegrationRequest(method, f"arn:aws:apigateway:{uri}", (), body, timeout)


ENDPOINTS = [
    ("eu-west-1:dynamodb:action/PutItem", "https://dynamodb.eu-west-1.amazonaws.com/", "eu-west-1/dynamodb"),
    ("eu-west-1:states:action/StartExecution", "https://states.eu-west-1.amazonaws.com/", "eu-west-1/states"),
    ("us-east-1:s3:path/b/k", "https://s3.us-east-1.amazonaws.com/b/k", "us-east-1/s3"),
    ("us-east-1:bucket.s3:path/k", "https://bucket.s3.us-east-1.amazonaws.com/k", "us-east-1/s3"),
    ("us-east-1:abc.execute-api:path/p", "https://abc.execute-api.us-east-1.amazonaws.com/p", "us-east-1/execute-api"),
    (
        "eu-west-1:runtime.sagemaker:path/endpoints/e/invocations",
        "https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/e/invocations",
        "eu-west-1/sagemaker",
    ),
    ("eu-west-1:email:action/SendEmail", "https://email.eu-west-1.amazonaws.com/", "eu-west-1/ses"),
    ("eu-west-1:iam:action/ListUsers", "https://iam.amazonaws.com/", "us-east-1/iam"),
    ("cn-north-1:sqs:path/1/q", "https://sqs.cn-north-1.amazonaws.com.cn/1/q", "cn-north-1/sqs"),
    ("eu-west-1:brandnew:path/x", "https://brandnew.eu-west-1.amazonaws.com/x", "eu-west-1/brandnew"),
]


@pytest.mark.parametrize(("uri", "url", "scope"), ENDPOINTS)
async def test_a_service_is_at_its_regional_endpoint_and_signed_for(services, sent, uri, url, scope):
    """The form {subdomain.service|service} of URIs."""
    await AwsIntegration(services).invoke(request(uri))
    assert (sent.url, sent.scope) == (url, scope)


async def test_start_sync_execution_is_called_at_its_own_host(services, sent):
    await AwsActions(services).call("StepFunctions", "StartSyncExecution", {"StateMachineArn": "a"}, "us-east-1", 5)
    assert sent.url == "https://sync-states.us-east-1.amazonaws.com/"


@pytest.mark.parametrize(
    ("variables", "base"),
    [
        ({"AWS_ENDPOINT_URL": "http://all:1"}, "http://all:1/b/k"),
        ({"AWS_ENDPOINT_URL": "http://all:1", "AWS_ENDPOINT_URL_S3": "http://s3:2/base/"}, "http://s3:2/base/b/k"),
        ({"AWS_ENDPOINT_URL_SQS": "http://sqs:1"}, "https://s3.eu-west-1.amazonaws.com/b/k"),
        (
            {"AWS_ENDPOINT_URL": "http://all:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "https://s3.eu-west-1.amazonaws.com/b/k",
        ),
    ],
)
async def test_the_environment_says_where_services_are(services, sent, monkeypatch, variables, base):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    await AwsIntegration(services).invoke(request("eu-west-1:s3:path/b/k"))
    assert sent.url == base


async def test_the_profile_says_where_services_are(services, sent, monkeypatch, tmp_path):
    config = tmp_path / "config"
    config.write_text(
        "[default]\nservices = here\nendpoint_url = http://rest:1\n\n"
        "[services here]\neventbridge =\n  endpoint_url = http://bus:2\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    await AwsIntegration(services).invoke(request("eu-west-1:events:action/PutEvents"))
    assert sent.url == "http://bus:2/"
    await AwsIntegration(services).invoke(request("eu-west-1:sqs:path/1/q"))
    assert sent.url == "http://rest:1/1/q"


async def test_a_profile_has_credentials(services, sent, monkeypatch, tmp_path):
    keys = tmp_path / "credentials"
    keys.write_text("[shop]\naws_access_key_id = AKIDSHOP\naws_secret_access_key = s\naws_session_token = token\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    monkeypatch.setenv("AWS_PROFILE", "shop")
    await AwsIntegration(services).invoke(request("eu-west-1:sqs:path/1/q"))
    assert b"Credential=AKIDSHOP/" in sent.lines
    assert b"X-Amz-Security-Token: token\r\n" in sent.lines


async def test_headers_that_the_signature_says_are_not_a_mappings_to_say(services, sent):
    mapped = (("Host", "evil"), ("X-Amz-Date", "never"), ("Authorization", "mine"), ("X-Other", "kept"))
    one = IntegrationRequest("POST", "arn:aws:apigateway:eu-west-1:sqs:path/1/q", mapped, b"{}", 5)
    await AwsIntegration(services).invoke(one)
    lines = sent.lines.decode()
    assert "evil" not in lines
    assert "never" not in lines
    assert lines.count("Authorization:") == 1
    assert "X-Other: kept\r\n" in lines
    assert "Content-Type: application/json\r\n" in lines


# ---- what goes wrong: the log names the remedy, the client gets 500


async def failed(services: AwsServices, uri: str, timeout: float = 10) -> GatewayError:
    with pytest.raises(GatewayError) as raised:
        await AwsIntegration(services).invoke(request(uri, timeout=timeout))
    return raised.value


async def test_without_credentials_the_remedy_is_named(services, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    error = await failed(services, "eu-west-1:sqs:path/1/q")
    assert (error.status, error.message) == (500, "Internal server error")
    assert "AWS_ACCESS_KEY_ID" in error.detail


async def test_credentials_that_come_later_are_found_then(services, sent, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    await failed(services, "eu-west-1:sqs:path/1/q")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDLATE")
    await AwsIntegration(services).invoke(request("eu-west-1:sqs:path/1/q"))
    assert b"Credential=AKIDLATE/" in sent.lines


async def test_without_a_region_the_remedy_is_named(services, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(GatewayError) as raised:
        await AwsActions(services).call("SQS", "PurgeQueue", {"QueueUrl": "http://q"}, "", 5)
    assert "AWS_DEFAULT_REGION" in raised.value.detail


async def test_a_profile_that_is_not_there_is_named(services, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nosuch")
    error = await failed(services, "eu-west-1:sqs:path/1/q")
    assert error.status == 500
    assert "nosuch" in error.detail


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    one = HttpPool()
    yield one
    await one.close()


async def test_a_service_that_is_away_is_an_integration_failure(pool, monkeypatch):
    aws_environment(monkeypatch, "http://127.0.0.1:9")
    error = await failed(AwsServices(pool), "eu-west-1:sqs:path/1/q")
    assert isinstance(error, IntegrationFailure)


async def test_waiting_for_credentials_counts_for_the_deadline(services, monkeypatch):
    async def never() -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(services, "_own_credentials", never)
    error = await failed(services, "eu-west-1:sqs:path/1/q", timeout=0.05)
    assert isinstance(error, IntegrationTimeout)


async def test_all_who_wait_share_one_attempt_which_goes_on_when_one_goes_away(services, sent, monkeypatch):
    made: list[int] = []
    real = aws_services_module._new_session
    monkeypatch.setattr(aws_services_module, "_new_session", lambda: (made.append(1), real())[1])
    calls = [asyncio.create_task(AwsIntegration(services).invoke(request("eu-west-1:sqs:path/1/q"))) for _ in range(5)]
    await asyncio.sleep(0)
    calls[0].cancel()
    replies = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(replies[0], asyncio.CancelledError)
    assert [reply.status for reply in replies[1:] if isinstance(reply, Reply)] == [200] * 4
    assert made == [1]


async def test_closing_ends_what_is_looked_up(services, monkeypatch):
    async def never() -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(services, "_find_credentials", never)
    call = asyncio.create_task(AwsIntegration(services).invoke(request("eu-west-1:sqs:path/1/q")))
    while "credentials" not in services._under_way:
        await asyncio.sleep(0.001)
    await services.close()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not services._under_way


# ---- roles


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with aws_services() as url:
        yield url


ROLE = "arn:aws:iam::123456789012:role/shop"


class Recording(HttpPool):
    """A pool that keeps the header lines of what it sends."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    async def send_to(self, target: Any, verb: str, headers: bytes, *rest: Any, **more: Any) -> Any:
        self.sent.append(headers)
        return await super().send_to(target, verb, headers, *rest, **more)


async def as_role(aws: str, monkeypatch: pytest.MonkeyPatch, assume_roles: bool, now: list[float]) -> Recording:
    """What two calls as ROLE send."""
    aws_environment(monkeypatch, aws)
    url = client("sqs", aws).create_queue(QueueName="q")["QueueUrl"]
    pool = Recording()
    services = AwsServices(pool, assume_roles=assume_roles, now=lambda: now[0])
    integration = AwsIntegration(services, ROLE)
    for _ in range(2):
        reply = await integration.invoke(
            request("eu-central-1:sqs:action/ReceiveMessage", body=f'{{"QueueUrl": "{url}"}}'.encode())
        )
        assert reply.status == 200
        now[0] += 3400
    await pool.close()
    return pool


async def test_a_role_is_assumed_where_the_settings_say_so_and_again_before_it_ends(aws, monkeypatch):
    pool = await as_role(aws, monkeypatch, True, [time.time()])
    keys = [lines.partition(b"Credential=")[2].partition(b"/")[0] for lines in pool.sent]
    assert [b"/sts/" in lines for lines in pool.sent] == [True, False, True, False]
    assert keys[0] == keys[2] == b"AKIDEXAMPLE"
    assert b"AKIDEXAMPLE" not in (keys[1], keys[3])
    assert b"X-Amz-Security-Token" in pool.sent[1]


async def test_a_role_is_not_assumed_unless_the_settings_say_so(aws, monkeypatch, caplog):
    """The log says so once."""
    pool = await as_role(aws, monkeypatch, False, [1_800_000_000])
    assert all(b"Credential=AKIDEXAMPLE/" in lines for lines in pool.sent)
    assert len(pool.sent) == 2
    assert [ROLE in message and "assume_roles" in message for message in caplog.messages] == [True]


def test_the_sdk_is_not_imported_before_a_service_is_called():
    code = (
        "import sys, wsgw.integrations.aws_service, wsgw.integrations.aws_actions, wsgw.integrations.rest_events;"
        "sys.exit(sum(name.partition('.')[0] in ('botocore', 'aiobotocore') for name in sys.modules))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, env=dict(os.environ), check=False).returncode == 0
