"""One definition file's bytes → what it defines, whatever its format: `parse`, and `merged` for several files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import DomainName
from wsgw.definitions.finding import Finding, Path, error, pointer
from wsgw.definitions.freeze import api_id_of
from wsgw.definitions.usage import ApiKey, UsagePlan
from wsgw.formats import native
from wsgw.formats.openapi import PSEUDO_PARAMETERS, import_openapi, is_openapi
from wsgw.formats.openapi_paths import BasePathMode
from wsgw.formats.yaml import Located, YamlError, load


class Source(NamedTuple):
    """The file that something stands in, or another place of that name, which has no lines.

    `places`, of an OpenAPI document: a part of the Api → where it stands there.
    """

    name: str
    located: Located | None = None
    places: Mapping[Path, Path] = {}

    def placed(self, finding: Finding) -> Finding:
        """`finding` with this file's name, and the line of its path."""
        if self.located is None:
            return msgspec.structs.replace(finding, file=self.name)
        path = finding.path
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                path = self.located.found((*self.places[path[:length]], *path[length:]))
                finding = msgspec.structs.replace(finding, pointer=pointer(path))
                break
        mark = self.located.mark(path)
        return msgspec.structs.replace(finding, file=self.name, line=mark.line, column=mark.column)


class Parsed(NamedTuple):
    """What one or more files define.

    `documents` are the APIs in API Gateway's own shapes (see `native`). `findings` are those of reading, each with its
    file and line. `sources` says where each path of two parts (`apis`, an id) stands.
    """

    documents: tuple[dict[str, Any], ...] = ()
    access_keys: tuple[AccessKey, ...] = ()
    management_tokens: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    sources: Mapping[Path, Source] = {}
    domain_names: tuple[DomainName, ...] = ()
    api_keys: tuple[ApiKey, ...] = ()
    usage_plans: tuple[UsagePlan, ...] = ()

    def placed(self, finding: Finding) -> Finding:
        """`finding`, of an API of these definitions, with its file and line."""
        source = self.sources.get(finding.path[:2])
        return source.placed(finding) if source else finding


def parse(
    text: bytes,
    name: str,
    env: Mapping[str, str],
    pseudo_parameters: Mapping[str, str] = PSEUDO_PARAMETERS,
    basepath: BasePathMode = "ignore",
) -> Parsed:
    """What the file `name`, whose content is `text`, defines.

    `env` answers for `${NAME}` in secrets, `pseudo_parameters` for `${AWS::…}` in OpenAPI documents, whose base path
    is treated as `basepath` says.

    Never raises for what a file says: whatever is wrong with it is a finding.
    """
    try:
        located = load(text, name)
    except YamlError as fault:
        finding = Finding(message=fault.what, remedy=fault.remedy, file=name, line=fault.line, column=fault.column)
        return Parsed(findings=(finding,))
    source = Source(name, located)
    if refusal := _refusal(located.data):
        return Parsed(findings=(source.placed(refusal),))
    if is_openapi(located.data):
        return _openapi(located, name, pseudo_parameters, basepath)
    read = native.read(located.data, env)
    paths: list[Path] = [("apis", api_id_of(api)) for api in read.apis]
    paths += [("domainNames", domain.name) for domain in read.domain_names]
    paths += [("accessKeys", key.access_key_id) for key in read.access_keys]
    paths += [("apiKeys", key.id) for key in read.api_keys]
    paths += [("usagePlans", plan.id) for plan in read.usage_plans]
    return Parsed(
        tuple(read.apis),
        tuple(read.access_keys),
        tuple(read.management_tokens),
        tuple(sorted(map(source.placed, read.findings), key=lambda finding: (finding.line, finding.column))),
        dict.fromkeys(paths, source),
        tuple(read.domain_names),
        tuple(read.api_keys),
        tuple(read.usage_plans),
    )


def merged(several: Iterable[Parsed]) -> Parsed:
    """Several files' definitions as one; an API or a key that two of them define is a finding."""
    apis: list[dict[str, Any]] = []
    keys: list[AccessKey] = []
    tokens: list[str] = []
    domains: list[DomainName] = []
    api_keys: list[ApiKey] = []
    plans: list[UsagePlan] = []
    findings: list[Finding] = []
    sources: dict[Path, Source] = {}
    for parsed in several:
        twice = sources.keys() & parsed.sources.keys()
        for path in sorted(twice, key=str):
            message = f"{sources[path].name} defines it too"
            findings.append(parsed.placed(error(path, message, "remove one, or give it another id")))
        apis += [api for api in parsed.documents if ("apis", api_id_of(api)) not in twice]
        keys += [key for key in parsed.access_keys if ("accessKeys", key.access_key_id) not in twice]
        domains += [domain for domain in parsed.domain_names if ("domainNames", domain.name) not in twice]
        api_keys += [key for key in parsed.api_keys if ("apiKeys", key.id) not in twice]
        plans += [plan for plan in parsed.usage_plans if ("usagePlans", plan.id) not in twice]
        tokens += parsed.management_tokens
        findings += parsed.findings
        sources = {**parsed.sources, **sources}
    return Parsed(
        tuple(apis),
        tuple(keys),
        tuple(tokens),
        tuple(findings),
        sources,
        tuple(domains),
        tuple(api_keys),
        tuple(plans),
    )


def _openapi(located: Located, name: str, pseudo_parameters: Mapping[str, str], basepath: BasePathMode) -> Parsed:
    """The API of an OpenAPI document."""
    imported = import_openapi(located.data, basepath=basepath, pseudo_parameters=pseudo_parameters)
    source = Source(name, located, imported.places)
    findings = sorted(map(source.placed, imported.findings), key=lambda finding: (finding.line, finding.column))
    if imported.document is None:
        return Parsed(findings=tuple(findings))
    path: Path = ("apis", api_id_of(imported.document))
    return Parsed((imported.document,), findings=tuple(findings), sources={path: source})


#: What would be one.
_BEGINS = "a definition file has apis:, openapi: or swagger:"


def _refusal(data: Any) -> Finding | None:
    """Why a document is not for `native`, or None if it is."""
    if data is None:
        return error((), "the file is empty", _BEGINS)
    if not isinstance(data, dict):
        return error((), "this is no definition file", _BEGINS)
    if data.keys() & native.TOP_KEYS and not data.keys() & {"service", "Resources", "openapi", "swagger"}:
        return None
    if is_openapi(data):
        return None
    kind = _foreign_kind(data)
    if kind:
        return error((), f"{kind} are not served by this version", "describe the API in the native format, under apis:")
    known = ", ".join(sorted(native.TOP_KEYS))
    message = "this is no definition file that is known here"
    return error((), message, f"a native one has one of: {known}; an OpenAPI document has openapi or swagger")


def _foreign_kind(data: Mapping[str, Any]) -> str:
    if "Resources" in data or "AWSTemplateFormatVersion" in data:
        return "SAM templates" if "Serverless" in str(data.get("Transform", ""))[:1000] else "CloudFormation templates"
    return "Serverless Framework files" if "service" in data else ""
