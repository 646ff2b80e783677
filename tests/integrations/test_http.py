"""The HTTP integration as routes use it."""

from __future__ import annotations

import pytest

from tests.harness.bad_backend import answer, bad_backend, closed_port, hang, says_always
from wsgw.errors import ApiConfigurationError, IntegrationFailure, IntegrationTimeout
from wsgw.integrations.base import Invoker
from wsgw.integrations.http import HttpIntegration
from wsgw.integrations.http_pool import HttpPool
from wsgw.invocation import IntegrationRequest


@pytest.fixture
async def integration():
    pool = HttpPool()
    yield HttpIntegration(pool)
    await pool.close()


def request(url: str, *, headers: tuple[tuple[str, str], ...] = (), timeout: float = 5.0) -> IntegrationRequest:
    return IntegrationRequest("POST", url, headers, b'{"a": 1}', timeout)


async def test_the_answer_is_the_backends_own(integration: Invoker):
    wire = answer(b"no", "418 I'm a teapot", b"X-a: 1\r\nx-A: 2\r\nLocation: /elsewhere\r\nSet-Cookie: a=b\r\n")
    async with bad_backend(says_always(wire)) as backend:
        for _ in range(2):
            reply = await integration.invoke(request(backend.url + "a?b=c", headers=(("X-Name", "v"),)))
            assert (reply.status, reply.body) == (418, b"no")
            assert list(reply.headers[:2]) == [("X-a", "1"), ("x-A", "2")]
    assert backend.requests[0].line == b"POST /a?b=c HTTP/1.1"
    assert backend.requests[0].headers == [b"Host: 127.0.0.1:%d" % backend.port, b"X-Name: v", b"Content-Length: 8"]
    assert backend.requests[0].body == b'{"a": 1}'
    assert not any(b"cookie" in line.lower() for line in backend.requests[1].headers)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_passed_on_and_not_followed(integration: Invoker, status: int):
    async with bad_backend(says_always(answer(b"", f"{status} Moved", b"Location: /elsewhere\r\n"))) as backend:
        reply = await integration.invoke(request(backend.url))
    assert (reply.status, reply.header("location"), len(backend.requests)) == (status, "/elsewhere", 1)


async def test_a_backend_that_is_away_is_an_integration_failure(integration: Invoker):
    with pytest.raises(IntegrationFailure) as failure:
        await integration.invoke(request(f"http://127.0.0.1:{closed_port()}/"))
    assert failure.value.detail == "connection_refused"
    assert failure.value.message == "Network error communicating with endpoint"
    assert isinstance(failure.value.__cause__, ConnectionRefusedError)


async def test_a_backend_that_says_nothing_is_an_integration_timeout(integration: Invoker):
    async with bad_backend(hang) as backend:
        with pytest.raises(IntegrationTimeout) as failure:
            await integration.invoke(request(backend.url, timeout=0.1))
    assert failure.value.message == "Endpoint request timed out"


@pytest.mark.parametrize(
    "headers", [(("X", "a\r\nEvil: 1"),), (("X\r\nEvil", "1"),), (("X", "\x00"),), (("X Y", "1"),)]
)
async def test_a_header_that_would_add_a_line_is_refused_before_anything_is_sent(integration: Invoker, headers):
    async with bad_backend(says_always(answer())) as backend:
        with pytest.raises(ApiConfigurationError):
            await integration.invoke(request(backend.url, headers=headers))
        assert backend.connections == 0


async def test_proxies_of_the_environment_are_ignored(integration: Invoker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    async with bad_backend(says_always(answer(b"direct"))) as backend:
        assert (await integration.invoke(request(backend.url))).body == b"direct"
