"""What an OpenAPI document says to people → documentation parts of a REST API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wsgw.definitions.finding import pointer
from wsgw.formats.openapi_ids import made_id
from wsgw.formats.openapi_place import Place

EXTENSION = "x-amazon-apigateway-documentation"
_TYPES = frozenset(
    {
        "API",
        "AUTHORIZER",
        "MODEL",
        "RESOURCE",
        "METHOD",
        "PATH_PARAMETER",
        "QUERY_PARAMETER",
        "REQUEST_HEADER",
        "REQUEST_BODY",
        "RESPONSE",
        "RESPONSE_HEADER",
        "RESPONSE_BODY",
    }
)
_PARAMETERS = {"path": "PATH_PARAMETER", "query": "QUERY_PARAMETER", "header": "REQUEST_HEADER"}
INFO = ("description", "termsOfService", "contact", "license")
LOCATION = ("type", "path", "method", "statusCode", "name")
METHOD = ("tags", "summary", "description", "externalDocs", "deprecated")


class Documentation:
    """The documentation parts of one document. What its extension says of a place goes before what stands there."""

    def __init__(self, root: Place, ignore: bool) -> None:
        self._ignore = ignore
        self._parts: dict[str, dict[str, Any]] = {}
        #: Version and the like of the documentation as a whole.
        self.version: dict[str, Any] = {}
        if ignore:
            root.at(EXTENSION)
            return
        self._extension(root.at(EXTENSION))
        info = root.at("info")
        self._put({"type": "API"}, self._said(root, ("externalDocs",), info=self._said(info, INFO)))

    def parts(self) -> list[dict[str, Any]]:
        return [self._parts[key] for key in sorted(self._parts)]

    def resource(self, item: Place, path: str) -> None:
        self._put({"type": "RESOURCE", "path": path}, self._said(item, ("summary", "description")))

    def method(self, operation: Place, path: str, verb: str) -> None:
        location = {"type": "METHOD", "path": path, "method": verb}
        self._put(location, self._said(operation, METHOD))

    def parameter(self, parameter: Place, path: str, verb: str, place: str, name: str) -> None:
        location = {"type": _PARAMETERS[place], "path": path, "method": verb, "name": name}
        self._put(location, self._said(parameter, ("description",)))

    def body(self, body: Place, path: str, verb: str) -> None:
        location = {"type": "REQUEST_BODY", "path": path, "method": verb}
        self._put(location, self._said(body, ("description",)))

    def response(self, response: Place, path: str, verb: str, status: str) -> None:
        said = self._said(response, ("description",))
        if said.get("description") != response_description(status):
            location = {"type": "RESPONSE", "path": path, "method": verb, "statusCode": status}
            self._put(location, said)

    def header(self, header: Place, path: str, verb: str, status: str, name: str) -> None:
        location = {"type": "RESPONSE_HEADER", "path": path, "method": verb, "statusCode": status, "name": name}
        self._put(location, self._said(header, ("description",)))

    def _extension(self, extension: Place) -> None:
        if extension.value is None or not extension.is_mapping():
            return
        self.version = {key: value for key, value in extension.value.items() if key != "documentationParts"}
        for part in extension.at("documentationParts").items():
            location, properties = part.at("location"), part.at("properties")
            if not part.is_mapping() or not location.is_mapping():
                continue
            if location.choice("type", _TYPES) is None:
                if "type" not in location:
                    location.error("the location's type is missing", "add it, as type: METHOD")
                continue
            where = {name: value for name, value in location.value.items() if isinstance(value, str)}
            said = properties.value
            if isinstance(said, str):
                try:
                    said = json.loads(said)
                except (ValueError, RecursionError):
                    properties.warn("this is no JSON object: the part is left out", "write a mapping")
                    continue
            if properties.value is not None and isinstance(said, dict):
                self._put(where, said)
            else:
                properties.warn("this must be a mapping: the part is left out")

    def _said(self, place: Place, names: tuple[str, ...], **more: Any) -> dict[str, Any]:
        said = place.value if isinstance(place.value, dict) else {}
        found = {name: said[name] for name in names if said.get(name)}
        return {**found, **{name: value for name, value in more.items() if value}}

    def _put(self, location: dict[str, str], said: dict[str, Any]) -> None:
        if self._ignore or not said:
            return
        key = location_key(location)
        if key not in self._parts:
            part_id = made_id(10, "documentation", key)
            self._parts[key] = {"id": part_id, "location": location, "properties": json.dumps(said)}


def response_description(status: str) -> str:
    """What an export says of a response that nobody describes: OpenAPI wants it described."""
    return f"{status} response"


def location_key(location: Mapping[str, str]) -> str:
    """What tells the documentation part at `location` from the others."""
    return pointer(tuple(location.get(name, "") for name in LOCATION))
