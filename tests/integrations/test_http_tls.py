"""TLS towards backends: who is believed, what is shown, and what is still looked at where verification is skipped."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests.harness.bad_backend import Backend, Exchange, answer, bad_backend, echo
from wsgw.errors import ApiConfigurationError, IntegrationFailure
from wsgw.integrations.http_pool import HttpPool
from wsgw.integrations.http_tls import CertificateRefused, TlsContexts, TlsOptions, check_validity

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
async def pool(ca_file: str) -> AsyncIterator[HttpPool]:
    pool = HttpPool(backend_ca=ca_file, circuit_failures=0)
    yield pool
    await pool.close()


def serves(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


def client_files(certificate: trustme.LeafCert, directory: Path) -> tuple[str, str]:
    chain, key = directory / "client.pem", directory / "client.key"
    chain.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(str(key))
    return str(chain), str(key)


async def outcome(pool: HttpPool, url: str, tls: TlsOptions | None = None, via: str = "") -> bytes | str:
    try:
        return (await pool.send_to(pool.target(url, tls, via), "POST", b"", b"x", 5)).body
    except IntegrationFailure as failure:
        return failure.detail


def at(backend: Backend, host: str) -> str:
    return f"https://{host}:{backend.port}/"


async def test_a_backend_of_the_extra_authority_is_believed(pool, authority):
    async with bad_backend(echo, tls=serves(authority.issue_cert("localhost"))) as backend:
        assert await outcome(pool, backend.url) == b"x"
        assert await outcome(pool, at(backend, "127.0.0.1")) == "tls_failure"


async def test_the_extra_authority_stands_beside_the_systems():
    usual = ssl.create_default_context().cert_store_stats()["x509_ca"]
    assert TlsContexts().handshake(None, "a").context.cert_store_stats()["x509_ca"] == usual


async def test_a_server_name_is_asked_for_and_verified_in_place_of_the_urls_host(pool, authority):
    asked: list[str | None] = []
    context = serves(authority.issue_cert("inner.test"))
    context.sni_callback = lambda _tls, name, _context: asked.append(name)
    async with bad_backend(echo, tls=context) as backend:
        assert await outcome(pool, at(backend, "127.0.0.1"), TlsOptions(server_name="inner.test")) == b"x"
        assert asked == ["inner.test"]
        assert await outcome(pool, at(backend, "127.0.0.1"), TlsOptions(server_name="other.test")) == "tls_failure"
        assert await outcome(pool, at(backend, "localhost")) == "tls_failure"
        assert b"Host: 127.0.0.1:%d" % backend.port in backend.requests[0].headers


async def test_skipping_verification_believes_any_issuer_and_any_name(pool):
    """TlsConfig, insecureSkipVerification."""
    stranger = trustme.CA()
    async with bad_backend(echo, tls=serves(stranger.issue_cert("elsewhere.test"))) as backend:
        assert await outcome(pool, backend.url, TlsOptions(verify=False)) == b"x"
        # It is the target's, not the backend's: others are as strict as ever, and share no connection.
        assert await outcome(pool, backend.url) == "tls_failure"
        assert len(backend.requests) == 1


@pytest.mark.parametrize(
    ("begins", "ends"),
    [(None, datetime.now(UTC) - timedelta(days=1)), (datetime.now(UTC) + timedelta(days=1), None)],
    ids=["expired", "not valid yet"],
)
async def test_skipping_verification_still_refuses_a_certificate_that_is_not_valid_now(pool, authority, begins, ends):
    """TlsConfig, insecureSkipVerification: expiry and other certificate checks remain."""
    certificate = authority.issue_cert("localhost", not_before=begins, not_after=ends)
    async with bad_backend(echo, tls=serves(certificate)) as backend:
        assert await outcome(pool, backend.url, TlsOptions(verify=False)) == "tls_failure"
        assert backend.requests == []


async def test_a_client_certificate_is_shown_to_a_backend_that_asks(pool, authority, tmp_path):
    context = serves(authority.issue_cert("localhost"))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)

    async def names_the_client(exchange: Exchange) -> None:
        await exchange.request()
        shown = exchange.writer.get_extra_info("peercert")
        await exchange.send(answer(shown["subjectAltName"][0][1].encode()))

    chain, key = client_files(authority.issue_cert("gateway.test"), tmp_path)
    async with bad_backend(names_the_client, tls=context) as backend:
        assert await outcome(pool, backend.url, TlsOptions(certificate=chain, key=key)) == b"gateway.test"
        both = TlsOptions(verify=False, certificate=chain, key=key)
        assert await outcome(pool, backend.url, both) == b"gateway.test"
        assert await outcome(pool, backend.url) in ("connection_reset", "tls_failure")


async def test_connections_of_equal_options_are_shared(pool, authority):
    async with bad_backend(echo, tls=serves(authority.issue_cert("localhost"))) as backend:
        for _ in range(3):
            assert await outcome(pool, backend.url, TlsOptions(verify=False)) == b"x"
        assert backend.connections == 1


async def test_via_leads_connections_elsewhere_and_the_url_keeps_its_names(pool, authority):
    """Private integrations of REST APIs: the uri's host is for the Host header and the TLS name, not for routing."""
    async with bad_backend(echo, tls=serves(authority.issue_cert("inner.test"))) as backend:
        assert await outcome(pool, "https://inner.test/pets?a=b", via=f"http://127.0.0.1:{backend.port}") == b"x"
        assert backend.requests[0].line == b"POST /pets?a=b HTTP/1.1"
        assert b"Host: inner.test" in backend.requests[0].headers
        assert await outcome(pool, "https://other.test/", via=f"http://127.0.0.1:{backend.port}") == "tls_failure"


async def test_via_without_a_port_takes_the_urls(pool):
    async with bad_backend(echo) as backend:
        assert await outcome(pool, f"http://inner.test:{backend.port}/", via="http://127.0.0.1") == b"x"
        assert b"Host: inner.test:%d" % backend.port in backend.requests[0].headers


async def test_via_https_is_tls_whatever_the_url_says(pool, authority):
    async with bad_backend(echo, tls=serves(authority.issue_cert("inner.test"))) as backend:
        assert await outcome(pool, "http://inner.test/", via=f"https://127.0.0.1:{backend.port}") == b"x"


def test_a_client_certificate_that_has_changed_is_loaded_with_the_next_deployment(authority, tmp_path):
    contexts = TlsContexts()
    chain, key = client_files(authority.issue_cert("one.test"), tmp_path)
    options = TlsOptions(certificate=chain, key=key)
    first = contexts.handshake(options, "a")
    assert contexts.handshake(options, "a") == first
    client_files(authority.issue_cert("two.test"), tmp_path)
    os.utime(chain, ns=(1, 1))
    assert contexts.handshake(options, "a") != first


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (TlsOptions(certificate="/nowhere/c.pem", key="/nowhere/k.pem"), "backend_certificates: /nowhere/c.pem"),
        (TlsOptions(certificate=__file__, key=__file__), "backend_certificates: "),
    ],
)
def test_files_that_cannot_be_used_are_named(options, remedy):
    with pytest.raises(ApiConfigurationError) as failure:
        TlsContexts().handshake(options, "a")
    assert remedy in failure.value.detail


@pytest.mark.parametrize("ca", ["/nowhere/ca.pem", __file__])
def test_an_authority_that_cannot_be_read_is_named(ca):
    with pytest.raises(ApiConfigurationError, match=f"backend_ca: {ca}"):
        TlsContexts(ca=ca).handshake(None, "a")


def test_a_certificate_is_valid_within_its_time(authority):
    leaf = authority.issue_cert("a.test", not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=1))
    der = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
    check_validity(der, NOW)
    for moment, words in ((NOW - timedelta(days=2), "not valid yet"), (NOW + timedelta(days=2), "expired")):
        with pytest.raises(CertificateRefused, match=words):
            check_validity(der, moment)


@pytest.mark.parametrize("der", [None, b"", b"\x30\x03abc"])
def test_what_is_no_certificate_is_refused(der):
    with pytest.raises(CertificateRefused):
        check_validity(der, NOW)
