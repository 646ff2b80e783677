"""Where REST and HTTP APIs may be led: not to metadata services, not elsewhere than the definition says.

Check S-40. That nothing was connected to is what the pool of the gateway counts. `tests/integrations/test_egress.py`
has the spellings and the resolver; here they come by way of stage variables, mappings and backends.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import MakeGateway
from tests.harness import bad_backend as bad
from tests.harness.gateway import TestGateway
from tests.harness.raw_http import request, split_responses, talk
from tests.harness.raw_websocket import Response
from tests.harness.rest_api import method, rest_api
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Integration, Route
from wsgw.errors import DefinitionError

KINDS = ["HTTP", "HTTP_PROXY", "HTTP API"]


@pytest.fixture
def lanes() -> bool:
    """What the client's side is does not matter here."""
    return True


def an_api(kind: str, uri: str, variables: dict[str, str] | None = None, **members: Any) -> Api:
    """An API `pets` with one route `GET /{name}`."""
    stage = Stage(name="dev", variables=variables or {})
    if kind != "HTTP API":
        return rest_api(method("GET /{name}", kind, uri, **members), stage=stage)
    integration = Integration(type="HTTP_PROXY", uri=uri, method="ANY", **members)
    key = "GET /{name}"
    return Api(
        id="pets",
        name="pets",
        protocol="HTTP",
        routes={key: Route(key=key, integration=integration)},
        stages={"dev": stage},
    )


async def ask(gateway: TestGateway, path: str = "/x", *headers: tuple[str, str]) -> Response:
    sent = request(f"/pets/dev{path}", "a.example", [*headers, ("Connection", "close")])
    (response,) = split_responses(await talk(gateway.url, sent))
    return response


def connections(gateway: TestGateway) -> int:
    """How many connections to backends have been opened, or tried."""
    return gateway.app._pool.counts().opened


DENIED = [
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "100.100.100.200",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("host", DENIED)
async def test_a_stage_variable_leads_to_no_metadata_service(gateway: TestGateway, kind: str, host: str):
    """S-40"""
    gateway.deploy(an_api(kind, "http://${stageVariables.host}/latest/meta-data/", {"host": host}))
    response = await ask(gateway)
    assert response.status == (503 if kind == "HTTP API" else 504)
    assert connections(gateway) == 0
    assert host.encode() not in response.body


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_what_an_operator_denies_is_denied_in_every_spelling(make_gateway: MakeGateway, kind: str, host: str):
    """S-40"""
    gateway = await make_gateway(egress_deny=("127.0.0.0/8", "::1"))
    async with bad.bad_backend(bad.echo) as backend:
        gateway.deploy(an_api(kind, f"http://${{stageVariables.host}}:{backend.port}/", {"host": host}))
        assert (await ask(gateway)).status == (503 if kind == "HTTP API" else 504)
        assert backend.connections == 0


NO_URLS = [
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "ftp://127.0.0.1/",
    "http://user:secret@127.0.0.1/",
    "http://127.0.0.1:80@169.254.169.254/",
    "http://127.0.0.1\\@169.254.169.254/",
    "//169.254.169.254/",
    "unix:/run/x.sock",
    "http://",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("uri", NO_URLS)
async def test_an_address_that_is_no_plain_http_is_not_deployed(gateway: TestGateway, kind: str, uri: str):
    """S-40"""
    with pytest.raises(DefinitionError):
        gateway.deploy(an_api(kind, uri))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("uri", NO_URLS)
async def test_nor_does_a_stage_variable_make_one(gateway: TestGateway, kind: str, uri: str):
    """S-40: a REST API is deployed, for another stage's variables may be sound, and its requests fail."""
    try:
        gateway.deploy(an_api(kind, "${stageVariables.uri}", {"uri": uri}))
    except DefinitionError:
        return
    assert (await ask(gateway)).status == 500
    assert connections(gateway) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("uri", ["http://{name}/", "http://{name}.example/", "http://127.0.0.1:{name}/", "{name}"])
async def test_no_part_of_a_request_is_a_host(gateway: TestGateway, kind: str, uri: str):
    """S-40: a `{name}` stands in paths and queries alone."""
    parameters = {} if kind == "HTTP API" else {"integration.request.path.name": "method.request.path.name"}
    with pytest.raises(DefinitionError):
        gateway.deploy(an_api(kind, uri, request_parameters=parameters))


HOSTILE_NAMES = [
    "169.254.169.254",
    "@169.254.169.254",
    "%40169.254.169.254",
    ":80@evil",
    "%2F%2Fevil",
    "http:%2F%2Fevil",
    "%3Fx",
    "%23x",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("behind", ["/", "/a", "?q="])
async def test_what_a_client_puts_into_an_address_stays_behind_its_host(
    gateway: TestGateway, kind: str, name: str, behind: str
):
    """S-40"""
    parameters = {} if kind == "HTTP API" else {"integration.request.path.name": "method.request.path.name"}
    async with bad.bad_backend(bad.echo) as backend:
        uri = backend.url.rstrip("/") + behind + "{name}"
        gateway.deploy(an_api(kind, uri, request_parameters=parameters))
        assert (await ask(gateway, f"/{name}")).status == 200
        (sent,) = backend.requests
    assert sent.line.split(b" ")[1].startswith(behind.encode() if behind[0] == "/" else b"/?q=")
    assert f"Host: 127.0.0.1:{backend.port}".encode() in sent.headers


@pytest.mark.parametrize("kind", KINDS)
async def test_a_mapped_host_is_a_header_and_no_destination(gateway: TestGateway, kind: str):
    """S-40"""
    if kind == "HTTP API":
        parameters = {"overwrite:header.host": "$request.querystring.host"}
    else:
        parameters = {"integration.request.header.Host": "method.request.querystring.host"}
    async with bad.bad_backend(bad.echo) as backend:
        gateway.deploy(an_api(kind, backend.url, request_parameters=parameters))
        assert (await ask(gateway, "/x?host=169.254.169.254")).status == 200
        assert b"Host: 169.254.169.254" in backend.requests[0].headers
    assert connections(gateway) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_the_clients_to_follow(gateway: TestGateway, kind: str, status: int):
    """S-40"""
    async with bad.bad_backend(bad.echo) as elsewhere:
        head = f"Location: {elsewhere.url}\r\n".encode()
        said = bad.says_always(bad.answer(b"", f"{status} Elsewhere", head))
        async with bad.bad_backend(said) as backend:
            gateway.deploy(an_api(kind, backend.url))
            response = await ask(gateway)
            assert backend.connections == 1
        assert elsewhere.connections == 0
    if kind != "HTTP":
        assert (response.status, response.header("location")) == (status, elsewhere.url)


async def test_a_name_is_looked_at_with_each_connection(make_gateway: MakeGateway, monkeypatch: pytest.MonkeyPatch):
    """S-40: DNS rebinding. The resolver says something else the second time."""
    gateway = await make_gateway(egress_deny=("127.0.0.2",))
    said = ["127.0.0.1", "127.0.0.2"]

    async def lookup(host: str, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", (said.pop(0), port))]

    async def behaviour(exchange: bad.Exchange) -> None:
        await exchange.request()
        await exchange.send(bad.answer(b"fine", headers=b"Connection: close\r\n"))

    async with bad.bad_backend(behaviour, host="0.0.0.0") as backend:
        monkeypatch.setattr(gateway.app._pool, "_lookup", lookup)
        monkeypatch.setattr(gateway.app._pool, "_dns_ttl", 0)
        gateway.deploy(an_api("HTTP_PROXY", f"http://rebinds.test:{backend.port}/"))
        assert (await ask(gateway)).body == b"fine"
        assert (await ask(gateway)).status == 504
        assert backend.connections == 1
