"""Which address leads to which API and stage, and by what name the gateway calls itself (check S-41).

The name that events say, and the callback URL, are configured or the listener's own. A Host header is repeated only as
far as it named an API in a way that this gateway owns; else whoever connects could send a backend's answers elsewhere.
Source of `https://{domainName}/{stage}` and the host forms: AWS WebSocket developer guide, "Use @connections commands
in your backend service" and "Invoke a WebSocket API".
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway, api, http, mock, route
from tests.harness.raw_http import authority, request
from tests.harness.raw_websocket import HandshakeRefused, RawWebSocket, Response, exchange
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Integration

EXECUTE_API = "execute-api.us-east-1.amazonaws.com"
DOMAINS = mock('{"domain":"$context.domainName","api":"$context.apiId","stage":"$context.stage"}')
WHERE = route("where", DOMAINS, two_way=True)


def staged(id: str, *names: str) -> Api:
    """An API whose route `where` answers which API and stage it is."""
    return api(WHERE, id=id, stages={name: Stage(name=name) for name in names})


async def where(client: RawWebSocket) -> tuple[str, str, str]:
    """API, stage and domain name, as a message's context has them."""
    await client.send_json({"action": "where"})
    answer = await client.receive_json()
    return answer["api"], answer["stage"], answer["domain"]


def hosted(host: str) -> dict[str, Any]:
    return {"headers": [("Host", host)]} if host else {}


async def refusal(gateway: TestGateway, host: str, path: str) -> Response:
    with pytest.raises(HandshakeRefused) as refused:
        await gateway.connect(path, **hosted(host))
    return refused.value.response


# ---- where addresses lead; the port in `{port}` is the gateway's own

FOUR = (
    staged("chat", "prod", "dev"),
    staged("other", "prod"),
    staged("web", "$default"),
    staged("MixedCase", "prod", "test"),
)

LEADS = [
    # A host that names an API: the first segment is the stage.
    pytest.param("chat.localhost", "/prod", ("chat", "prod"), id="api.localhost"),
    pytest.param("chat.localhost:{port}", "/prod", ("chat", "prod"), id="api.localhost-with-the-port"),
    pytest.param("chat.localhost", "/prod/", ("chat", "prod"), id="api.localhost-and-a-slash"),
    pytest.param("other.localhost", "/prod", ("other", "prod"), id="another-api.localhost"),
    pytest.param("CHAT.LocalHost", "/prod", ("chat", "prod"), id="host-names-have-no-case"),
    pytest.param("mixedcase.localhost", "/prod", ("MixedCase", "prod"), id="nor-have-api-ids-in-them"),
    pytest.param(f"chat.{EXECUTE_API}", "/prod", ("chat", "prod"), id="execute-api"),
    pytest.param(f"chat.{EXECUTE_API}:443", "/prod", ("chat", "prod"), id="execute-api-with-a-port"),
    pytest.param("chat.execute-api.localhost", "/prod", ("chat", "prod"), id="execute-api.localhost"),
    pytest.param("chat.execute-api.eu-west-3.amazonaws.com", "/prod", ("chat", "prod"), id="another-region"),
    pytest.param("chat.execute-api.corp.example", "/prod", ("chat", "prod"), id="execute-api-of-ones-own"),
    pytest.param("web.localhost", "/", ("web", "$default"), id="default-stage-has-no-segment"),
    pytest.param(f"web.{EXECUTE_API}", "/", ("web", "$default"), id="default-stage-at-execute-api"),
    # Any other host: the path says all.
    pytest.param("", "/chat/prod", ("chat", "prod"), id="api-and-stage"),
    pytest.param("", "/chat/dev/", ("chat", "dev"), id="api-and-stage-and-a-slash"),
    pytest.param("", "/other/prod", ("other", "prod"), id="another-api-and-stage"),
    pytest.param("", "/MixedCase/test", ("MixedCase", "test"), id="api-ids-in-paths-have-a-case"),
    pytest.param("", "/web", ("web", "$default"), id="api-with-a-default-stage"),
    pytest.param("", "/$default", ("web", "$default"), id="default-stage-by-its-name"),
    pytest.param("unknown.example", "/chat/prod", ("chat", "prod"), id="unknown-host-api-and-stage"),
    pytest.param("chat.example.com", "/other/prod", ("other", "prod"), id="a-label-alone-names-no-api"),
    pytest.param("nobody.localhost", "/chat/prod", ("chat", "prod"), id="unknown-api.localhost"),
    pytest.param("", "/dev", ("chat", "dev"), id="a-stage-that-one-api-has"),
    pytest.param("unknown.example", "/dev", ("chat", "dev"), id="unknown-host-and-a-stage-that-one-api-has"),
    pytest.param("127.0.0.1", "/test", ("MixedCase", "test"), id="address-and-a-stage-that-one-api-has"),
]


@pytest.mark.parametrize(("host", "path", "place"), LEADS)
async def test_an_address_leads_to(gateway: TestGateway, host: str, path: str, place: tuple[str, str]):
    gateway.deploy(*FOUR)
    port = authority(gateway.url).rpartition(":")[2]
    client = await gateway.connect(path, **hosted(host.replace("{port}", port)))
    assert (await where(client))[:2] == place


LEADS_NOWHERE = [
    pytest.param("", "/prod", id="a-stage-that-two-apis-have"),
    pytest.param("", "/", id="nothing"),
    pytest.param("", "/mixedcase/test", id="api-id-in-another-case"),
    pytest.param("chat.localhost", "/", id="host-without-a-stage"),
    pytest.param("chat.localhost", "/chat/prod", id="api-said-twice"),
    pytest.param("chat.localhost", "/other/prod", id="host-says-another-api-than-the-path"),
    pytest.param("other.localhost", "/dev", id="stage-of-another-api"),
    pytest.param(f"chat.{EXECUTE_API}", "/nothing", id="unknown-stage"),
    pytest.param("web.localhost", "/more", id="more-than-a-default-stage"),
    pytest.param("a.chat.localhost", "/prod", id="subdomain-of-an-api"),
    pytest.param("chat.localhost.evil.example", "/prod", id="api.localhost-as-a-subdomain"),
    pytest.param("chatlocalhost", "/prod", id="no-dot"),
]


@pytest.mark.parametrize(("host", "path"), LEADS_NOWHERE)
async def test_an_address_leads_nowhere(gateway: TestGateway, host: str, path: str):
    gateway.deploy(*FOUR)
    response = await refusal(gateway, host, path)
    assert (response.status, response.body) == (403, b'{"message":"Forbidden"}')
    assert gateway.connections == []


async def test_a_second_api_with_the_stage_makes_its_short_address_ambiguous(gateway: TestGateway):
    gateway.deploy(staged("one", "live"))
    first = await gateway.connect("/live")
    gateway.deploy(staged("one", "live"), staged("two", "live"))
    assert (await refusal(gateway, "", "/live")).status == 403
    assert (await where(await gateway.connect("/two/live")))[:2] == ("two", "live")
    # Who is in stays in, where it is.
    assert (await where(first))[:2] == ("one", "live")
    gateway.deploy(staged("two", "live"))
    assert (await where(await gateway.connect("/live")))[:2] == ("two", "live")


async def test_an_api_that_is_called_as_another_ones_stage_hides_nothing(gateway: TestGateway):
    gateway.deploy(staged("chat", "prod"), staged("prod", "dev"))
    assert (await where(await gateway.connect("/prod")))[:2] == ("chat", "prod")
    assert (await where(await gateway.connect("/prod/dev")))[:2] == ("prod", "dev")


# ---- the name in events


class Recorder:
    """A Python handler that lets everybody in and keeps the events."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    async def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        self.events.append(event)
        return {"statusCode": 200}


RECORDED = tuple(
    route(key, Integration(type="PYTHON", uri="recorder")) for key in ("$connect", "$disconnect", "$default")
)


async def names_in_all_events(gateway: TestGateway, host: str, path: str) -> set[str]:
    """The domain name that CONNECT, MESSAGE and DISCONNECT say, of a client that comes by `host` and goes."""
    recorder = Recorder()
    gateway.serve(*RECORDED, WHERE, handlers={"recorder": recorder})
    client = await gateway.connect(path, **hosted(host))
    await client.send_text("hello")
    in_template = (await where(client))[2]
    await client.close()
    await gateway.stop()
    assert [event["requestContext"]["eventType"] for event in recorder.events] == ["CONNECT", "MESSAGE", "DISCONNECT"]
    assert recorder.events[2]["headers"]["Host"] == recorder.events[2]["requestContext"]["domainName"]
    return {event["requestContext"]["domainName"] for event in recorder.events} | {in_template}


REPEATED = [
    pytest.param("chat.localhost", "chat.localhost", id="api.localhost"),
    pytest.param("chat.localhost:{port}", "chat.localhost:{port}", id="api.localhost-with-the-port"),
    pytest.param("Chat.LOCALHOST", "chat.localhost", id="in-lower-case"),
    pytest.param(f"chat.{EXECUTE_API}", f"chat.{EXECUTE_API}", id="execute-api"),
    pytest.param("chat.execute-api.localhost:{port}", "chat.execute-api.localhost:{port}", id="execute-api.localhost"),
]


@pytest.mark.parametrize(("host", "name"), REPEATED)
async def test_a_host_of_this_gateway_is_the_domain_name(gateway: TestGateway, host: str, name: str):
    port = authority(gateway.url).rpartition(":")[2]
    names = await names_in_all_events(gateway, host.replace("{port}", port), "/prod")
    assert names == {name.replace("{port}", port)}


async def test_the_region_of_execute_api_hosts_is_a_setting(make_gateway: MakeGateway):
    gateway = await make_gateway(region="eu-central-1")
    host = "chat.execute-api.eu-central-1.amazonaws.com"
    assert await names_in_all_events(gateway, host, "/prod") == {host}


SPOOFED = [
    pytest.param("evil.example", "/prod", "{own}", id="foreign"),
    pytest.param("evil.example:{port}", "/chat/prod", "{own}", id="foreign-with-the-port"),
    pytest.param("169.254.169.254", "/prod", "{own}", id="address-inside-a-cloud"),
    pytest.param("localhost:6379", "/prod", "{own}", id="a-service-beside-us"),
    pytest.param("[::1]", "/prod", "{own}", id="ipv6-address"),
    pytest.param("evil.localhost", "/prod", "{own}", id="unknown-api.localhost"),
    pytest.param("chat.localhost.evil.example", "/prod", "{own}", id="api.localhost-as-a-subdomain"),
    pytest.param("chat.execute-api.evil.example", "/prod", "{own}", id="execute-api-of-somebody-else"),
    pytest.param(f"chat.{EXECUTE_API}.evil.example", "/prod", "{own}", id="execute-api-as-a-subdomain"),
    pytest.param("chat.execute-api.eu-west-3.amazonaws.com", "/prod", "{own}", id="execute-api-of-another-region"),
    pytest.param(f"evil.{EXECUTE_API}", "/prod", "{own}", id="execute-api-of-an-unknown-api"),
    pytest.param("chat.localhost:6666", "/prod", "chat.localhost:{port}", id="another-port"),
    pytest.param("chat.localhost:", "/prod", "chat.localhost:{port}", id="empty-port"),
    pytest.param("chat.localhost:x", "/prod", "chat.localhost:{port}", id="port-that-is-none"),
    pytest.param(f"chat.{EXECUTE_API}:6666", "/prod", f"chat.{EXECUTE_API}:{{port}}", id="another-port-of-execute-api"),
]


@pytest.mark.parametrize(("host", "path", "name"), SPOOFED)
async def test_a_spoofed_host_is_not_the_domain_name(gateway: TestGateway, host: str, path: str, name: str):
    own = authority(gateway.url)
    port = own.rpartition(":")[2]
    names = await names_in_all_events(gateway, host.replace("{port}", port), path)
    assert names == {name.replace("{own}", own).replace("{port}", port)}


@pytest.mark.parametrize(
    "headers",
    [
        [("Host", "evil.example")],
        [("Host", f"chat.{EXECUTE_API}:6666")],
        [("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https")],
        [("Forwarded", "host=evil.example;proto=https")],
        [("X-Host", "evil.example"), ("X-Original-URL", "http://evil.example/prod")],
        [("Wsgw-Callback-Url", "http://evil.example/"), ("wsgw-connection-id", "evil")],
    ],
    ids=["host", "host-and-port", "x-forwarded-host", "forwarded", "others", "our-own-headers"],
)
async def test_nothing_that_a_client_sends_changes_the_callback_url(
    gateway: TestGateway, backend: Backend, headers: list[tuple[str, str]]
):
    gateway.serve(*(route(key, http(f"{backend.url}/{key[1:]}")) for key in ("$connect", "$disconnect", "$default")))
    client = await gateway.connect(headers=headers)
    id = gateway.connections[0].id.replace("=", "%3D")
    await client.send_text("hello")
    await backend.wait_for("/default")
    await client.close()
    await backend.wait_for("/disconnect")
    told = [
        [value for name, value in received.headers if name.lower() == "wsgw-callback-url"]
        for received in backend.requests
    ]
    assert told == [[f"{gateway.url}/chat/prod/@connections/{id}"]] * 3


# ---- public_url

PUBLIC = [
    pytest.param("https://chat.example.com", "chat.example.com", "https://chat.example.com", id="host"),
    pytest.param("https://chat.example.com/", "chat.example.com", "https://chat.example.com", id="slash-behind"),
    pytest.param("http://10.1.2.3:9000", "10.1.2.3:9000", "http://10.1.2.3:9000", id="address-and-port"),
    pytest.param("https://example.com/gw", "example.com", "https://example.com/gw", id="path"),
    pytest.param("http://[2001:db8::1]:9000", "[2001:db8::1]:9000", "http://[2001:db8::1]:9000", id="ipv6"),
]


@pytest.mark.parametrize(("public", "name", "base"), PUBLIC)
@pytest.mark.parametrize("host", ["", "evil.example"])
async def test_the_public_url_is_the_name_for_all_who_come_by_another(
    make_gateway: MakeGateway, backend: Backend, public: str, name: str, base: str, host: str
):
    gateway = await make_gateway(public_url=public)
    gateway.serve(route("$connect", http(f"{backend.url}/connect")), WHERE)
    client = await gateway.connect(**hosted(host))
    assert (await where(client))[2] == name
    id = gateway.connections[0].id.replace("=", "%3D")
    assert backend.requests[0].header("Wsgw-Callback-Url") == f"{base}/chat/prod/@connections/{id}"


@pytest.mark.parametrize(
    ("public", "host", "name"),
    [
        pytest.param("https://example.com", "chat.localhost", "chat.localhost", id="no-port"),
        pytest.param("http://example.com:9000", "chat.localhost:9000", "chat.localhost:9000", id="the-public-port"),
        pytest.param("http://example.com:9000", "chat.localhost:6666", "chat.localhost:9000", id="another-port"),
        pytest.param("https://example.com", "chat.localhost:443", "chat.localhost", id="the-default-port"),
    ],
)
async def test_a_host_of_this_gateway_has_the_public_urls_port(
    make_gateway: MakeGateway, public: str, host: str, name: str
):
    gateway = await make_gateway(public_url=public)
    assert await names_in_all_events(gateway, host, "/prod") == {name}


# ---- callback URLs work


async def push(url: str, host: str = "") -> Response:
    """POST `hello` to `url`; `host` where the name in it is not to be resolved."""
    parts = urlsplit(url)
    return await exchange(url, request(parts.path, host or parts.netloc, body=b"hello", method="POST"))


async def test_the_callback_url_reaches_the_connection(gateway: TestGateway, backend: Backend):
    gateway.serve(route("$connect", http(f"{backend.url}/connect")))
    client = await gateway.connect()
    assert (await push(backend.requests[0].header("Wsgw-Callback-Url") or "")).status == 200
    assert await client.receive() == b"hello"


@pytest.mark.parametrize("host", ["", "chat.localhost", "chat.localhost:{port}", "evil.example"])
async def test_a_callback_url_built_as_aws_code_builds_it_reaches_the_connection(gateway: TestGateway, host: str):
    recorder = Recorder()
    gateway.deploy(
        api(*RECORDED, id="chat"),
        api(WHERE, id="other", stages={"prod": Stage(name="prod")}),
        handlers={"recorder": recorder},
    )
    port = authority(gateway.url).rpartition(":")[2]
    path = "/prod" if host.startswith("chat.") else "/chat/prod"
    client = await gateway.connect(path, **hosted(host.replace("{port}", port)))
    context = recorder.events[0]["requestContext"]
    id = context["connectionId"].replace("=", "%3D")
    path = f"/{context['stage']}/@connections/{id}"
    # Sent to the gateway's own socket, as a name that resolves to it would.
    response = await push(gateway.url + path, host=context["domainName"])
    assert response.status == 200
    assert await client.receive() == b"hello"


REACHES = [
    pytest.param("", "/chat/prod", 200, id="api-and-stage"),
    pytest.param("", "/prod", 200, id="stage-that-two-apis-have: the-connection-id-says-which"),
    pytest.param("chat.localhost", "/prod", 200, id="api.localhost"),
    pytest.param(f"chat.{EXECUTE_API}", "/prod", 200, id="execute-api"),
    pytest.param("unknown.example", "/chat/prod", 200, id="unknown-host"),
    pytest.param("", "/other/prod", 403, id="another-api-in-the-path"),
    pytest.param("other.localhost", "/prod", 403, id="another-api-in-the-host"),
    pytest.param("", "/nothing/prod", 403, id="unknown-api"),
    pytest.param("chat.localhost", "/nothing", 403, id="unknown-stage"),
    pytest.param("chat.localhost", "/chat/prod", 403, id="api-said-twice"),
]


@pytest.mark.parametrize(("host", "prefix", "status"), REACHES)
async def test_connections_are_behind_every_address_of_their_api_and_no_other(
    gateway: TestGateway, host: str, prefix: str, status: int
):
    gateway.deploy(*FOUR)
    client = await gateway.connect("/chat/prod")
    id = gateway.connections[0].id.replace("=", "%3D")
    response = await push(f"{gateway.url}{prefix}/@connections/{id}", host=host)
    assert response.status == status
    gateway.connections[0].send(b"the next one")
    expected = [b"hello", b"the next one"] if status == 200 else [b"the next one"]
    assert [await client.receive() for _ in expected] == expected


async def test_with_tls_callback_urls_are_https(make_gateway: MakeGateway, backend: Backend, tmp_path: Path):
    authority_of_tests = trustme.CA()
    certificate = authority_of_tests.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate.private_key_pem.write_to_path(key)
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(chain, append=True)
    gateway = await make_gateway(tls_cert=str(chain), tls_key=str(key))
    gateway.serve(route("$connect", http(f"{backend.url}/connect")), WHERE)
    assert gateway.url.startswith("https://")
    trusting = ssl.create_default_context()
    authority_of_tests.configure_trust(trusting)
    client = await gateway.connect(tls=trusting, headers=[("X-Forwarded-Proto", "http")])
    (received,) = backend.requests
    assert (received.header("Wsgw-Callback-Url") or "").startswith(f"{gateway.url}/chat/prod/@connections/")
    assert received.header("X-Forwarded-Proto") == "https"
    assert (await where(client))[2] == authority(gateway.url)
