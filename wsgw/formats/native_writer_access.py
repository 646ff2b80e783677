"""Authorizers in API Gateway's shapes, and what guards a route → their entries in the native format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wsgw.definitions.freeze_parts import Document
from wsgw.formats.native_access import OURS_OF_AUTHORIZER, rest_authorizer, v2_authorizer
from wsgw.formats.native_schema_access import AuthorizerEntry, RestAuthorizerEntry
from wsgw.formats.native_shorter import members_of, reader, shortest

_REST_SHORT = (("authorizerUri", "uri"), ("authorizerResultTtlInSeconds", "resultTtlInSeconds"))
_V2_SHORT = (
    ("authorizerType", "type"),
    *_REST_SHORT,
    ("authorizerPayloadFormatVersion", "payloadFormatVersion"),
)


def rest_authorizer_entry(authorizer: Document) -> dict[str, Any]:
    """The entry of a REST API's authorizer."""
    entry = {**members_of(dict(authorizer), RestAuthorizerEntry), **_ours(authorizer)}
    if "," in (sources := entry.get("identitySource", "")):
        entry["identitySource"] = [part.strip() for part in sources.split(",")]
    read = reader(RestAuthorizerEntry, lambda one, findings: rest_authorizer("a", one, (), findings))
    return shortest(_renamed(entry, _REST_SHORT), read)


def v2_authorizer_entry(authorizer: Document, protocol: str) -> dict[str, Any]:
    """The entry of an authorizer of an HTTP or WebSocket API."""
    entry = {**members_of(dict(authorizer), AuthorizerEntry, "jwtConfiguration"), **_ours(authorizer)}
    entry |= {name: value for name, value in authorizer.get("jwtConfiguration", {}).items() if value}
    if len(sources := entry.get("identitySource", ())) == 1 and "," not in sources[0]:
        entry["identitySource"] = sources[0]
    read = reader(AuthorizerEntry, lambda one, findings: v2_authorizer("a", one, protocol, (), findings))
    return shortest(_renamed(entry, _V2_SHORT), read)


def _renamed(entry: dict[str, Any], names: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """`entry` with its members under their short names, what is always there first."""
    short = dict(names)
    made = {short.get(name, name): value for name, value in entry.items()}
    first: dict[str, Any] = {name: made.pop(name) for name in ("type", "uri") if name in made}
    return {**first, **made}


def _ours(authorizer: Document) -> dict[str, Any]:
    ours = authorizer.get("x-wsgw", {})
    return {name: ours[name] for name in OURS_OF_AUTHORIZER if name in ours}


def names_and_types(document: Document) -> tuple[dict[str, str], dict[str, str]]:
    """Of the authorizers of `document`: their names by id, and their types by name."""
    id_name, type_name = ("id", "type") if document["protocolType"] == "REST" else ("authorizerId", "authorizerType")
    authorizers = document.get("authorizers", ())
    names = {one[id_name]: one.get("name", one[id_name]) for one in authorizers}
    return names, {names[one[id_name]]: one[type_name] for one in authorizers}


def with_authorizer(entry: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The `entry` of a route with its authorizer by name."""
    if "authorizerId" not in entry:
        return entry
    authorizer = entry["authorizerId"]
    named = {"authorizer": names.get(authorizer, authorizer)}
    return {**named, **{name: value for name, value in entry.items() if name != "authorizerId"}}
