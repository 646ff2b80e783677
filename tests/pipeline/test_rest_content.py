"""Binary payloads: each row of the two conversion tables, and what a template sees. Source: recorded on the service."""

from __future__ import annotations

from base64 import b64encode

import pytest

from wsgw.errors import ApiConfigurationError
from wsgw.pipeline.rest_content import Conversion, as_text, converted, request_conversion, response_conversion

PNG = b"\x89PNG\r\n\x1a\n\xff"
TEXT, BINARY = "CONVERT_TO_TEXT", "CONVERT_TO_BINARY"


@pytest.mark.parametrize(
    ("binary", "handling", "conversion"),
    [
        (False, None, "TEXT"),
        (False, TEXT, "TEXT"),
        (False, BINARY, "DECODE"),
        (True, None, "RAW"),
        (True, BINARY, "RAW"),
        (True, TEXT, "ENCODE"),
    ],
)
def test_a_request_is_converted_by_its_type_and_content_handling(binary, handling, conversion):
    assert request_conversion(handling, binary=binary) == conversion


@pytest.mark.parametrize(
    ("binary", "client_binary", "handling", "conversion"),
    [
        (False, False, None, "TEXT"),
        (False, False, TEXT, "TEXT"),
        (False, False, BINARY, "DECODE"),
        (False, True, None, "DECODE"),
        (False, True, BINARY, "DECODE"),
        (False, True, TEXT, "TEXT"),
        (True, False, None, "ENCODE"),
        (True, False, TEXT, "ENCODE"),
        (True, False, BINARY, "RAW"),
        (True, True, None, "RAW"),
        (True, True, BINARY, "RAW"),
        (True, True, TEXT, "ENCODE"),
    ],
)
def test_an_answer_is_converted_by_its_type_the_client_and_content_handling(
    binary, client_binary, handling, conversion
):
    assert response_conversion(handling, binary=binary, client_binary=client_binary) == conversion


@pytest.mark.parametrize(
    ("conversion", "body", "result"),
    [
        ("TEXT", b"plain", b"plain"),
        ("TEXT", "grün".encode(), "grün".encode()),
        ("TEXT", b"a\xffb", "a\ufffdb".encode()),
        ("DECODE", b64encode(PNG), PNG),
        ("DECODE", b"", b""),
        ("ENCODE", PNG, b64encode(PNG)),
        ("RAW", PNG, PNG),
    ],
)
def test_a_body_without_a_template_is_converted(conversion: Conversion, body: bytes, result: bytes) -> None:
    assert converted(body, conversion, None) == result


@pytest.mark.parametrize(
    ("conversion", "body", "result"),
    [
        ("TEXT", b"a\xff", "<a\ufffd>".encode()),
        ("ENCODE", PNG, b"<" + b64encode(PNG) + b">"),
    ],
)
def test_a_template_sees_text(conversion: Conversion, body: bytes, result: bytes) -> None:
    assert converted(body, conversion, lambda text: f"<{text}>") == result


def test_the_output_of_a_template_is_decoded():
    assert converted(b"ignored", "DECODE", lambda text: b64encode(PNG).decode()) == PNG


@pytest.mark.parametrize("body", [b"not base64!", PNG, b"abc"])
def test_text_that_is_no_base64_is_an_error(body):
    with pytest.raises(ApiConfigurationError):
        converted(body, "DECODE", None)


def test_a_template_over_bytes_is_an_error():
    with pytest.raises(ApiConfigurationError, match="contentHandling"):
        converted(PNG, "RAW", lambda text: text)


def test_text_that_is_utf8_is_not_copied():
    body = "grün".encode()
    assert as_text(body) is body
