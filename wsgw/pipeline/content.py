"""Content handling: base64 into bytes and bytes into base64, the only way AWS's WebSocket APIs know binary data."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error

from wsgw.definitions.route import ContentHandling
from wsgw.errors import ApiConfigurationError


def convert(body: bytes, handling: ContentHandling) -> bytes:
    """`body` as `handling` asks. Raises ApiConfigurationError where text is to be binary and is no base64."""
    if handling == "CONVERT_TO_TEXT":
        return b64encode(body)
    try:
        return b64decode(body, validate=True)
    except Base64Error as error:
        raise ApiConfigurationError(detail="CONVERT_TO_BINARY: the body is not base64") from error
