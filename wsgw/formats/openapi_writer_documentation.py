"""Documentation parts of a REST API → what an OpenAPI document says to people: in place, or in its extension."""

from __future__ import annotations

import json
from typing import Any

from wsgw.definitions.freeze_parts import Document
from wsgw.formats.openapi_documentation import INFO, LOCATION, METHOD, response_description

_DESCRIPTION = ("description",)


class Words:
    """The documentation parts of one document; what `rest` gives is what has not been said in place."""

    def __init__(self, document: Document) -> None:
        self._description = document.get("description")
        self._parts = {tuple(part["location"].get(key) for key in LOCATION): part for part in _parts(document)}

    def api(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Members of the document's root, and of its info."""
        said = _said(self._parts.get(("API", None, None, None, None)))
        info = said.get("info") if isinstance(said.get("info"), dict) else {}
        root, info = _only(said, ("externalDocs",)), _only(info or {}, INFO)
        beside = {**root, **({"info": info} if info else {})}
        if said and beside == said and info.get("description") == self._description:
            del self._parts["API", None, None, None, None]
        return root, {key: value for key, value in info.items() if key != "description"}

    def resource(self, path: str) -> dict[str, Any]:
        return self._take(("RESOURCE", path, None, None, None), ("summary", "description"))

    def method(self, path: str, verb: str) -> dict[str, Any]:
        return self._take(("METHOD", path, verb, None, None), METHOD)

    def parameter(self, kind: str, path: str, verb: str, name: str) -> dict[str, Any]:
        return self._take((kind, path, verb, None, name), _DESCRIPTION)

    def body(self, path: str, verb: str) -> dict[str, Any]:
        return self._take(("REQUEST_BODY", path, verb, None, None), _DESCRIPTION)

    def response(self, path: str, verb: str, status: str) -> dict[str, Any]:
        made = response_description(status)
        said = self._take(("RESPONSE", path, verb, status, None), _DESCRIPTION, {"description": made})
        return said or {"description": made}

    def header(self, path: str, verb: str, status: str, name: str) -> dict[str, Any]:
        return self._take(("RESPONSE_HEADER", path, verb, status, name), _DESCRIPTION)

    def rest(self) -> list[dict[str, Any]]:
        """What has not been taken, as the extension lists it."""
        return [{"location": part["location"], "properties": _said(part)} for part in self._parts.values()]

    def _take(
        self, location: tuple[str | None, ...], names: tuple[str, ...], unsaid: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        said = _said(self._parts.get(location))
        found = _only(said, names)
        if said and found == said != unsaid:
            del self._parts[location]
        return found


def _parts(document: Document) -> list[Document]:
    parts: list[Document] = document.get("documentationParts", [])
    return parts


def _only(said: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: said[name] for name in names if said.get(name)}


def _said(part: Document | None) -> dict[str, Any]:
    if part is None:
        return {}
    properties = part["properties"]
    said = json.loads(properties) if isinstance(properties, str) else properties
    return said if isinstance(said, dict) else {}
