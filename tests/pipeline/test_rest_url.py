"""Addresses of integrations: stage variables, path names, query. Source: developer guide; recorded on the service."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.errors import ApiConfigurationError
from wsgw.pipeline.rest_url import PathTemplate, as_path_value, with_query, with_stage_variables


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("http://${stageVariables.host}/${stageVariables.path}?${stageVariables.query}", "http://h:1/p?a=b"),
        ("http://${stageVariables.none}/x", "http:///x"),
        ("http://h/{id}", "http://h/{id}"),
    ],
)
def test_stage_variables_are_filled_in_and_unknown_ones_are_empty(text, result):
    assert with_stage_variables(text, {"host": "h:1", "path": "p", "query": "a=b"}) == result


@pytest.mark.parametrize(
    ("template", "values", "result"),
    [
        ("/a/b?c=d", {}, "/a/b?c=d"),
        ("/{map}", {"map": "status/200"}, "/status/200"),
        ("/{proxy+}", {"proxy": "a//b%20c"}, "/a//b%20c"),
        ("/x?testVar={p}&testQs={q}", {"p": "foobar", "q": "bar"}, "/x?testVar=foobar&testQs=bar"),
        ("/x?a={p}", {"p": "1&b=2#"}, "/x?a=1%26b=2%23"),
        ("/{a}/{b}", {"a": "1"}, "/1/%7Bb%7D"),
        ("/{a}", {"a": "x#y"}, "/x%23y"),
    ],
)
def test_names_are_filled_from_mapped_values(template, values, result):
    assert PathTemplate(template).fill(values) == result


@pytest.mark.parametrize("value", ["..", ".", "a/../b", "%2e%2e", "..%2fadmin", "a%5c..%5cb", "..;x", "%2E."])
def test_no_value_makes_a_dot_segment(value):
    """S-53"""
    with pytest.raises(ApiConfigurationError, match="dot segment"):
        PathTemplate("/files/{name}").fill({"name": value})


@pytest.mark.parametrize("value", ["a b", "a\r\nb", "é", "\0"])
def test_no_value_has_what_a_url_cannot(value):
    """S-05"""
    with pytest.raises(ApiConfigurationError):
        PathTemplate("/{name}").fill({"name": value})


@given(st.text())
def test_whatever_a_template_sets_fits_into_one_path(text):
    filled = as_path_value(text)
    assert filled.isascii()
    assert not set(filled) & set(' ?#\r\n\0"<>\\^`{|}')


@pytest.mark.parametrize(
    ("text", "raw_query", "mapped", "result"),
    [
        ("/x", "", [], "/x"),
        ("/x", "a=1", [], "/x?a=1"),
        ("/x?u=0", "a=1", [("m", "2")], "/x?u=0&a=1&m=2"),
        ("/x", "", [("m", "a b&c"), ("m", "ü")], "/x?m=a+b%26c&m=%C3%BC"),
    ],
)
def test_the_query_is_that_of_the_uri_then_the_clients_then_what_is_mapped(text, raw_query, mapped, result):
    assert with_query(text, raw_query, mapped) == result
