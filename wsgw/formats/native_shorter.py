"""Entries of the native format made shorter: what can go, or be said in a short form, without a change of meaning."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from wsgw.definitions.freeze_parts import Document
from wsgw.formats.native_schema_parts import ModelEntry

#: An entry → what it means, to be compared; None where it cannot be read.
Read = Callable[[Any], Any]
_FIRST = ("type", "uri", "method")


def shortest(entry: dict[str, Any], read: Read, alternatives: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
    """`entry` without the members that mean nothing.

    alternatives: members that say the same of an entry more shortly, None for one to leave out; tried in order
    """
    meant = read(entry)
    if meant is None:
        return entry
    for members in alternatives:
        changed = {key: value for key, value in {**entry, **members}.items() if value is not None}
        if read(changed) == meant:
            entry = changed
            break
    for key in list(entry):
        without = {name: value for name, value in entry.items() if name != key}
        if read(without) == meant:
            entry = without
    return entry


def shortest_integration(entry: dict[str, Any], read: Read, alternatives: Iterable[dict[str, Any]] = ()) -> Any:
    """The integration `entry` as its URI alone where that says it all, else `shortest`, with what it calls first."""
    uri = entry.get("uri")
    meant = read(uri) if uri else None
    if meant is not None and meant == read(entry):
        return uri
    names = (*_FIRST, *(name for name in entry if name not in _FIRST))
    return shortest({name: entry[name] for name in names if name in entry}, read, alternatives)


def model_entry(model: Document) -> dict[str, Any]:
    """The entry of a model."""
    entry = {**members_of(dict(model), ModelEntry, "schema"), "schema": json.loads(model["schema"])}
    if entry.get("contentType") == "application/json":
        del entry["contentType"]
    return entry


def reader(kind: Any, meaning: Callable[[Any, list[Any]], Any]) -> Read:
    """Reads an entry as a `kind`, and gives its `meaning(entry, findings)` if there is nothing wrong with it."""

    def read(entry: Any) -> Any:
        findings: list[Any] = []
        try:
            meant = meaning(msgspec.convert(entry, kind, strict=False), findings)
        except (msgspec.ValidationError, LookupError):
            return None
        return None if findings else meant

    return read


def members_of(document: dict[str, Any], kind: type[msgspec.Struct], *but: str) -> dict[str, Any]:
    """The members of `document` that an entry of this `kind` has too, without those that hold nothing."""
    names = kind.__struct_encode_fields__
    return {name: document[name] for name in names if name not in but and document.get(name) not in (None, {}, [])}
