"""What HTTP_PROXY backends are told of who called: Forwarded is well-formed, whatever X-Forwarded-For says."""

from __future__ import annotations

import pytest

from tests.mapping.request_samples import request
from wsgw.pipeline.forward import http_lines


@pytest.mark.parametrize(
    ("entry", "node"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:8080", '"192.0.2.1:8080"'),
        ("2001:db8::1", '"[2001:db8::1]"'),
        ("[2001:db8::1]", '"[2001:db8::1]"'),
        ("[2001:db8::1]:8080", '"[2001:db8::1]:8080"'),
        ("_hidden", "_hidden"),
        ('";host=evil', "unknown"),
        ("192.0.2.1;proto=https", "unknown"),
        ("\xe9", "unknown"),
        ("", "unknown"),
    ],
)
def test_an_entry_of_x_forwarded_for_cannot_say_more_than_who(entry: str, node: str):
    """Proxies pass on what a client wrote there, and a backend may believe Forwarded."""
    invocation = request("GET")
    invocation.caller.domain_name = "api.example.com"
    invocation.forwarded = (("X-Forwarded-For", f"{entry}, 10.0.0.1"), ("X-Forwarded-Proto", "http"))
    lines = http_lines()(invocation, frozenset()).decode("utf-8").split("\r\n")
    told = next(line for line in lines if line.startswith("Forwarded: "))
    host = 'host="api.example.com";proto=http'
    assert told == f"Forwarded: for={node};{host}, for=10.0.0.1;{host}"
