"""Models: JSON schemas (draft 4) that messages and bodies are checked against."""

from __future__ import annotations

from typing import Any

import msgspec


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A named JSON schema. `schema` is the parsed schema, `content_type` the type that it describes."""

    name: str
    schema: dict[str, Any]
    content_type: str = "application/json"
