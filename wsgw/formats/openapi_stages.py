"""`x-wsgw-stages` of an OpenAPI document: stage entries as the native format has them, by name."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from wsgw.definitions.finding import Path
from wsgw.formats.native_http import http_stage
from wsgw.formats.native_rest import rest_stage
from wsgw.formats.native_schema_http import HttpStageEntry
from wsgw.formats.native_schema_rest import RestStageEntry
from wsgw.formats.openapi_place import Place
from wsgw.formats.schema_findings import ShapeCheck

EXTENSION = "x-wsgw-stages"


@cache
def _shape(is_http: bool) -> ShapeCheck:
    entry = HttpStageEntry if is_http else RestStageEntry
    return ShapeCheck(msgspec.json.schema(dict[str, entry | None]))  # type: ignore[valid-type]


def rest_stages(root: Place, places: dict[Path, Path], api: Path) -> list[dict[str, Any]]:
    """The stages that a REST API's document names, in v1's shapes; `places` gets where they stand."""
    return [
        rest_stage(name, msgspec.convert(value or {}, RestStageEntry, strict=False))
        for name, value in _entries(root, False, places, api).items()
    ]


def http_stages(root: Place, places: dict[Path, Path], api: Path) -> list[dict[str, Any]]:
    """The stages that an HTTP API's document names, in v2's shapes; `places` gets where they stand."""
    return [
        http_stage(name, msgspec.convert(value or {}, HttpStageEntry, strict=False))
        for name, value in _entries(root, True, places, api).items()
    ]


def _entries(root: Place, is_http: bool, places: dict[Path, Path], api: Path) -> dict[str, Any]:
    """The entries by name, without those whose shape is wrong."""
    extension = root.at(EXTENSION)
    if extension.value is None or not extension.is_mapping():
        return {}
    spoiled = set()
    for fault in _shape(is_http).findings(extension.value):
        place = extension
        for part in fault.path:
            # The check gives a key of digits as a number.
            place = place.at(str(part) if isinstance(place.value, dict) else part)
        place.error(fault.message, fault.remedy)
        spoiled.add(str(place.path[1]) if fault.path else "")
    for name in extension.value:
        places[(*api, "stages", name)] = (EXTENSION, name)
    return {name: value for name, value in extension.value.items() if name not in spoiled}
