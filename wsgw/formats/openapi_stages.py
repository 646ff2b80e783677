"""`x-wsgw-stages` of an OpenAPI document: stage entries as the native format has them, by name."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec

from wsgw.definitions.finding import Path
from wsgw.formats.native_parts import v2_stage
from wsgw.formats.native_rest import rest_stage
from wsgw.formats.native_schema_http import HttpStageEntry
from wsgw.formats.native_schema_rest import RestStageEntry
from wsgw.formats.openapi_place import Place
from wsgw.formats.schema_findings import ShapeCheck

EXTENSION = "x-wsgw-stages"
T = TypeVar("T", RestStageEntry, HttpStageEntry)


@cache
def _shape(kind: Any) -> ShapeCheck:
    return ShapeCheck(msgspec.json.schema(dict[str, kind | None]))


def rest_stages(root: Place, places: dict[Path, Path], api: Path) -> list[dict[str, Any]]:
    """The stages that a REST API's document names, in v1's shapes; `places` gets where they stand."""
    return [rest_stage(name, entry) for name, entry in _entries(root, RestStageEntry, places, api).items()]


def http_stages(root: Place, places: dict[Path, Path], api: Path) -> list[dict[str, Any]]:
    """The stages that an HTTP API's document names, in v2's shapes; `places` gets where they stand."""
    return [v2_stage(name, entry) for name, entry in _entries(root, HttpStageEntry, places, api).items()]


def _entries(root: Place, kind: type[T], places: dict[Path, Path], api: Path) -> dict[str, T]:
    """The entries by name, without those whose shape is wrong."""
    extension = root.at(EXTENSION)
    if EXTENSION not in root or not extension.is_mapping():
        return {}
    spoiled = set()
    for fault in _shape(kind).findings(extension.value):
        place = extension.within(fault.path)
        place.error(fault.message, fault.remedy)
        spoiled.add(str(place.path[1]) if fault.path else "")
    entries: dict[str, T] = {}
    for name, member in extension.members():
        places[(*api, "stages", name)] = member.path
        if name in spoiled:
            continue
        try:
            entries[name] = msgspec.convert(member.value or {}, kind, strict=False)
        except msgspec.ValidationError as fault:
            member.error(str(fault))
    return entries
