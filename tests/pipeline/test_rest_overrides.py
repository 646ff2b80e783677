"""What templates set beside the payload. Source: developer guide; recorded on the service."""

from __future__ import annotations

import pytest

from tests.mapping.request_samples import request
from wsgw.pipeline.rest_overrides import header_overrides, request_overrides, status_override
from wsgw.pipeline.rest_templates import RestTemplate


def written(source):
    invocation = request()
    RestTemplate("application/json", source).render(invocation, "")
    return invocation


@pytest.mark.parametrize("part", ["header", "path", "querystring"])
@pytest.mark.parametrize(
    ("value", "text"),
    [("'x'", "x"), ("['a', 'b']", "a,b"), ("[1, true]", "1,true"), ("3", "3"), ("true", "true"), ("''", "")],
)
def test_a_request_override_is_text(part, value, text):
    invocation = written(f"#set($context.requestOverride.{part}.name = {value})")
    assert request_overrides(invocation, part) == {"name": text}


@pytest.mark.parametrize(
    "source",
    [
        "#set($k = 'foo')#set($context.requestOverride.querystring[$k] = 'bar')",
        "#set($k = 'foo')$context.requestOverride.querystring.put($k, 'bar')",
        "#set($context['requestOverride'].querystring['foo'] = 'bar')",
    ],
)
def test_every_way_to_write_an_override_counts(source):
    assert request_overrides(written(source), "querystring") == {"foo": "bar"}


@pytest.mark.parametrize(
    ("value", "status"),
    [("400", 400), ("599", 599), ("'400'", None), ("4.0", None), ("99", None), ("101", None), ("600", None)],
)
def test_a_status_override_is_a_whole_number(value, status):
    assert status_override(written(f"#set($context.responseOverride.status = {value})")) == status


def test_response_headers_are_overridden():
    assert header_overrides(written("#set($context.responseOverride.header.foo = 'bar')")) == {"foo": "bar"}


@pytest.mark.parametrize("source", ["", "#set($context.requestOverride = 'x')#set($context.responseOverride = 5)"])
def test_what_is_no_map_overrides_nothing(source):
    invocation = written(source)
    assert request_overrides(invocation, "header") == {}
    assert header_overrides(invocation) == {}
    assert status_override(invocation) is None
