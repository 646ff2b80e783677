"""The body of a request to a REST API as JSON, parsed once for validation and mappings alike."""

from __future__ import annotations

from typing import Any

from wsgw.invocation import UNPARSED, Invocation
from wsgw.mapping.selection import parse_json


def json_of(body: bytes) -> Any:
    """`body` as JSON, or NOT_JSON. An empty one is `{}`, as the service has it everywhere."""
    return parse_json(body) if body else {}


def request_document(invocation: Invocation) -> Any:
    """The request's body as `json_of` gives it; whoever asks first has it parsed."""
    document = invocation.document
    if document is UNPARSED:
        document = invocation.document = json_of(invocation.body)
    return document
