"""Sets of networks: the same answers as `ipaddress` gives, from many of them at once."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.firewall.addresses import AddressSet, address_of

NETWORKS = ("192.0.2.0/24", "192.0.3.0/24", "10.0.0.1", "0.0.0.0/32", "255.255.255.255/32", "2001:db8::/32", "::1")

ROWS = [
    ("192.0.2.0", True),
    ("192.0.2.255", True),
    ("192.0.3.7", True),
    ("192.0.1.255", False),
    ("192.0.4.0", False),
    ("10.0.0.1", True),
    ("10.0.0.2", False),
    ("0.0.0.0", True),
    ("255.255.255.255", True),
    ("2001:db8::1", True),
    ("2001:db9::", False),
    ("::1", True),
    ("::ffff:192.0.2.9", True),
    ("::ffff:198.51.100.1", False),
    ("fe80::1%eth0", False),
]


@pytest.mark.parametrize(("text", "inside"), ROWS)
def test_an_address_is_in_a_network_or_not(text: str, inside: bool):
    address = address_of(text)
    assert address is not None
    assert (address in AddressSet(NETWORKS)) is inside


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.256", "::g", "1.2.3.4/8", "01.2.3.4x"])
def test_what_is_no_address_is_none(text: str):
    assert address_of(text) is None


def test_a_mapped_network_is_one_of_ipv4():
    address = address_of("192.0.2.1")
    assert address is not None
    assert address in AddressSet(["::ffff:192.0.2.0/120"])


def test_nothing_is_in_an_empty_set():
    address = address_of("192.0.2.1")
    assert address is not None
    assert address not in AddressSet([])


@given(
    networks=st.lists(st.ip_addresses(v=4).flatmap(lambda one: st.integers(8, 32).map(lambda n: f"{one}/{n}"))),
    asked=st.ip_addresses(v=4),
)
def test_a_set_agrees_with_ipaddress(networks: list[str], asked: ipaddress.IPv4Address):
    address = address_of(str(asked))
    assert address is not None
    expected = any(asked in ipaddress.ip_network(one, strict=False) for one in networks)
    assert (address in AddressSet(networks)) is expected
