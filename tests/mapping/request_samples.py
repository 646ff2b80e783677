"""A request to an HTTP or REST API as the edge makes it, for the tests of mappings and steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.mapping.mapping_samples import TIME, Site
from wsgw.caller import Caller, Principal
from wsgw.header_fields import HeaderFields
from wsgw.invocation import Headers, HttpInvocation

REQUEST_ID = "5f9c3a52-6ac9-4b8e-9d5c-0d3a0f1f6a11"


def request(
    method: str = "GET",
    rest: str = "/pets/42",
    raw_query: str = "",
    headers: Headers = (),
    body: bytes = b"",
    *,
    stage_variables: Mapping[str, str] | None = None,
    principal: Principal | None = None,
    path_parameters: Mapping[str, str] | None = None,
    **fields: Any,
) -> HttpInvocation:
    caller = Caller()
    caller.source_ip = "203.0.113.9"
    caller.user_agent = "agent/1.0"
    caller.domain_name = "api.example.com"
    caller.principal = principal
    site: Any = Site(stage_variables or {})
    made = HttpInvocation(
        site, caller, REQUEST_ID, TIME, method, f"/dev{rest}", rest, raw_query, HeaderFields(list(headers)), body
    )
    made.path_parameters = path_parameters or {}
    made.route_key = f"{method} /pets/{{id}}"
    made.resource_path, made.resource_id = "/pets/{id}", "r3s0rc"
    made.domain_prefix, made.extended_request_id = "api", "EOn3lGUtIAMEktQ="
    made.forwarded = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Port", "443"), ("X-Forwarded-Proto", "https")]
    made.trace = "Root=1-5759e988-bd862e3fe1be46a994272793"
    for name, value in fields.items():
        setattr(made, name, value)
    return made
