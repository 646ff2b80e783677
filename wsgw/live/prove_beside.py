"""Whether what an Api needs beside its definition is there: Python functions, files of keys, the file of countries.

A deployment looks for the same, and says the same. Nothing is imported for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from wsgw.authorizers.jwks import JwksError
from wsgw.authorizers.jwks_source import keys_in
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.check_parts import PYTHON
from wsgw.definitions.finding import Finding, error, warning
from wsgw.definitions.finding import Path as At
from wsgw.firewall.compile import proved
from wsgw.firewall.countries import Countries, countries
from wsgw.integrations.handler_source import handler_fault
from wsgw.live.guard_jwt import keys_place

#: What is asked for by no authorizer.
_ALONE: Final = ("NONE", "AWS_IAM")


class Surroundings(NamedTuple):
    """Where an Api is going to be served: the directory of its first file, and two of the settings."""

    base: Path
    geo_database: str = ""
    jwt_algorithms: tuple[str, ...] = ()


def prove_beside(api: Api, around: Surroundings) -> Iterator[Finding]:
    """A finding for each thing that `api` needs and a deployment would not find."""
    path: At = ("apis", api.id)
    asked = dict.fromkeys(
        route.authorizer for route in api.routes.values() if route.authorization_type not in _ALONE and route.authorizer
    )
    # One that no route asks, no deployment makes ready.
    for name in asked:
        if name in api.authorizers:
            authorizer = api.authorizers[name]
            yield from _authorizer((*path, "authorizers", authorizer.name), authorizer, around)
    for key, route in api.routes.items():
        if route.integration is not None and route.integration.type == "PYTHON":
            yield from _function((*path, "routes", key, "integration", "uri"), route.integration.uri, around)
    for name, stage in api.stages.items():
        yield from _countries((*path, "stages", name, "webAcl"), api, stage, around)


def _authorizer(path: At, authorizer: Authorizer, around: Surroundings) -> Iterator[Finding]:
    if authorizer.type in ("TOKEN", "REQUEST") and authorizer.called == "PYTHON":
        yield from _function((*path, "uri"), authorizer.uri, around)
    elif authorizer.type == "JWT" and authorizer.issuer and (authorizer.jwks_uri or "").startswith("file:"):
        try:
            place = keys_place(authorizer.issuer, authorizer.jwks_uri, around.base)
            keys_in(place, around.jwt_algorithms)
        except (JwksError, ValueError) as fault:
            yield error((*path, "jwksUri"), str(fault))


def _function(path: At, uri: str, around: Surroundings) -> Iterator[Finding]:
    # What else it is, `definitions/check` has said.
    if PYTHON.fullmatch(uri) and (fault := handler_fault(uri, around.base)):
        yield error(path, fault)


def _countries(path: At, api: Api, stage: Stage, around: Surroundings) -> Iterator[Finding]:
    if stage.web_acl is None:
        return
    faults: list[str] = []

    def opened() -> Countries:
        try:
            return countries(around.geo_database)
        except ValueError as fault:
            faults.append(str(fault))
            return lambda address: ""

    try:
        proved(stage.web_acl, api.id, stage.name, opened)
    except ValueError:
        return  # a finding of `prove` already
    for fault in dict.fromkeys(faults):
        if around.geo_database:
            yield error(path, fault)
        else:
            yield warning(path, fault, "where that is served; --geo-database has it looked at here, too")
