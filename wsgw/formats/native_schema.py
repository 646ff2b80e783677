"""The shape of a native definition file: one Struct for each kind of entry, and the JSON Schema made from them.

A docstring or description here is what an editor shows for a key. Where a key has a short form, its type says so
(`str | RouteEntry`); `native.py` and its like know what the short forms mean. UNSET is a key that the file leaves out.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, field

from wsgw.formats.native_schema_firewall import web_acl_definitions
from wsgw.formats.native_schema_http import HttpApiEntry
from wsgw.formats.native_schema_parts import Entry, Maybe
from wsgw.formats.native_schema_rest import RestApiEntry
from wsgw.formats.native_schema_usage import ApiKeyEntry, UsagePlanEntry
from wsgw.formats.native_schema_websocket import ApiEntry

AnyApiEntry = ApiEntry | HttpApiEntry | RestApiEntry


class KeyEntry(Entry, frozen=True, kw_only=True):
    """A key that may sign requests with SigV4."""

    secret: Annotated[str, Meta(min_length=1, description="May be ${ENVIRONMENT_NAME}")]
    session_token: Maybe[Annotated[str, Meta(description="May be ${ENVIRONMENT_NAME}")]] = UNSET
    principal: Maybe[Annotated[str, Meta(description="ARN that the key acts as")]] = UNSET
    policies: Maybe[
        Annotated[list[dict[str, Any]], Meta(description="IAM policy documents; a key without any may do everything")]
    ] = UNSET
    expires: Maybe[
        Annotated[
            str | float, Meta(description="When temporary credentials end: 2030-01-31T12:00:00Z, or epoch seconds")
        ]
    ] = UNSET
    tags: Maybe[Annotated[dict[str, str], Meta(description="What policies see as aws:PrincipalTag/NAME")]] = UNSET
    user_id: Maybe[Annotated[str, Meta(description="What policies see as aws:userid")]] = UNSET
    organization_id: Maybe[Annotated[str, Meta(description="What policies see as aws:PrincipalOrgID")]] = UNSET


class MappingEntry(Entry, frozen=True, kw_only=True):
    """The API and stage that a path of a domain name leads to."""

    api: Annotated[str, Meta(min_length=1, description="API id")]
    stage: Maybe[
        Annotated[str, Meta(description="Left out: the API's only one, or else the path's next segment names it")]
    ] = UNSET


class DomainNameEntry(Entry, frozen=True, kw_only=True):
    """A custom domain name, perhaps with `*.` at its start."""

    mappings: Annotated[
        dict[str, str | MappingEntry],
        Meta(description="Base path, without slashes at its ends (/ is all) → API/STAGE, or API"),
    ] = field(default_factory=dict)
    certificate: Maybe[Annotated[str, Meta(description="File (PEM); the listener's own if left out")]] = UNSET
    certificate_key: Maybe[Annotated[str, Meta(description="File (PEM)")]] = UNSET
    truststore: Maybe[
        Annotated[str, Meta(description="File (PEM): one of its certificates must have signed a client's (mutual TLS)")]
    ] = UNSET


class NativeFile(Entry, frozen=True, kw_only=True):
    """APIs for wsgw, in API Gateway's own property names with some short forms."""

    apis: Annotated[dict[str, AnyApiEntry], Meta(description="By API id")] = field(default_factory=dict)
    domain_names: Annotated[dict[str, DomainNameEntry], Meta(description="By domain name")] = field(
        default_factory=dict
    )
    access_keys: Annotated[dict[str, KeyEntry], Meta(description="By access key id")] = field(default_factory=dict)
    management_tokens: Annotated[
        list[Annotated[str, Meta(min_length=1)]],
        Meta(description="Bearer tokens for the management API; may be ${ENVIRONMENT_NAME}"),
    ] = field(default_factory=list)
    api_keys: Annotated[dict[str, ApiKeyEntry], Meta(description="By API key id")] = field(default_factory=dict)
    usage_plans: Annotated[dict[str, UsagePlanEntry], Meta(description="By usage plan id")] = field(
        default_factory=dict
    )


def shape() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) that a native definition file is held to. What web ACLs say is read later."""
    schema = msgspec.json.schema(NativeFile)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def native_schema() -> dict[str, Any]:
    """`shape` for editors, as docs/wsgw.schema.json has it: with what stands in a web ACL."""
    schema = shape()
    definitions = {**schema["$defs"], **web_acl_definitions()}
    for stage in ("StageEntry", "HttpStageEntry", "RestStageEntry"):
        definitions[stage]["properties"]["webAcl"]["$ref"] = "#/$defs/WebAclEntry"
    return {**schema, "$defs": definitions}
