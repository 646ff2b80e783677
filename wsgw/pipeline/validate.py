"""The validate steps: what a route requires is there, and a body is what a model allows.

Of a message, the model selection expression picks the model; of a request to a REST API, its Content-Type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final

import jsonschema_rs

from wsgw.definitions.model import Model
from wsgw.errors import BadRequestBody
from wsgw.invocation import NOT_JSON, HttpInvocation, Invocation
from wsgw.mapping.media_types import first_of
from wsgw.mapping.request_body import request_document
from wsgw.mapping.selection import choose, document_of
from wsgw.pipeline.run import Step
from wsgw.pipeline.schema_depth import deepest

Check = Callable[[Any, int], str | None]

#: Faults that one answer lists; a large body may have any number.
_MOST_FAULTS: Final = 8
#: Bytes of a body whose model has a pattern that only backtracking can match; such a match may take n² steps.
_MOST_TO_BACKTRACK: Final = 16_384
#: Bytes of a body whose faults are listed. All are made before the first is given: 2.4 seconds for a body of 200 KB,
#: and those of the branches of anyOf and oneOf even where only one is asked for.
_MOST_TO_LIST: Final = 2_048
_UNTOLD: Final = "not as its model has it, and too long to be told why"
_TOO_LONG: Final = f"longer than the {_MOST_TO_BACKTRACK} bytes that a model with look-ahead in a pattern may have"
#: What REST APIs say; WebSocket APIs word it otherwise.
_INVALID_BODY: Final = "Invalid request body"
_TOO_DEEP: Final = "nested too deeply to be checked"


def required(check: Callable[[Any], None]) -> Step:
    """Refuse an invocation without the parameters that its route declares as required. Raises BadRequestParameters."""

    async def step(invocation: Invocation) -> None:
        check(invocation)

    return step


def schema_check(model: Model) -> Check:
    """Gives a document's first fault against `model` (JSON Schema draft 4), or None. ValueError: a bad schema.

    Called with the document and the size in bytes of the text that it was.
    """
    return _check(model, 1)


def body_check(model: Model) -> Check:
    """As `schema_check`, but gives the faults as `$context.error.validationErrorString` has them: `[one, two]`."""
    faults = _check(model, _MOST_FAULTS)

    def check(document: Any, size: int) -> str | None:
        found = faults(document, size)
        return None if found is None else f"[{found}]"

    return check


def _check(model: Model, most_faults: int) -> Check:
    validator, most_bytes = _validator(model)
    words = str(model.schema)
    has_branches = "anyOf" in words or "oneOf" in words
    depth = deepest(model.schema)

    def check(document: Any, size: int) -> str | None:
        if size > most_bytes:
            return _TOO_LONG
        if depth and _is_deeper(document, depth):
            return _TOO_DEEP
        if validator.is_valid(document):
            return None
        if size <= _MOST_TO_LIST and not depth:
            return ", ".join(map(_text, islice(validator.iter_errors(document), most_faults)))
        return _UNTOLD if has_branches else _first_fault(validator, document)

    return check


def _is_deeper(document: Any, depth: int) -> bool:
    level = [document]
    for _ in range(depth):
        level = [
            member
            for value in level
            if isinstance(value, (dict, list))
            for member in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return any(isinstance(value, (dict, list)) for value in level)


def _first_fault(validator: jsonschema_rs.Draft4Validator, document: Any) -> str:
    try:
        validator.validate(document)
    except jsonschema_rs.ValidationError as fault:
        return _text(fault)
    return _UNTOLD


def _validator(model: Model) -> tuple[jsonschema_rs.Draft4Validator, float]:
    """What checks documents, and the most bytes that they may have."""
    try:
        return _built(model, jsonschema_rs.RegexOptions()), math.inf
    except ValueError:
        # The engine that is linear in time has no look-ahead and no back-references. The one that has them takes
        # 7 seconds for a value of 100,000 characters that was made for it.
        return _built(model, jsonschema_rs.FancyRegexOptions(backtrack_limit=5_000)), _MOST_TO_BACKTRACK


def _built(
    model: Model, patterns: jsonschema_rs.RegexOptions | jsonschema_rs.FancyRegexOptions
) -> jsonschema_rs.Draft4Validator:
    # Faults go to logs, which repeat nothing of a message.
    return jsonschema_rs.Draft4Validator(
        model.schema, validate_formats=True, retriever=_nothing_outside, mask="the value", pattern_options=patterns
    )


def _text(fault: jsonschema_rs.ValidationError) -> str:
    path = "/".join(str(part) for part in fault.instance_path)
    return f"[{path or '$'}] {fault.message}"


def _nothing_outside(uri: str) -> Any:
    # A schema is configuration; what it refers to is never fetched from the network.
    raise ValueError(f"a model refers to {uri}, which is not part of the definition")


def validate(select: Callable[[Invocation], str], models: Mapping[str, Check]) -> Step:
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
            fault = check(document, len(invocation.body))
        except ValueError:
            fault = _TOO_DEEP
        if fault is not None:
            raise BadRequestBody(detail=fault)

    return step


def validate_body(models: Mapping[str, Model]) -> Step:
    """Refuse a request to a REST API whose body its model does not allow. Raises BadRequestBody.

    models: by media type; `$default` is for all others, and without it they pass. No Content-Type is
    `application/json`, no body `{}`: both recorded on the service. Raises ValueError for a bad schema.
    """
    checks = {key.lower(): body_check(model) for key, model in models.items()}
    fallback = checks.get("$default")

    async def step(invocation: Invocation) -> None:
        assert isinstance(invocation, HttpInvocation)
        check = checks.get(first_of(invocation.fields.first("content-type")) or "application/json", fallback)
        if check is None:
            return
        document = request_document(invocation)
        if document is NOT_JSON:
            raise BadRequestBody(_INVALID_BODY, detail="the body is not JSON")
        try:
            fault = check(document, len(invocation.body))
        except ValueError:
            fault = _TOO_DEEP
        if fault is not None:
            raise BadRequestBody(_INVALID_BODY, detail=fault)

    return step
