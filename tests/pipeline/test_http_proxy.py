"""Where requests of HTTP APIs go on their backends, and what is mapped on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mapping.request_samples import request
from wsgw.errors import BadRequest
from wsgw.integrations.http_pool import HttpPool
from wsgw.invocation import HttpInvocation, IntegrationRequest
from wsgw.mapping.http_parameters import compile_request_mapping
from wsgw.pipeline.forward import http_lines
from wsgw.pipeline.http_function import shown
from wsgw.pipeline.http_proxy import (
    behind,
    filled,
    map_parameters_to_http_backend,
    map_to_http_backend,
    placeholders,
)


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    one = HttpPool()
    yield one
    await one.close()


async def sent(pool: HttpPool, url: str, invocation: HttpInvocation, parameters: dict[str, str]) -> IntegrationRequest:
    target = pool.target(url)
    mapping = compile_request_mapping(parameters)
    if mapping is None:
        step = map_to_http_backend(target, None, "ANY", 30, http_lines(), streams=True)
    else:
        step = map_parameters_to_http_backend(target, None, "ANY", 30, http_lines(), mapping, streams=True)
    await step(invocation)
    assert invocation.request is not None
    return invocation.request


async def test_the_method_is_the_clients_or_the_integrations_own(pool: HttpPool):
    target = pool.target("http://backend/")
    for method, expected in (("ANY", "PATCH"), ("POST", "POST")):
        invocation = request("PATCH")
        await map_to_http_backend(target, None, method, 30, http_lines(), streams=True)(invocation)
        assert invocation.request is not None
        assert invocation.request.method == expected


@pytest.mark.parametrize(
    ("url", "raw_query", "target"),
    [
        ("http://b", "", "/"),
        ("http://b/x", "a=1", "/x?a=1"),
        ("http://b/x?k=1", "a=1", "/x?k=1&a=1"),
        ("http://b/x?k=1", "", "/x?k=1"),
    ],
)
async def test_the_clients_query_stands_behind_the_integrations_own(
    pool: HttpPool, url: str, raw_query: str, target: str
):
    made = await sent(pool, url, request(raw_query=raw_query), {})
    assert made.target.request_target == target


@pytest.mark.parametrize(
    ("url", "raw_query", "parameters", "target"),
    [
        ("http://b/x?k=1&a=0", "a=1", {"overwrite:querystring.a": "2"}, "/x?k=1&a=2"),
        ("http://b/x?k=1", "", {"remove:querystring.k": "''"}, "/x"),
        ("http://b/x", "", {"append:querystring.a b": "c&d"}, "/x?a+b=c%26d"),
        ("http://b/x?k=1", "a=1", {"overwrite:path": "/y"}, "/y?k=1&a=1"),
        ("http://b/x", "a=1&&b", {"append:header.h": "1"}, "/x?a=1&&b"),
    ],
)
async def test_a_mapping_changes_path_and_query(
    pool: HttpPool, url: str, raw_query: str, parameters: dict[str, str], target: str
):
    made = await sent(pool, url, request(raw_query=raw_query), parameters)
    assert made.target.request_target == target


async def test_a_mapped_host_is_that_of_the_request_and_not_of_the_connection(pool: HttpPool):
    made = await sent(pool, "http://b/x", request(), {"overwrite:header.Host": "other.example"})
    assert b"\r\nHost: other.example\r\n" in made.target.after_method
    assert made.target.host is pool.target("http://b/").host


async def test_what_a_mapping_takes_away_is_not_sent(pool: HttpPool):
    invocation = request(headers=[("A", "1"), ("a", "2"), ("B", "3"), ("C", "4")])
    made = await sent(pool, "http://b/", invocation, {"remove:header.a": "''", "overwrite:header.B": "5"})
    assert b"C: 4\r\n" in made.lines
    assert not any(line.split(b":")[0].lower() in (b"a", b"b") for line in made.lines.split(b"\r\n"))
    assert made.headers == [("B", "5")]


def test_placeholders_are_found_with_and_without_a_plus():
    assert placeholders("http://b/{a}/x/{proxy+}?q={c}") == ["a", "proxy", "c"]
    with pytest.raises(ValueError, match=r"\{c\}"):
        filled("/{a}/{c}", ["a"])


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_path_variable_stays_the_segment_and_the_value_that_it_was(one: str, two: str):
    """S-53: nothing in a value ends its segment, or its parameter."""
    make = filled("/to/{one}/end?by={two}&more=1", ["one", "two"])
    raw = {name: quote(value.encode("utf-8", "replace"), safe="") for name, value in (("one", one), ("two", two))}
    path, _, query = make(request(path_parameters=raw)).partition("?")
    assert path.split("/") == ["", "to", raw["one"], "end"]
    assert dict(parse_qsl(query)) == {"by": unquote(raw["two"]), "more": "1"}


@pytest.mark.parametrize(
    ("base", "prefix", "rest", "target"),
    [
        ("/", "", "/", "/"),
        ("/", "/prod", "/", "/prod/"),
        ("/base", "", "/a%2Fb/", "/base/a%2Fb/"),
        ("/base/?k=1", "", "/a", "/base/a?k=1"),
    ],
)
def test_the_whole_path_stands_behind_the_integrations_own(base: str, prefix: str, rest: str, target: str):
    assert behind(base, prefix)(request(rest=rest)) == target


def test_functions_are_shown_the_request_as_mapped():
    mapping = compile_request_mapping(
        {
            "overwrite:header.host": "other.example",
            "append:header.x": "2",
            "remove:querystring.a": "''",
            "overwrite:path": "/p",
        }
    )
    assert mapping is not None
    invocation = request(headers=[("Host", "h"), ("X", "1")], raw_query="a=1&b=%20")
    made = shown(invocation, mapping)
    found: Any = [pair for pair in made.headers if pair[0].lower() in ("host", "x")]
    assert found == [("X", "1"), ("x", "2"), ("host", "other.example")]
    assert (made.query, made.raw_query, made.path) == ([("b", " ")], "b=%20", "/p")
    with pytest.raises(BadRequest):
        shown(
            request(rest="/%0A", raw_query="x=%0A"),
            compile_request_mapping({"append:header.x": "$request.querystring.x"}),
        )  # type: ignore[arg-type]
