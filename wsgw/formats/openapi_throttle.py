"""`x-wsgw-throttle` of an operation: the token bucket of one method or route, as the native format has it."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from wsgw.formats.native_schema_parts import ThrottleEntry
from wsgw.formats.openapi_place import Place
from wsgw.formats.schema_findings import ShapeCheck

THROTTLE = "x-wsgw-throttle"


@cache
def _shape() -> ShapeCheck:
    return ShapeCheck(msgspec.json.schema(ThrottleEntry))


def throttle_of(operation: Place) -> dict[str, Any] | None:
    """The throttle of `operation`; None where it has none, or an error says what is wrong with it."""
    if THROTTLE not in operation:
        return None
    place = operation.at(THROTTLE)
    faults = _shape().findings(place.value)
    for fault in faults:
        place.within(fault.path).error(fault.message, fault.remedy)
    return None if faults else dict(place.value)
