"""S-40: what integrations never reach, by whatever name or spelling it is asked for."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.bad_backend import bad_backend, echo, says_always
from wsgw.errors import ApiConfigurationError, IntegrationFailure
from wsgw.integrations.egress import Egress, EgressDenied
from wsgw.integrations.http_pool import HttpPool
from wsgw.settings import Settings

DEFAULT = Egress(Settings().egress_deny)

DENIED = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.0.1",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::ffff:0:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "100.100.100.200",
    "::ffff:100.100.100.200",
    "168.63.129.16",
]
ALLOWED = ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "8.8.8.8", "100.100.100.201", "fd00::1", "2600::1", "0.0.0.0"]


@pytest.mark.parametrize("address", DENIED)
def test_link_local_and_metadata_addresses_are_out_of_reach_by_default(address):
    assert not DEFAULT.allows(address)


@pytest.mark.parametrize("address", ALLOWED)
def test_others_are_not(address):
    assert DEFAULT.allows(address)


def test_what_is_allowed_is_reached_in_spite_of_what_is_denied():
    egress = Egress(["169.254.0.0/16", "10.0.0.0/8"], ["169.254.169.254", "10.1.0.0/16"])
    assert egress.allows("169.254.169.254")
    assert egress.allows("::ffff:169.254.169.254")
    assert egress.allows("10.1.2.3")
    assert not egress.allows("169.254.169.253")
    assert not egress.allows("10.2.0.1")


@given(st.ip_addresses(v=4, network="169.254.0.0/16"), st.sampled_from(["::ffff:%s", "::ffff:0:%s", "64:ff9b::%s"]))
def test_no_way_to_carry_a_denied_address_makes_it_another(address, carrier):
    assert not DEFAULT.allows(str(address))
    assert not DEFAULT.allows(carrier % address)


@given(st.ip_addresses())
def test_nothing_is_denied_where_no_rule_is(address):
    assert Egress().allows(str(address))


def test_of_several_addresses_those_that_may_be_reached_are_used():
    assert DEFAULT.permitted("both.test", ["169.254.169.254", "10.0.0.1"]) == ["10.0.0.1"]


def test_a_refusal_says_how_to_allow_it(caplog):
    with caplog.at_level(logging.WARNING, "wsgw.egress"), pytest.raises(EgressDenied):
        DEFAULT.permitted("meta.test", ["169.254.169.254"])
    (record,) = caplog.records
    assert "meta.test" in record.getMessage()
    assert "169.254.169.254 is in egress_deny; to reach it, add it to egress_allow" in record.getMessage()


# ---- over the pool

SPELLINGS = [
    "http://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://0251.0376.0251.0376/",
    "http://0251.254.43518/",
    "http://169.254.43518/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
]


@pytest.mark.parametrize("url", SPELLINGS)
async def test_a_spelling_of_a_denied_address_is_not_connected_to(url):
    pool = HttpPool(egress=DEFAULT)
    with pytest.raises(IntegrationFailure) as failure:
        await pool.send_to(pool.target(url), "GET", b"", b"", 5)
    assert failure.value.detail == "egress_denied"
    assert pool.counts().opened == 0
    await pool.close()


def rows(address: str, port: int) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]


async def test_a_name_that_leads_elsewhere_with_its_next_resolution_is_looked_at_again():
    """DNS rebinding: the first answer may be reached, the second may not."""
    answers = ["127.0.0.1", "127.0.0.2"]

    async def lookup(host: str, port: int, **_: Any) -> list[Any]:
        return rows(answers.pop(0), port)

    pool = HttpPool(egress=Egress(["127.0.0.2"]), lookup=lookup, keepalive=0, clock=iter(range(0, 10**6, 60)).__next__)
    async with bad_backend(echo, host="0.0.0.0") as backend:
        target = pool.target(f"http://rebinds.test:{backend.port}/")
        assert (await pool.send_to(target, "POST", b"", b"x", 300)).body == b"x"
        with pytest.raises(IntegrationFailure, match="egress_denied"):
            await pool.send_to(target, "POST", b"", b"x", 300)
        assert backend.connections == 1
    await pool.close()


async def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to():
    """Between the look and the connection nobody is asked again."""
    asked: list[str] = []

    async def lookup(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return rows("127.0.0.1", port)

    pool = HttpPool(egress=DEFAULT, lookup=lookup)
    async with bad_backend(echo) as backend:
        assert (await pool.send_to(pool.target(f"http://a.test:{backend.port}/"), "POST", b"", b"x", 5)).body == b"x"
    assert asked == ["a.test"]
    await pool.close()


async def test_refusals_do_not_open_the_circuit():
    pool = HttpPool(egress=DEFAULT, circuit_failures=1)
    target = pool.target("http://169.254.169.254/")
    for _ in range(3):
        with pytest.raises(IntegrationFailure, match="egress_denied"):
            await pool.send_to(target, "GET", b"", b"", 5)
    await pool.close()


async def test_a_redirect_is_an_answer_and_not_followed():
    pool = HttpPool(egress=DEFAULT)
    leads_away = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
    async with bad_backend(says_always(leads_away)) as backend:
        reply = await pool.send_to(pool.target(backend.url), "GET", b"", b"", 5)
        assert (reply.status, reply.header("location")) == (302, "http://169.254.169.254/")
        assert backend.connections == 1
    await pool.close()


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "ftp://127.0.0.1/",
        "dict://127.0.0.1/",
        "unix:/run/x.sock",
        "//127.0.0.1/",
        "http://user:secret@127.0.0.1/",
        "http://user@127.0.0.1/",
        "http://127.0.0.1:80@169.254.169.254/",
        "http://127.0.0.1\\@169.254.169.254/",
        "http://[fe80::1%25eth0]/",
        "http://127.0.0.1:0/",
        "http:///path",
    ],
)
async def test_other_schemes_and_credentials_are_refused_before_anything_is_resolved(url):
    pool = HttpPool()
    with pytest.raises(ApiConfigurationError, match="invalid_url"):
        pool.target(url)
    await pool.close()
