"""An imported document into an existing one: PutRestApi's modes merge and overwrite, and ReimportApi's overwrite.

Source: API reference, PutRestApi; developer guide, "Import an OpenAPI file to update an existing API definition".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from wsgw.definitions.freeze_parts import Document
from wsgw.definitions.model_schema import DEFAULT_MODELS, MODEL_ADDRESS, model_reference
from wsgw.errors import DefinitionError
from wsgw.formats.openapi_documentation import location_key
from wsgw.formats.openapi_paths import Tree
from wsgw.formats.openapi_place import Notes, Place

Mode = Literal["merge", "overwrite"]

# What an import never takes from an API. Endpoint configuration: overwrite keeps it; merge takes what is imported.
_OWN = ("id", "apiId", "protocolType", "rootResourceId", "createdDate", "stages", "warnings", "apiEndpoint")
_LISTS = ("resources", "authorizers", "models", "requestValidators", "gatewayResponses", "documentationParts")
_DEFAULTS = {name: model["description"] for name, model in DEFAULT_MODELS.items()}


def merge(existing: Document, imported: Document, mode: Mode) -> dict[str, Any]:
    """`existing` after the import of `imported`, both documents of one protocol; neither is changed.

    merge: what is imported is added, and where both have something, replaces it. overwrite: what is not imported goes,
    but for stages and the endpoint configuration. What keeps its path or name keeps its id. Raises DefinitionError if
    the resources of both do not go together.
    """
    if existing["protocolType"] != "REST":
        return _overwritten_http(existing, imported)
    imported = _with_ids_of(existing, imported)
    made = {name: existing[name] for name in _OWN if name in existing}
    if mode == "overwrite":
        rest = {name: value for name, value in imported.items() if name not in _OWN}
        if "endpointConfiguration" in existing:
            rest["endpointConfiguration"] = existing["endpointConfiguration"]
        return {**rest, **made}
    kept = {name: value for name, value in existing.items() if name not in made}
    added = {name: value for name, value in imported.items() if name not in (*_OWN, *_LISTS, "name", "description")}
    whole = {**kept, **added, **made}
    types = dict.fromkeys([*existing.get("binaryMediaTypes", ()), *imported.get("binaryMediaTypes", ())])
    if types:
        whole["binaryMediaTypes"] = list(types)
    for name in ("tags", "x-wsgw"):
        if both_members := _both(existing.get(name, {}), imported.get(name, {})):
            whole[name] = both_members
    for name in _LISTS[1:]:
        whole[name] = _united(name, existing.get(name, ()), imported.get(name, ()))
    whole["resources"] = _resources(existing, imported)
    return whole


def _both(existing: Document, imported: Document) -> dict[str, Any]:
    """The members of both; of a mapping that both have, too."""
    both = {**existing, **imported}
    for name, value in imported.items():
        before = existing.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            both[name] = {**before, **value}
    return both


def _overwritten_http(existing: Document, imported: Document) -> dict[str, Any]:
    """ReimportApi: routes, integrations and authorizers are the imported ones."""
    made = {name: existing[name] for name in _OWN if name in existing}
    return {**imported, **made}


def _with_ids_of(existing: Document, imported: Document) -> dict[str, Any]:
    """`imported` with the ids that `existing` gives to what has the same path, name or type."""
    renamed: dict[str, str] = {}
    made = dict(imported)
    for name in _LISTS[1:]:
        ids = {_name(name, one): one.get("id") for one in existing.get(name, ())}
        made[name] = []
        for one in imported.get(name, ()):
            known = ids.get(_name(name, one))
            if known is not None and "id" in one:
                renamed[one["id"]] = known
                one = {**one, "id": known}
            if name == "models":
                one = {**one, "schema": MODEL_ADDRESS.sub(model_reference(existing["id"], ""), one["schema"])}
            made[name].append(one)
    paths = {resource["path"]: resource["id"] for resource in existing.get("resources", ())}
    renamed |= {one["id"]: paths[one["path"]] for one in imported.get("resources", ()) if one["path"] in paths}
    made["resources"] = [_resource(resource, renamed) for resource in imported.get("resources", ())]
    return made


def _resource(resource: Document, renamed: Mapping[str, str]) -> dict[str, Any]:
    made = {**resource, "id": renamed.get(resource["id"], resource["id"])}
    if "parentId" in resource:
        made["parentId"] = renamed.get(resource["parentId"], resource["parentId"])
    made["resourceMethods"] = {
        verb: _method(method, renamed) for verb, method in resource.get("resourceMethods", {}).items()
    }
    return made


def _method(method: Document, renamed: Mapping[str, str]) -> dict[str, Any]:
    made = dict(method)
    for name in ("authorizerId", "requestValidatorId"):
        if name in made:
            made[name] = renamed.get(made[name], made[name])
    integration = made.get("methodIntegration")
    if integration and integration.get("cacheNamespace") in renamed:
        made["methodIntegration"] = {**integration, "cacheNamespace": renamed[integration["cacheNamespace"]]}
    return made


def _resources(existing: Document, imported: Document) -> list[dict[str, Any]]:
    """The resources of both; a method that both have is the imported one."""
    united = {resource["path"]: dict(resource) for resource in existing.get("resources", ())}
    for resource in imported["resources"]:
        before = united.get(resource["path"])
        if before is None:
            united[resource["path"]] = dict(resource)
        else:
            before["resourceMethods"] = {**before.get("resourceMethods", {}), **resource["resourceMethods"]}
            if "x-wsgw" in resource:
                before["x-wsgw"] = {**before.get("x-wsgw", {}), **resource["x-wsgw"]}
    tree, notes = Tree(), Notes(None)
    for path in united:
        tree.add(path, Place(None, ("paths", path), notes))
    if notes.findings:
        raise DefinitionError([str(finding) for finding in notes.findings])
    return list(united.values())


def _united(kind: str, existing: Iterable[Document], imported: Iterable[Document]) -> list[Document]:
    united = {_name(kind, one): one for one in existing}
    for one in imported:
        name = _name(kind, one)
        # An import brings the models that every API has; they do not replace what somebody made of them.
        is_default = kind == "models" and name in _DEFAULTS and one.get("description") == _DEFAULTS[name]
        if not (is_default and name in united):
            united[name] = one
    return list(united.values())


def _name(kind: str, one: Document) -> str:
    """What tells one of the list `kind` from the others."""
    if kind == "documentationParts":
        return location_key(one.get("location", {}))
    name: str = one["responseType"] if kind == "gatewayResponses" else one["name"]
    return name
