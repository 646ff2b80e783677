"""Custom domain names: which mapping a path takes, what the API then sees, and TLS of their own.

Source: developer guide, "Use API mappings to connect API stages to a custom domain name", "Wildcard custom domain
names", "How to turn on mutual TLS authentication for your REST APIs".
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway, api, mock, route
from tests.harness.http_api import answer, http_api
from tests.harness.pace import SLOWER
from tests.harness.raw_http import request
from tests.harness.raw_websocket import RawSocket, Response, open_socket
from wsgw.definitions.api import Api, ApiMapping, DomainName, Stage
from wsgw.errors import DefinitionError
from wsgw.invocation import HttpInvocation, Reply


def says(invocation: HttpInvocation) -> Reply:
    """What the API sees of the request."""
    said = [
        invocation.site.api_id,
        invocation.rest,
        invocation.path,
        invocation.base_path,
        invocation.caller.domain_name,
    ]
    return Reply(200, " ".join(part or "-" for part in said).encode())


def mapping(api_id: str, key: str = "", stage: str = "$default") -> ApiMapping:
    return ApiMapping(api_id=api_id, stage=stage, key=key)


def domain(name: str, *mappings: ApiMapping, **members: str) -> DomainName:
    return DomainName(name=name, mappings=mappings, **members)


def default(id: str) -> Api:
    return http_api("$default", id=id, protocol="HTTP", stage="$default")


def deploy(gateway: TestGateway, *names: DomainName, apis: tuple[Api, ...]) -> None:
    gateway.app.deploy(apis, domain_names=names)
    for one in apis:
        for stage in one.stages:
            if one.protocol == "HTTP":
                answer(gateway, "$default", says, api=one.id, stage=stage)
            elif one.protocol == "REST":
                answer(gateway, "GET /{proxy+}", says, api=one.id, stage=stage)


async def ask(gateway: TestGateway, host: str, path: str, tls: ssl.SSLContext | None = None) -> Response:
    async with await open_socket(gateway.url, tls) as client:
        await client.send(request(path, host))
        return await client.receive_response()


# ---- mappings

FOUR = domain(
    "api.example.com",
    mapping("api1"),
    mapping("api2", "orders/v1/items"),
    mapping("api3", "orders/v2/items"),
    mapping("api4", "orders/v2/items/categories"),
)
MAPPINGS = [
    ("/orders/v1/items", "api2 / /orders/v1/items/ orders/v1/items api.example.com"),
    ("/orders/v1/items/123", "api2 /123 /orders/v1/items/123 orders/v1/items api.example.com"),
    ("/orders/v2/items", "api3 / /orders/v2/items/ orders/v2/items api.example.com"),
    (
        "/orders/v2/items/categories/5",
        "api4 /5 /orders/v2/items/categories/5 orders/v2/items/categories api.example.com",
    ),
    ("/customers", "api1 /customers /customers - api.example.com"),
    # By whole segments, and paths have a case.
    ("/orders/v1/itemsandmore", "api1 /orders/v1/itemsandmore /orders/v1/itemsandmore - api.example.com"),
    ("/Orders/v1/items", "api1 /Orders/v1/items /Orders/v1/items - api.example.com"),
    ("/", "api1 / / - api.example.com"),
]


@pytest.mark.parametrize(("path", "said"), MAPPINGS)
async def test_the_longest_mapping_wins_and_its_key_is_taken_off(gateway: TestGateway, path: str, said: str):
    deploy(gateway, FOUR, apis=tuple(default(f"api{n}") for n in range(1, 5)))
    response = await ask(gateway, "api.example.com", path)
    assert (response.status, response.body.decode()) == (200, said)


async def test_a_path_without_a_mapping_is_403(gateway: TestGateway):
    deploy(gateway, domain("api.example.com", mapping("api1", "orders")), apis=(default("api1"),))
    response = await ask(gateway, "api.example.com", "/customers")
    assert (response.status, response.body) == (403, b'{"message":"Forbidden"}')
    assert response.header("x-amzn-errortype") == "ForbiddenException"


async def test_a_domain_name_leads_nowhere_but_where_it_is_mapped(gateway: TestGateway):
    deploy(gateway, domain("api.example.com", mapping("api1", "orders")), apis=(default("api1"), default("api2")))
    assert (await ask(gateway, "api.example.com", "/api2/x")).status == 403
    assert (await ask(gateway, "unknown.example.com", "/api2/x")).status == 200


async def test_a_mapping_without_a_stage_takes_it_from_the_path(gateway: TestGateway):
    rest = http_api("GET /{proxy+}", stages={"dev": Stage(name="dev"), "prod": Stage(name="prod")})
    deploy(gateway, domain("api.example.com", mapping("pets", "shop", "")), apis=(rest,))
    response = await ask(gateway, "api.example.com", "/shop/dev/cats/1")
    assert response.body == b"pets /cats/1 /shop/dev/cats/1 shop api.example.com"
    assert (await ask(gateway, "api.example.com", "/shop/none/cats/1")).status == 403


NAMES = [
    ("exact.example.com", "api1"),
    ("EXACT.Example.COM", "api1"),
    ("exact.example.com:8443", "api1"),
    ("exact.example.com.", "api1"),
    ("other.example.com", "api2"),
]


@pytest.mark.parametrize(("host", "id"), NAMES)
async def test_an_exact_name_goes_before_a_wildcard(gateway: TestGateway, host: str, id: str):
    names = domain("*.example.com", mapping("api2")), domain("exact.example.com", mapping("api1"))
    deploy(gateway, *names, apis=(default("api1"), default("api2")))
    said = (await ask(gateway, host, "/x")).body.decode().split()
    assert (said[0], said[-1]) == (id, host.lower().partition(":")[0].rstrip("."))


@pytest.mark.parametrize("host", ["example.com", "a.b.example.com", "example.com.evil.example"])
async def test_a_wildcard_stands_for_one_label(gateway: TestGateway, host: str):
    deploy(gateway, domain("*.example.com", mapping("api1")), apis=(default("api1"), default("api2")))
    assert (await ask(gateway, host, "/x")).status == 403


async def test_websockets_connect_by_domain_name(gateway: TestGateway):
    chat = api(route("ping", mock("$context.domainName"), two_way=True), id="chat")
    gateway.app.deploy([chat], domain_names=[domain("ws.example.com", mapping("chat", "live", "prod"))])
    client = await gateway.connect("/live", headers=[("Host", "ws.example.com")])
    await client.send_json({"action": "ping"})
    assert await client.receive_text() == "ws.example.com"


@pytest.mark.parametrize(("protocol", "status"), [("REST", 403), ("HTTP", 404)])
async def test_an_api_may_be_reached_by_its_domain_name_alone(gateway: TestGateway, protocol: str, status: int):
    key = "GET /{proxy+}" if protocol == "REST" else "$default"
    hidden = http_api(key, protocol=protocol, disable_execute_api_endpoint=True)
    deploy(gateway, domain("api.example.com", mapping("pets", "", "prod")), apis=(hidden,))
    assert (await ask(gateway, "api.example.com", "/x")).status == 200
    words = {403: b'{"message":"Forbidden"}', 404: b'{"message":"Not Found"}'}
    for host, path in [
        ("pets.localhost", "/prod/x"),
        ("pets.execute-api.us-east-1.amazonaws.com", "/prod/x"),
        ("127.0.0.1", "/pets/prod/x"),
    ]:
        response = await ask(gateway, host, path)
        assert (response.status, response.body) == (status, words[status]), host
    assert (await ask(gateway, "127.0.0.1", "/prod/x")).status in (403, 404)


async def test_a_deployment_replaces_domain_names(gateway: TestGateway):
    apis = default("api1"), default("api2")
    deploy(gateway, domain("api.example.com", mapping("api1")), apis=apis)
    assert (await ask(gateway, "api.example.com", "/x")).body.startswith(b"api1 ")
    deploy(gateway, domain("api.example.com", mapping("api2")), apis=apis)
    assert (await ask(gateway, "api.example.com", "/x")).body.startswith(b"api2 ")
    deploy(gateway, apis=apis)
    assert (await ask(gateway, "api.example.com", "/x")).status == 403


# ---- TLS


class Files:
    """Certificates in files: the listener's, one for `secure.example.com`, and authorities of clients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.clients, self.strangers = trustme.CA(), trustme.CA()
        self.own = self.write("own", self.authority.issue_cert("127.0.0.1", "localhost"))
        self.secure = self.write("secure", self.authority.issue_cert("secure.example.com"))
        self.truststore = str(folder / "truststore.pem")
        self.clients.cert_pem.write_to_path(self.truststore)

    def write(self, name: str, issued: trustme.LeafCert) -> str:
        path = self.folder / f"{name}.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(str(path))
        return str(path)

    def client(self, name: str, issuer: trustme.CA | None = None) -> Named:
        """A client's TLS: it asks for `name`, and shows a certificate of `issuer`."""
        context = Named(ssl.PROTOCOL_TLS_CLIENT)
        context.server_name = name
        self.authority.configure_trust(context)
        if issuer is not None:
            issuer.issue_cert("client@example.com").configure_cert(context)
        return context


class Named(ssl.SSLContext):
    server_name: str


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


async def ask_tls(gateway: TestGateway, host: str, tls: Named, sent: bytes | None = None) -> Response:
    """A request with `host` in its Host header, on a connection that asked for the context's name."""
    port = int(gateway.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=tls.server_name)
    async with RawSocket(reader, writer) as client:
        await client.send(sent or request("/x", host))
        return await client.receive_response()


async def tls_gateway(make_gateway: MakeGateway, files: Files) -> TestGateway:
    gateway = await make_gateway(tls_cert=files.own, tls_key=files.own)
    deploy(
        gateway,
        domain("secure.example.com", mapping("api1"), certificate=files.secure),
        domain("mutual.example.com", mapping("api2"), certificate=_mutual(files), truststore=files.truststore),
        domain("other.example.com", mapping("api3"), certificate=_other(files), truststore=_strangers(files)),
        apis=(default("api1"), default("api2"), default("api3")),
    )
    return gateway


def _mutual(files: Files) -> str:
    return files.write("mutual", files.authority.issue_cert("mutual.example.com"))


def _other(files: Files) -> str:
    return files.write("other", files.authority.issue_cert("other.example.com"))


def _strangers(files: Files) -> str:
    path = str(files.folder / "strangers.pem")
    files.strangers.cert_pem.write_to_path(path)
    return path


async def test_a_domain_name_has_a_certificate_of_its_own(make_gateway: MakeGateway, files: Files):
    gateway = await tls_gateway(make_gateway, files)
    assert (await ask_tls(gateway, "secure.example.com", files.client("secure.example.com"))).status == 200
    # The listener's own name still has the listener's.
    assert (await ask_tls(gateway, "secure.example.com", files.client("localhost"))).status == 200


async def test_mutual_tls_lets_in_whom_the_truststore_vouches_for(make_gateway: MakeGateway, files: Files):
    gateway = await tls_gateway(make_gateway, files)
    shown = []

    def look(invocation: HttpInvocation) -> Reply:
        shown.append(invocation.caller.certificate)
        return Reply(200)

    answer(gateway, "$default", look, api="api2", stage="$default")
    tls = files.client("mutual.example.com", files.clients)
    assert (await ask_tls(gateway, "mutual.example.com", tls)).status == 200
    assert shown[0] is not None
    assert shown[0].truststore == files.truststore
    assert shown[0].der


async def test_mutual_tls_without_a_certificate_is_403(
    make_gateway: MakeGateway, files: Files, caplog: pytest.LogCaptureFixture
):
    gateway = await tls_gateway(make_gateway, files)
    response = await ask_tls(gateway, "mutual.example.com", files.client("mutual.example.com"))
    assert (response.status, response.body) == (403, b'{"message":"Forbidden"}')
    assert "no client certificate of the domain name's truststore" in caplog.text
    large = request("/x", "mutual.example.com", [("Content-Length", "99999999")])
    response = await ask_tls(gateway, "mutual.example.com", files.client("mutual.example.com"), large)
    assert (response.status, response.body) == (403, b'{"message":"Forbidden"}')


async def test_mutual_tls_with_a_strangers_certificate_fails(make_gateway: MakeGateway, files: Files):
    gateway = await tls_gateway(make_gateway, files)
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        await ask_tls(gateway, "mutual.example.com", files.client("mutual.example.com", files.strangers))


@pytest.mark.parametrize("asked", ["secure.example.com", "other.example.com", "localhost"])
async def test_another_name_in_the_handshake_is_no_way_around(make_gateway: MakeGateway, files: Files, asked: str):
    """The Host header names a domain of mutual TLS, the handshake another one that wants less, or trusts others."""
    gateway = await tls_gateway(make_gateway, files)
    issuer = files.strangers if asked == "other.example.com" else None
    assert (await ask_tls(gateway, "mutual.example.com", files.client(asked, issuer))).status == 403


async def test_plain_http_is_no_way_around(make_gateway: MakeGateway, files: Files):
    gateway = await make_gateway(tls_cert=files.own, tls_key=files.own, listen=("http://127.0.0.1:0",))
    deploy(gateway, domain("m.example.com", mapping("api1"), truststore=files.truststore), apis=(default("api1"),))
    plain = next(url for url in gateway.urls if url.startswith("http://"))
    async with await open_socket(plain) as client:
        await client.send(request("/x", "m.example.com"))
        assert (await client.receive_response()).status == 403


async def test_a_session_of_one_name_is_not_resumed_for_another(make_gateway: MakeGateway, files: Files):
    gateway = await tls_gateway(make_gateway, files)
    port = int(gateway.url.rpartition(":")[2])

    def connect(context: ssl.SSLContext, name: str, host: str, session: ssl.SSLSession | None = None):  # type: ignore[no-untyped-def]
        plain = socket.create_connection(("127.0.0.1", port), timeout=5 * SLOWER)
        with context.wrap_socket(plain, server_hostname=name, session=session) as one:
            one.sendall(request("/x", host))
            return one.recv(65_536), one.session

    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = files.client("other.example.com", files.strangers)
        context.check_hostname = False
        context.maximum_version = version
        got, session = await asyncio.to_thread(connect, context, "other.example.com", "other.example.com")
        assert got.startswith(b"HTTP/1.1 200 ")
        try:
            got, _ = await asyncio.to_thread(connect, context, "mutual.example.com", "mutual.example.com", session)
        except (ssl.SSLError, ConnectionError, ValueError):
            continue
        assert not got.startswith(b"HTTP/1.1 200 ")


BAD = [
    pytest.param({"certificate": "none.pem"}, "cannot be read", id="no-such-certificate"),
    pytest.param({"truststore": "none.pem"}, "none.pem cannot be read", id="no-such-truststore"),
]


@pytest.mark.parametrize(("members", "text"), BAD)
async def test_files_that_cannot_be_used_are_findings(
    make_gateway: MakeGateway, files: Files, members: dict[str, str], text: str
):
    gateway = await tls_gateway(make_gateway, files)
    with pytest.raises(DefinitionError, match=text) as refused:
        gateway.app.deploy([default("api1")], domain_names=[domain("bad.example.com", mapping("api1"), **members)])
    assert refused.value.findings[0].startswith("domainNames.bad.example.com")
    assert (await ask_tls(gateway, "secure.example.com", files.client("secure.example.com"))).status == 200


async def test_a_certificate_where_nothing_listens_with_tls_is_a_finding(gateway: TestGateway, files: Files):
    with pytest.raises(DefinitionError, match="give tls_cert"):
        gateway.app.deploy([default("api1")], domain_names=[domain("a.example.com", certificate=files.secure)])
