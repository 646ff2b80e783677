"""The opening handshake, row by row (T-04)."""

from __future__ import annotations

import pytest

from wsgw.edge.handshake import Refusal, Upgrade, accept_key, check_upgrade

GOOD = [
    ("Host", "example.com"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
]


def with_(name: str, *values: str) -> list[tuple[str, str]]:
    """The good headers, with these values for one of them."""
    others = [(key, value) for key, value in GOOD if key != name]
    return others + [(name, value) for value in values]


def test_the_accept_value_is_that_of_the_rfc():
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    "headers",
    [
        GOOD,
        [(name.upper(), value) for name, value in GOOD],
        with_("Upgrade", "WebSocket"),
        with_("Upgrade", "h2c, websocket"),
        with_("Connection", "keep-alive, Upgrade"),
        with_("Connection", "keep-alive", "UPGRADE"),
        with_("Content-Length", "0"),
    ],
)
def test_a_good_handshake_is_accepted(headers):
    assert check_upgrade("GET", "1.1", headers) == Upgrade("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", (), "")


def test_subprotocols_and_extensions_are_handed_on_in_order():
    headers = [
        *GOOD,
        ("Sec-WebSocket-Protocol", "chat.v2, chat"),
        ("sec-websocket-protocol", "plain"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ("Sec-WebSocket-Extensions", "x"),
    ]
    upgrade = check_upgrade("GET", "1.1", headers)
    assert isinstance(upgrade, Upgrade)
    assert upgrade.subprotocols == ("chat.v2", "chat", "plain")
    assert upgrade.extensions == "permessage-deflate; client_max_window_bits, x"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        with_("Upgrade"),
        with_("Connection"),
        with_("Upgrade", "h2c"),
        with_("Upgrade", "websockets"),
        with_("Connection", "keep-alive"),
        with_("Connection", "upgraded"),
    ],
)
def test_without_both_tokens_it_is_an_ordinary_request(headers):
    assert check_upgrade("GET", "1.1", headers) is None


BAD_KEYS = [(), ("",), ("short",), ("dGhlIHNhbXBsZSBub25jZQ==",) * 2, ("x" * 24,), ("dGhlIHNhbXBsZSBub25jZ!==",)]
BAD_KEYS += [("ä" * 24,), ("dGhlIHNhbXBsZSBub25jZWFi",), ("dGhlIHNhbXBsZSBub25jZQ== ",)]
REFUSED = [
    ("POST", "1.1", GOOD, 405),
    ("HEAD", "1.1", GOOD, 405),
    ("GET", "1.0", GOOD, 400),
    ("GET", "2.0", GOOD, 400),
    ("GET", "1.1", with_("Host"), 400),
    ("GET", "1.1", with_("Host", "a", "b"), 400),
    ("GET", "1.1", with_("Content-Length", "5"), 400),
    ("GET", "1.1", with_("Transfer-Encoding", "chunked"), 400),
    ("GET", "1.1", with_("Sec-WebSocket-Version"), 426),
    ("GET", "1.1", with_("Sec-WebSocket-Version", "8"), 426),
    ("GET", "1.1", with_("Sec-WebSocket-Version", "13, 8"), 426),
    ("GET", "1.1", with_("Sec-WebSocket-Version", "13", "13"), 400),
    *(("GET", "1.1", with_("Sec-WebSocket-Key", *keys), 400) for keys in BAD_KEYS),
]


@pytest.mark.parametrize(("method", "version", "headers", "status"), REFUSED)
def test_a_bad_handshake_is_refused(method, version, headers, status):
    refusal = check_upgrade(method, version, headers)
    assert isinstance(refusal, Refusal)
    assert refusal.status == status
    assert refusal.reason


def test_a_refused_version_says_which_one_is_spoken():
    refusal = check_upgrade("GET", "1.1", with_("Sec-WebSocket-Version", "8"))
    assert isinstance(refusal, Refusal)
    assert ("Sec-WebSocket-Version", "13") in refusal.headers


def test_a_refused_method_says_which_one_is_allowed():
    refusal = check_upgrade("POST", "1.1", GOOD)
    assert isinstance(refusal, Refusal)
    assert refusal.headers == [("Allow", "GET")]
