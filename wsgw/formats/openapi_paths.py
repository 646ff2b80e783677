"""The paths of an OpenAPI document: its base path, and the tree of a REST API's resources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from wsgw.formats.openapi_ids import made_id
from wsgw.formats.openapi_place import Place

BasePathMode = Literal["ignore", "prepend", "split"]

VERBS = ("get", "put", "post", "delete", "options", "head", "patch")
_ITEM = frozenset({*VERBS, "trace", "$ref", "summary", "description", "servers", "parameters", "security"})
_OPERATION = frozenset(
    {
        *("tags", "summary", "description", "externalDocs", "operationId", "parameters", "requestBody", "responses"),
        *("callbacks", "deprecated", "security", "servers", "consumes", "produces", "schemes", "$ref"),
    }
)
_SEGMENT = re.compile(r"[A-Za-z0-9_.,:-]+|\{[A-Za-z0-9_.,:-]+\+?\}")
_VARIABLE = re.compile(r"\{([^{}]*)\}")


def base_path(root: Place) -> str:
    """The document's base path without its last slash: `/v1`, or "" for none.

    Swagger's `basePath`; else the default of the first server variable `basePath`, whether or not a URL uses it; else
    the path of the first server's URL.
    """
    if "swagger" in root:
        return _clean(root.text("basePath") or "")
    servers = list(root.at("servers").items())
    for server in servers:
        variable = server.at("variables").at("basePath")
        if variable.value is not None and variable.is_mapping():
            return _clean(variable.text("default") or "")
    if not servers:
        return ""
    url = _filled(servers[0])
    try:
        return _clean(urlsplit(url).path)
    except ValueError:
        servers[0].at("url").warn("this is no URL: the document has no base path")
        return ""


def placed(path: str, base: str, mode: BasePathMode) -> str:
    """`path` of the document as a path of the API; `split` takes the base path's first segment off."""
    if mode == "ignore" or not base:
        return path
    if mode == "split":
        base = "".join(f"/{part}" for part in base.split("/")[2:])
    return base + path if path != "/" else base or "/"


def _clean(path: str) -> str:
    return "".join(f"/{part}" for part in path.split("/") if part)


def _filled(server: Place) -> str:
    url = server.text("url") or ""
    variables = server.at("variables").value
    defaults: Mapping[str, Any] = variables if isinstance(variables, dict) else {}

    def default(match: re.Match[str]) -> str:
        variable = defaults.get(match[1])
        return str(variable.get("default", "")) if isinstance(variable, dict) else ""

    return _VARIABLE.sub(default, url)


def check_item(item: Place) -> None:
    """What a path item has that it cannot have; an error where that was to guard its operations."""
    if "security" in item:
        item.at("security").error(
            "a path has no guard of its own: this would guard nothing", "move it to each operation"
        )
    item.has_only(_ITEM, "a path")
    for key in (*VERBS, "trace"):
        operation = item.at(key)
        if "$ref" in operation:
            operation.at("$ref").error(
                "an operation is not read by reference", "write it out, or refer to the whole path"
            )
        operation.has_only(_OPERATION, "an operation")


class Tree:
    """The resources of a REST API, each with those above it."""

    def __init__(self) -> None:
        root = {"id": made_id(10, "resource", "/"), "path": "/", "resourceMethods": {}}
        self.resources: dict[str, dict[str, Any]] = {"/": root}
        self._variables: dict[str, str] = {}  # path above: its segment that is a variable

    def add(self, path: str, place: Place) -> dict[str, Any] | None:
        """The resource at `path`; None, and an error at `place`, if there can be none."""
        segments = path.split("/")[1:]
        if segments and segments[-1] == "":
            segments.pop()
        if not path.startswith("/") or "" in segments:
            place.error("a path begins with a slash, and has none beside another", "write it as /pets/{petId}")
            return None
        above = "/"
        for number, segment in enumerate(segments):
            if not _SEGMENT.fullmatch(segment):
                remedy = "use letters, digits, _ - . , : and variables that are a whole segment, as {name}"
                place.error(f"{segment[:100]!r} cannot be a part of a path", remedy)
                return None
            if segment.endswith("+}") and number < len(segments) - 1:
                place.error(f"nothing can stand below a greedy path variable: {segment}", "move it to the path's end")
                return None
            if segment.startswith("{") and self._variables.setdefault(above, segment) != segment:
                message = f"{above} has a variable path part already: {self._variables[above]}; only one is allowed"
                place.error(message, "give it the same name")
                return None
            above = self._child(above, segment)
        return self.resources[above]

    def _child(self, above: str, segment: str) -> str:
        path = f"{above.rstrip('/')}/{segment}"
        if path not in self.resources:
            self.resources[path] = {
                "id": made_id(10, "resource", path),
                "parentId": self.resources[above]["id"],
                "pathPart": segment,
                "path": path,
                "resourceMethods": {},
            }
        return path
