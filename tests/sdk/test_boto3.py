"""The AWS SDK for Python, unmodified, against @connections: T-08."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.authorizers.sigv4_signing import KEY
from tests.harness.gateway import TestGateway, api, mock, route
from tests.harness.management import fill
from tests.sdk.conftest import Authority, Guarded, connected
from wsgw import ids
from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import Stage

PING = route("ping", mock('{"pong":true}'), two_way=True)
STAGES = {name: Stage(name=name) for name in ("prod", "test")}


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    return boto3.Session(KEY.access_key_id, KEY.secret, region_name="us-east-1")


@pytest.fixture
async def gateway(make_guarded: Guarded) -> TestGateway:
    one = await make_guarded(outbox_bytes=1024)
    one.deploy(api(PING, stages=STAGES))
    return one


@pytest.fixture
def management(gateway: TestGateway, session: boto3.Session, authority: Authority, in_environment: None) -> Any:
    """Makes clients for an endpoint, by default the stage's; closes them in the end."""
    made = []

    def make(base: str = "/prod", *, host: str | None = None, key: AccessKey = KEY, **options: Any) -> Any:
        options = {"retries": {"max_attempts": 0}, "read_timeout": 10, **options}
        endpoint = gateway.url.replace("127.0.0.1", host) if host else gateway.url
        client = session.client(
            "apigatewaymanagementapi",
            endpoint_url=endpoint + base,
            verify=authority.file,
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret,
            config=Config(**options),
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


async def status(call: Any, **members: Any) -> int:
    """The HTTP status of a call that works."""
    answer = await asyncio.to_thread(call, **members)
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


async def failure(call: Any, **members: Any) -> ClientError:
    """The error of a call that doesn't."""
    with pytest.raises(ClientError) as error:
        await asyncio.to_thread(call, **members)
    return error.value


def unknown_id() -> str:
    return ids.connection_id("beef", ids.api_tag("chat"))


async def test_post_get_and_delete_do_what_they_do_on_the_service(
    gateway: TestGateway, authority: Authority, management: Any
):
    client, id = await connected(gateway, authority)
    sdk = management()
    assert await status(sdk.post_to_connection, ConnectionId=id, Data="Grüße".encode()) == 200
    assert await client.receive_text() == "Grüße"

    facts = await asyncio.to_thread(sdk.get_connection, ConnectionId=id)
    assert facts["Identity"]["SourceIp"] == "127.0.0.1"
    assert facts["LastActiveAt"] >= facts["ConnectedAt"]
    assert abs((datetime.now(UTC) - facts["ConnectedAt"]).total_seconds()) < 60
    metadata = facts["ResponseMetadata"]
    assert metadata["RequestId"] == metadata["HTTPHeaders"]["x-amzn-requestid"]

    assert await status(sdk.delete_connection, ConnectionId=id) == 204
    assert await client.receive_close() == (1000, "Connection Closed Normally")
    for call in (sdk.get_connection, sdk.delete_connection):
        assert isinstance(await failure(call, ConnectionId=id), sdk.exceptions.GoneException)


ENDPOINTS = [
    pytest.param("/prod", None, id="stage"),
    pytest.param("/prod/", None, id="stage-and-a-slash"),
    pytest.param("/chat/prod", None, id="api-and-stage"),
    pytest.param("/prod", "chat.localhost", id="api-as-host"),
    pytest.param("/test", None, id="another-stage-of-the-api"),
]


@pytest.mark.parametrize(("base", "host"), ENDPOINTS)
async def test_every_form_of_the_endpoint_works(
    gateway: TestGateway,
    authority: Authority,
    management: Any,
    monkeypatch: pytest.MonkeyPatch,
    base: str,
    host: str | None,
):
    resolve = socket.getaddrinfo

    def with_subdomains_of_localhost(name: Any, *rest: Any, **options: Any) -> Any:
        # RFC 6761 says where they lead; not every C library knows.
        return resolve("127.0.0.1" if name == "chat.localhost" else name, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", with_subdomains_of_localhost)
    client, id = await connected(gateway, authority)
    sdk = management(base, host=host)
    assert await status(sdk.post_to_connection, ConnectionId=id, Data=b"hello") == 200
    assert await client.receive_text() == "hello"
    assert await status(sdk.get_connection, ConnectionId=id) == 200
    assert await status(sdk.delete_connection, ConnectionId=id) == 204


async def test_data_may_be_text_or_nothing_as_well(gateway: TestGateway, authority: Authority, management: Any):
    client, id = await connected(gateway, authority)
    sdk = management()
    for data, text in (("Grüße", "Grüße"), (b"", ""), (bytearray(b"bytes"), "bytes"), (b"\xff", "\ufffd")):
        assert await status(sdk.post_to_connection, ConnectionId=id, Data=data) == 200
        assert await client.receive_text() == text


async def test_the_largest_payload_arrives_and_a_larger_one_is_code_413(
    gateway: TestGateway, authority: Authority, management: Any
):
    client, id = await connected(gateway, authority)
    sdk = management()
    assert await status(sdk.post_to_connection, ConnectionId=id, Data=b"x" * 131_072) == 200
    assert len(await client.receive()) == 131_072
    for size in (131_073, 4_000_000):
        error = (await failure(sdk.post_to_connection, ConnectionId=id, Data=b"x" * size)).response
        assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("413", 413)
    assert await status(sdk.get_connection, ConnectionId=id) == 200


@pytest.mark.parametrize("method", ["post_to_connection", "get_connection", "delete_connection"])
async def test_a_connection_that_is_gone_raises_gone_exception(management: Any, method: str):
    sdk = management()
    members = {"Data": b"hello"} if method == "post_to_connection" else {}
    error = await failure(getattr(sdk, method), ConnectionId=unknown_id(), **members)
    assert isinstance(error, sdk.exceptions.GoneException)
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 410


async def test_what_is_no_id_is_a_bad_request(management: Any):
    sdk = management()
    error = (await failure(sdk.get_connection, ConnectionId="no/id =?")).response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("BadRequestException", 400)
    assert error["Error"]["Message"] == "Invalid connectionId: no/id =?"


@pytest.mark.parametrize("base", ["/staging", "/other/prod", ""])
async def test_a_wrong_endpoint_raises_forbidden_exception(
    gateway: TestGateway, authority: Authority, management: Any, base: str
):
    _, id = await connected(gateway, authority)
    sdk = management(base)
    error = await failure(sdk.post_to_connection, ConnectionId=id, Data=b"hello")
    assert isinstance(error, sdk.exceptions.ForbiddenException)
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403


STRANGERS = [
    pytest.param(AccessKey(access_key_id="AKIDOTHER", secret="x"), "UnrecognizedClientException", id="an-unknown-key"),
    pytest.param(
        AccessKey(access_key_id=KEY.access_key_id, secret="x"), "InvalidSignatureException", id="another-secret"
    ),
]


@pytest.mark.parametrize(("key", "code"), STRANGERS)
async def test_a_stranger_is_told_so(
    gateway: TestGateway, authority: Authority, management: Any, key: AccessKey, code: str
):
    _, id = await connected(gateway, authority)
    error = (await failure(management(key=key).get_connection, ConnectionId=id)).response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, 403)


async def test_a_client_that_does_not_read_raises_limit_exceeded_exception(
    gateway: TestGateway, authority: Authority, management: Any
):
    slow = await gateway.connect("/prod", tls=authority.context, limit=1024)
    (connection,) = gateway.connections
    await fill(gateway, connection.id)
    sdk = management()
    error = await failure(sdk.post_to_connection, ConnectionId=connection.id, Data=b"x" * 65_536)
    assert isinstance(error, sdk.exceptions.LimitExceededException)
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    slow.reset()


async def test_one_client_pushes_again_and_again_over_one_connection(
    gateway: TestGateway, authority: Authority, management: Any
):
    client, id = await connected(gateway, authority)
    sdk = management(max_pool_connections=1, retries={"max_attempts": 0})

    def push_all() -> None:
        for number in range(50):
            sdk.post_to_connection(ConnectionId=id, Data=str(number).encode())

    await asyncio.to_thread(push_all)
    assert [await client.receive_text() for _ in range(50)] == [str(number) for number in range(50)]


async def test_the_sdks_own_retries_do_not_send_twice(gateway: TestGateway, authority: Authority, management: Any):
    client, id = await connected(gateway, authority)
    sdk = management(retries={"mode": "standard", "max_attempts": 5})
    assert await status(sdk.post_to_connection, ConnectionId=id, Data=b"once") == 200
    assert isinstance(await failure(sdk.get_connection, ConnectionId=unknown_id()), sdk.exceptions.GoneException)
    assert await client.receive_text() == "once"
    assert await client.close() == (1000, "")
