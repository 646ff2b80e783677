"""Documents of any protocol → the native format, in its short forms: what `native` undoes.

An entry is first written in full, then whatever can be left out or said shortly without changing what it means is:
reading it again decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from wsgw.definitions.finding import Finding, Path, error, warning
from wsgw.definitions.freeze import api_id_of
from wsgw.definitions.freeze_parts import Document
from wsgw.formats import native
from wsgw.formats.comparable import GUARDS, comparable, differences
from wsgw.formats.native_writer_rest import rest_entry
from wsgw.formats.native_writer_v2 import http_entry, websocket_entry

_WRITERS: dict[str, Callable[[Document], dict[str, Any]]] = {
    "REST": rest_entry,
    "HTTP": http_entry,
    "WEBSOCKET": websocket_entry,
}


class Written(NamedTuple):
    """A native file of one API; None if one of `findings` is an error. A warning names what is left out."""

    data: dict[str, Any] | None
    findings: tuple[Finding, ...] = ()


def native_file(document: Document) -> Written:
    """The API of `document` in the native format."""
    api_id = api_id_of(document)
    entry = _WRITERS[document["protocolType"]](document)
    data = {"apis": {api_id: entry}}
    read = native.read(data, {})
    if not read.apis:
        return Written(None, tuple(read.findings))
    shorter = _with_unnamed_validators(entry)
    if shorter is not None:
        again = native.read({"apis": {api_id: shorter}}, {})
        if again.apis and comparable(again.apis[0]) == comparable(read.apis[0]):
            data = {"apis": {api_id: shorter}}
    findings = tuple(_lost(("apis", api_id, *path)) for path in differences(document, read.apis[0]))
    return Written(None if any(one.severity == "error" for one in findings) else data, findings)


def _lost(path: Path) -> Finding:
    guards = not GUARDS.isdisjoint(path) or ("authorizers" in path and "x-wsgw" not in path)
    if "x-wsgw" in path and not guards:
        message = "what an import has kept of an OpenAPI document has no place in the native format"
        return warning(path, message, "export it as oas30")
    if guards:
        message = "the native format has no word for this, and without it the API would be open"
        return error(path, message, "export it as oas30")
    return warning(path, "the native format has no word for this: it is left out", "export it as oas30")


def _with_unnamed_validators(entry: dict[str, Any]) -> dict[str, Any] | None:
    """`entry` with what validators check where they are named: as short files have it. None if it names none."""
    validators = entry.get("requestValidators")
    if not validators:
        return None
    routes = {
        key: {**route, "requestValidator": validators[route["requestValidator"]]}
        if isinstance(route, dict) and isinstance(route.get("requestValidator"), str)
        else route
        for key, route in entry.get("routes", {}).items()
    }
    return {**{key: value for key, value in entry.items() if key != "requestValidators"}, "routes": routes}
