"""What is wrong with custom domain names: their names, base paths, and the APIs and stages that these lead to.

Source: developer guide, "Use API mappings to connect API stages to a custom domain name".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from wsgw.definitions.api import Api, DomainName
from wsgw.definitions.finding import Finding, Path, error, warning

MOST_KEY = 300
_NAME = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_KEY = re.compile(r"[A-Za-z0-9$\-_.+!*'()]+(/[A-Za-z0-9$\-_.+!*'()]+)*")


def check_domains(domains: Iterable[DomainName], apis: Iterable[Api], beside: Iterable[Api] = ()) -> list[Finding]:
    """Every finding of `domains`, whose mappings lead to `apis`, or to those `beside` of which nothing is said."""
    known, domains = {api.id: api for api in apis}, list(domains)
    every = {**{api.id: api for api in beside}, **known}
    findings = [finding for domain in domains for finding in _domain(("domainNames", domain.name), domain, every)]
    named: set[str] = set()
    for domain in domains:
        if domain.name in named:
            findings.append(error(("domainNames", domain.name), "it is there twice: names have no case", "remove one"))
        named.add(domain.name)
    reached = {mapping.api_id for domain in domains for mapping in domain.mappings}
    for api in known.values():
        if api.disable_execute_api_endpoint and api.id not in reached:
            path: Path = ("apis", api.id, "disableExecuteApiEndpoint")
            findings.append(warning(path, "no domain name leads to the API: nobody can reach it", "add one"))
    return findings


def _domain(path: Path, domain: DomainName, apis: Mapping[str, Api]) -> Iterator[Finding]:
    if not _NAME.fullmatch(domain.name) or len(domain.name) > 253:
        yield error(path, "not a domain name", "write it as api.example.com or *.example.com")
    if (domain.certificate is None) != (domain.certificate_key is None):
        missing = "certificate" if domain.certificate is None else "certificateKey"
        yield error((*path, missing), "a certificate and its key go together", "name both files")
    if not domain.mappings:
        yield warning((*path, "mappings"), "it leads nowhere: every request is refused", "add one, as /: API/STAGE")
    seen: set[str] = set()
    for mapping in domain.mappings:
        at: Path = (*path, "mappings", mapping.key or "/")
        if mapping.key in seen:
            yield error(at, "there are two mappings with this base path", "remove one")
        seen.add(mapping.key)
        if mapping.key and (not _KEY.fullmatch(mapping.key) or len(mapping.key) > MOST_KEY):
            remedy = f"use up to {MOST_KEY} letters, digits, $-_.+!*'() and single slashes"
            yield error(at, "not a base path that a mapping can have", remedy)
        api = apis.get(mapping.api_id)
        if api is None:
            remedy = f"APIs: {', '.join(apis) or 'there are none'}"
            yield error(at, f"there is no API {mapping.api_id!r}", remedy)
        elif mapping.stage and mapping.stage not in api.stages:
            remedy = f"stages of {api.id}: {', '.join(api.stages)}"
            yield error(at, f"the API has no stage {mapping.stage!r}", remedy)
        elif domain.truststore is not None and not api.disable_execute_api_endpoint:
            message = f"{api.id} answers without a client certificate, too, at its own address"
            yield warning(at, message, f"set disableExecuteApiEndpoint of {api.id}, unless that is meant")
    yield from _protocols(path, domain, apis)


def _protocols(path: Path, domain: DomainName, apis: Mapping[str, Api]) -> Iterator[Finding]:
    protocols = {apis[one.api_id].protocol for one in domain.mappings if one.api_id in apis}
    if "WEBSOCKET" in protocols and len(protocols) > 1:
        message = "API Gateway lets no WebSocket API share a domain name with others; this gateway does"
        yield warning((*path, "mappings"), message)
