"""Condition keys: what is known of requests, handshakes and messages, and of those who come out of a VPC."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from wsgw.authorizers.facts import Facts, InvocationFacts, VpcSource, VpcSources
from wsgw.authorizers.iam_verifier import principal_of
from wsgw.caller import ConnectionFacts
from wsgw.definitions.access import AccessKey
from wsgw.invocation import Invocation

NOW = 1_790_337_600.9

SOURCES = [
    (("10.0.0.0/8=vpce-1/vpc-2",), "10.1.2.3", VpcSource("vpce-1", "vpc-2")),
    (("10.0.0.0/8=vpce-1",), "10.1.2.3", VpcSource("vpce-1", None)),
    (("10.0.0.0/8=vpc-2",), "10.1.2.3", VpcSource(None, "vpc-2")),
    (("10.1.0.0/16=vpce-a", "10.0.0.0/8=vpce-b"), "10.1.2.3", VpcSource("vpce-a", None)),
    (("10.1.0.0/16=vpce-a", "10.0.0.0/8=vpce-b"), "10.2.2.3", VpcSource("vpce-b", None)),
    (("10.0.0.0/8=vpce-1",), "::ffff:10.1.2.3", VpcSource("vpce-1", None)),
    (("2001:db8::/32=vpce-1",), "2001:db8::7", VpcSource("vpce-1", None)),
    (("10.0.0.0/8=vpce-1",), "203.0.113.9", None),
    (("10.0.0.0/8=vpce-1",), "unix", None),
    ((), "10.1.2.3", None),
]


@pytest.mark.parametrize(("texts", "address", "source"), SOURCES)
def test_a_network_is_of_an_endpoint_and_a_vpc(texts, address, source):
    assert VpcSources(texts).of(address) == source


def facts(**members: Any) -> Facts:
    return Facts(**{"source_ip": "10.1.2.3", "now": NOW, "region": "eu-west-1", **members})


def test_a_caller_out_of_a_vpc_has_no_public_address():
    vpc = facts(vpc=VpcSource("vpce-1", "vpc-2"))
    keys = ("aws:sourceip", "aws:vpcsourceip", "aws:sourcevpce", "aws:sourcevpc")
    assert [vpc.single(key) for key in keys] == [None, "10.1.2.3", "vpce-1", "vpc-2"]
    assert [facts().single(key) for key in keys] == ["10.1.2.3", None, None, None]


def test_time_is_what_it_was_given():
    assert facts().values("aws:currenttime") == ("2026-09-25T12:00:00Z",)
    assert facts().values("aws:epochtime") == ("1790337600",)


def test_nothing_is_known_of_other_keys_and_nobody_says_so_by_a_header():
    assert facts(header=lambda name: "x").values("aws:principalarn") == ()
    assert facts().values("aws:referer") == facts().values("aws:securetransport") == ()


def invocation(event: Any = "CONNECT", headers: tuple[tuple[str, str], ...] = (), base: str = "http://x") -> Invocation:
    connection = ConnectionFacts()
    connection.source_ip, connection.user_agent, connection.callback_base = "203.0.113.9", "curl", base
    site: Any = SimpleNamespace()
    made = Invocation(site, event, "$connect", connection, "id", 0)
    made.headers = headers
    return made


def of(one: Invocation) -> InvocationFacts:
    return InvocationFacts(one, lambda: NOW, "us-east-1", VpcSources(()))


SECURE = [
    ((("X-Forwarded-Proto", "https"),), "http://x", "true"),
    ((("X-Forwarded-Proto", "http"),), "https://x", "false"),
    # The last line is the gateway's; one before it would be the client's.
    ((("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")), "https://x", "false"),
    ((), "https://x", "true"),
    ((), "http://x", "false"),
]


@pytest.mark.parametrize(("headers", "base", "secure"), SECURE)
def test_a_handshake_is_secure_if_the_gateway_says_so_and_a_message_if_its_address_is(headers, base, secure):
    assert of(invocation("CONNECT" if headers else "MESSAGE", headers, base)).values("aws:securetransport") == (secure,)


def test_a_handshake_has_its_headers():
    one = of(invocation(headers=(("rEFERER", "https://a/"), ("Referer", "https://b/"))))
    assert one.values("aws:referer") == ("https://a/",)
    assert one.values("aws:useragent") == ("curl",)


def test_a_message_is_of_whom_its_connection_is():
    one = invocation("MESSAGE")
    key = AccessKey(access_key_id="A", secret="s", principal="arn:aws:iam::123456789012:user/ann")
    one.caller.principal = principal_of(key)
    assert of(one).values("aws:username") == ("ann",)


def test_a_policy_sees_one_moment_whatever_it_asks():
    ticks = iter((NOW, NOW + 3600))
    one = InvocationFacts(invocation(), lambda: next(ticks), "us-east-1", VpcSources(()))
    assert one.values("aws:epochtime") == ("1790337600",)
    assert one.values("aws:currenttime") == ("2026-09-25T12:00:00Z",)


def test_an_invocation_out_of_a_vpc_is_known_by_its_endpoint():
    one = InvocationFacts(invocation(), lambda: NOW, "us-east-1", VpcSources(("203.0.113.0/24=vpce-1/vpc-2",)))
    keys = ("aws:sourceip", "aws:vpcsourceip", "aws:sourcevpce", "aws:sourcevpc")
    assert [one.single(key) for key in keys] == [None, "203.0.113.9", "vpce-1", "vpc-2"]
