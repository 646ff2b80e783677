"""What goes out: addresses, header lines and requests; nothing that is passed in adds a line (S-05)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.errors import ApiConfigurationError
from wsgw.integrations.http_wire import address, after_method, header_block, method, request_bytes

URLS = [
    ("http://example.com", ("http", "example.com", 80, "/", "example.com")),
    ("HTTP://Example.com:80/a", ("http", "example.com", 80, "/a", "Example.com")),
    (
        "https://example.com:8443/a%2Fb?x=1&y=%20#part",
        ("https", "example.com", 8443, "/a%2Fb?x=1&y=%20", "example.com:8443"),
    ),
    ("https://example.com/", ("https", "example.com", 443, "/", "example.com")),
    ("http://example.com:443/", ("http", "example.com", 443, "/", "example.com:443")),
    ("http://example.com:/x", ("http", "example.com", 80, "/x", "example.com")),
    ("http://example.com?x=1", ("http", "example.com", 80, "/?x=1", "example.com")),
    ("http://[::1]:8080/x", ("http", "::1", 8080, "/x", "[::1]:8080")),
    ("http://[::1]/x", ("http", "::1", 80, "/x", "[::1]")),
    ("http://my_host-1.local/~a/;b//..", ("http", "my_host-1.local", 80, "/~a/;b//..", "my_host-1.local")),
]


@pytest.mark.parametrize(("url", "parts"), URLS)
def test_a_url_is_taken_apart(url, parts):
    assert tuple(address(url)) == parts


BAD_URLS = [
    "",
    "/relative",
    "example.com/x",
    "ftp://example.com/",
    "http:///x",
    "http://",
    "http://example.com:0/",
    "http://example.com:99999/",
    "http://example.com:x/",
    "http://user:secret@example.com/",
    "http://good.example\\@evil.example/",
    "http://exa mple.com/",
    "http://example.com/a b",
    "http://example.com/\r\nX: y",
    "http://example.com/a\nb",
    "http://example.com/\x00",
    "http://example.com/\x7f",
    "http://example.com/\u010d\u010a",
    "http://ex\u00e4mple.com/",
    "http://exa%0d%0ample.com/",
    "http://[::1/x",
    "http://[::1]x/",
    "http://{host}/",
    "\thttp://example.com/",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_url_that_cannot_be_sent_is_refused(url):
    with pytest.raises(ApiConfigurationError, match="invalid_url"):
        address(url)


@given(st.text())
def test_whatever_the_url_the_head_has_two_lines(text):
    try:
        where = address("http://example.com/" + text)
    except ApiConfigurationError:
        return
    rest = after_method(where.request_target, where.authority)
    assert rest.count(b"\r\n") == rest.count(b"\r") == rest.count(b"\n") == 2
    assert rest.count(b" ") == 3


def test_header_lines_keep_order_case_and_repeats():
    block = header_block([("X-b", "1"), ("x-A", "a b\tc"), ("X-b", ""), ("X-c", "caf\xe9")])
    assert block == b"X-b: 1\r\nx-A: a b\tc\r\nX-b: \r\nX-c: caf\xe9\r\n"


def test_text_beyond_latin_1_goes_out_as_utf_8_and_leaves_other_values_alone():
    assert header_block([("A", "\xe9"), ("B", "\u20ac\xe9")]) == b"A: \xe9\r\nB: \xe2\x82\xac\xc3\xa9\r\n"


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "host",
        "Content-Length",
        "TRANSFER-ENCODING",
        "connection",
        "Keep-Alive",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Upgrade",
        "TE",
        "Trailer",
        "Expect",
        "HTTP2-Settings",
    ],
)
def test_what_is_the_connections_own_is_not_passed_on(name):
    assert header_block([("A", "1"), (name, "chunked"), ("B", "2")]) == b"A: 1\r\nB: 2\r\n"


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "a\x00", "\xe9", "a\n", " a", "a(b)", "\u212a"])
def test_a_name_that_is_no_token_is_refused(name):
    with pytest.raises(ApiConfigurationError, match="invalid_header_name"):
        header_block([(name, "x")])


@pytest.mark.parametrize(
    "value",
    ["a\r\nX-Evil: 1", "a\nb", "a\rb", "\x00", "\x01", "\x7f", "\x0b", "x\r\n", "\ud800", "\u20ac\r\nX: y"],
)
def test_a_value_with_a_control_character_is_refused(value):
    with pytest.raises(ApiConfigurationError, match="invalid_header_value"):
        header_block([("A", "1"), ("B", value), ("C", "2")])


def test_characters_that_end_in_a_line_end_byte_are_not_line_ends():
    assert header_block([("A", "\u010d\u010a")]).count(b"\n") == 1


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=40)), max_size=6))
def test_as_many_lines_come_out_as_headers_go_in_or_none(headers):
    try:
        block = header_block(headers)
    except ApiConfigurationError:
        return
    lines = block.split(b"\r\n")
    assert lines.pop() == b""
    assert len(lines) <= len(headers)
    assert not any(set(line) & {0, 10, 13} for line in lines)
    assert all(b": " in line for line in lines)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"x-[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}", fullmatch=True),
            st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f")),
        ),
        max_size=6,
    )
)
def test_what_may_be_sent_comes_out_as_it_went_in(headers):
    lines = header_block(headers).decode("latin-1").split("\r\n")[:-1]
    assert [tuple(line.split(": ", 1)) for line in lines] == headers


def test_a_flood_of_names_does_not_wear_the_checks_out():
    for number in range(5000):
        assert header_block([(f"x-{number}", "1")]) == b"x-%d: 1\r\n" % number
    assert header_block([("Host", "evil"), ("x-1", "1")]) == b"x-1: 1\r\n"


@pytest.mark.parametrize("name", ["", "GE T", "GET\r\n", "G\x00", "CONNECT", "\xe9"])
def test_a_method_that_cannot_be_sent_is_refused(name):
    with pytest.raises(ApiConfigurationError, match="invalid_method"):
        method(name)


REQUESTS = [
    ("POST", b"hi", b"POST / HTTP/1.1\r\nHost: h\r\nA: b\r\nContent-Length: 2\r\n\r\nhi"),
    ("POST", b"", b"POST / HTTP/1.1\r\nHost: h\r\nA: b\r\nContent-Length: 0\r\n\r\n"),
    ("PUT", b"", b"PUT / HTTP/1.1\r\nHost: h\r\nA: b\r\nContent-Length: 0\r\n\r\n"),
    ("GET", b"", b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n"),
    ("GET", b"x", b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nContent-Length: 1\r\n\r\nx"),
    ("DELETE", b"", b"DELETE / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n"),
    ("PROPFIND", b"", b"PROPFIND / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n"),
]


@pytest.mark.parametrize(("name", "body", "wire"), REQUESTS)
def test_a_request_is_framed_by_its_length(name, body, wire):
    where = address("http://h/")
    rest = after_method(where.request_target, where.authority)
    assert request_bytes(method(name), rest, header_block([("A", "b")]), body) == wire


def test_only_idempotent_methods_may_be_sent_again():
    idempotent, others = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"], ["POST", "PATCH", "PROPFIND"]
    assert [name for name in idempotent + others if method(name).repeatable] == idempotent
