"""Models, JSON schemas (draft 4), and which parts of a request a validator checks."""

from __future__ import annotations

from typing import Any

import msgspec


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A named JSON schema. `schema` is the parsed schema, `content_type` the type that it describes."""

    name: str
    schema: dict[str, Any]
    content_type: str = "application/json"


class RequestValidator(msgspec.Struct, frozen=True, kw_only=True):
    """What is checked of a request to a REST API: its declared parameters, then its body against a model."""

    name: str = ""
    validate_request_body: bool = False
    validate_request_parameters: bool = False
