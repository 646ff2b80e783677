"""Which domain name a Host is of."""

from __future__ import annotations

import pytest

from wsgw.definitions.api import ApiMapping, DomainName
from wsgw.live.domain_names import Domains

WILDCARD = DomainName(name="*.Example.com", mappings=(ApiMapping(key="", api_id="any", stage="prod"),))
EXACT = DomainName(name="api.example.com", mappings=(ApiMapping(key="", api_id="one", stage="prod"),))


@pytest.mark.parametrize(
    ("host", "api_id"),
    [
        ("api.example.com", "one"),
        ("api.example.com.", "one"),
        ("api.example.com:8443", "one"),
        ("web.example.com", "any"),
        ("a-b_1.example.com", "any"),
    ],
)
def test_a_host_finds_its_domain_name_whatever_port_it_says(host: str, api_id: str):
    found = Domains([WILDCARD, EXACT]).find(host)
    assert found is not None
    mapped = found.find("/pets")
    assert mapped is not None
    assert mapped.api_id == api_id


@pytest.mark.parametrize(
    "host", ["example.com", "a.b.example.com", ".example.com", "a;b='c.example.com", "a%.example.com", "", "[::1]"]
)
def test_a_wildcard_stands_for_one_label_that_a_host_may_have(host: str):
    """What stands there is told to backends and functions as the name by which they were called."""
    assert Domains([WILDCARD]).find(host) is None
