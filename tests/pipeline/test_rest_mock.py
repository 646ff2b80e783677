"""MOCK: the lenient reading of a mock object. Source: recorded on the service."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.pipeline.rest_mock import mock_status

OBJECTS = [
    ('{"statusCode": 200}', 200),
    ('\n  { "statusCode": 404,\n  }\n', 404),
    ("{statusCode: 200}", 200),
    ("{'statusCode': 201}", 201),
    ("{statusCode: 200,}", 200),
    ('{message: hello, "statusCode": 500}', 500),
    ('{"list": [1, two, {"a": "}"},], "statusCode": 200}', 200),
    ('{"quoted": "a \\" b", statusCode: 204}', 204),
    ('{"statusCode": "200"}', None),
    ("{statusCode: '200'}", None),
    ('{"statusCode": 200.0}', None),
    ('{"statusCode": true}', None),
    ('{"statusCode": 99}', None),
    ('{"statusCode": 600}', None),
    ('{"status": 200}', None),
    ("{}", None),
    ("", None),
    ("200", None),
    ("[200]", None),
    ("<html></html>", None),
    ('{"statusCode": 200', None),
    ('{"statusCode": 200} x', None),
    ("{statusCode 200}", None),
    ("{,}", None),
    ("{a: '" + "x" * 70_000 + "', statusCode: 200}", None),
    ('{"a": "' + "x" * 70_000 + '", "statusCode": 200}', 200),
    ("[" * 100_000, None),
    ("{a:" * 100_000, None),
    ('{"statusCode": ' + "9" * 10_000 + "}", None),
]


@pytest.mark.parametrize(("text", "status"), OBJECTS, ids=[text[:40] for text, _ in OBJECTS])
def test_a_mock_object_gives_its_status(text, status):
    assert mock_status(text) == status


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), _JSON, max_size=4), st.integers(100, 599))
def test_any_json_with_a_comma_too_many_is_read_as_without(members, status):
    members["statusCode"] = status
    text = orjson.dumps(members).decode()
    assert mock_status(text) == status
    assert mock_status(text[:-1] + ",}") == status


@given(st.text(alphabet="{}[]:,\"'\\ astuCode120\n"))
def test_no_text_breaks_the_reading(text):
    assert mock_status(text) is None or isinstance(mock_status(text), int)
