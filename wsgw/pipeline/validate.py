"""The validate step: a message against the model that the route's model selection expression picks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jsonschema_rs

from wsgw.definitions.model import Model
from wsgw.errors import BadRequestBody
from wsgw.invocation import NOT_JSON, Invocation
from wsgw.mapping.selection import choose, document_of
from wsgw.pipeline.run import Step


def required(check: Callable[[Invocation], None]) -> Step:
    """Refuse an invocation without the parameters that its route declares as required. Raises BadRequestParameters."""

    async def step(invocation: Invocation) -> None:
        check(invocation)

    return step


def schema_check(model: Model) -> Callable[[Any], str | None]:
    """Gives a document's first fault against `model` (JSON Schema draft 4), or None. ValueError: a bad schema."""
    # Faults go to logs, which repeat nothing of a message.
    validator = jsonschema_rs.Draft4Validator(
        model.schema, validate_formats=True, retriever=_nothing_outside, mask="the value"
    )

    def check(document: Any) -> str | None:
        for fault in validator.iter_errors(document):
            path = "/".join(str(part) for part in fault.instance_path)
            return f"[{path or '$'}] {fault.message}"
        return None

    return check


def _nothing_outside(uri: str) -> Any:
    # A schema is configuration; what it refers to is never fetched from the network.
    raise ValueError(f"a model refers to {uri}, which is not part of the definition")


def validate(select: Callable[[Invocation], str], models: Mapping[str, Callable[[Any], str | None]]) -> Step:
    """Refuse a message that its model does not allow, or for which no model is found. Raises BadRequestBody.

    select: gives the key in `models`; `$default` is what any other key finds.
    """
    fallback = choose(models, "$default")

    async def step(invocation: Invocation) -> None:
        check = models.get(select(invocation), fallback)
        document = document_of(invocation)
        if check is None:
            raise BadRequestBody(detail="no model is selected, and there is no $default")
        if document is NOT_JSON:
            raise BadRequestBody(detail="the message is not JSON")
        try:
            fault = check(document)
        except ValueError:
            fault = "nested too deeply to be checked"
        if fault is not None:
            raise BadRequestBody(detail=fault)

    return step
