"""One definition file's bytes → what it defines, whatever its format: `parse`, and `merged` for several files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from wsgw.definitions.access import AccessKey
from wsgw.definitions.finding import Finding, Path, error
from wsgw.formats import native
from wsgw.formats.yaml import Located, YamlError, load


class Source(NamedTuple):
    """The file that something stands in, or another place of that name, which has no lines."""

    name: str
    located: Located | None = None

    def placed(self, finding: Finding) -> Finding:
        """`finding` with this file's name, and the line of its path."""
        if self.located is None:
            return msgspec.structs.replace(finding, file=self.name)
        mark = self.located.mark(finding.path)
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

    def placed(self, finding: Finding) -> Finding:
        """`finding`, of an API of these definitions, with its file and line."""
        source = self.sources.get(finding.path[:2])
        return source.placed(finding) if source else finding


def parse(text: bytes, name: str, env: Mapping[str, str]) -> Parsed:
    """What the file `name`, whose content is `text`, defines. `env` answers for `${NAME}` in secrets.

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
    read = native.read(located.data, env)
    paths: list[Path] = [("apis", api["apiId"]) for api in read.apis]
    paths += [("accessKeys", key.access_key_id) for key in read.access_keys]
    return Parsed(
        tuple(read.apis),
        tuple(read.access_keys),
        tuple(read.management_tokens),
        tuple(sorted(map(source.placed, read.findings), key=lambda finding: (finding.line, finding.column))),
        dict.fromkeys(paths, source),
    )


def merged(several: Iterable[Parsed]) -> Parsed:
    """Several files' definitions as one; an API or a key that two of them define is a finding."""
    apis: list[dict[str, Any]] = []
    keys: list[AccessKey] = []
    tokens: list[str] = []
    findings: list[Finding] = []
    sources: dict[Path, Source] = {}
    for parsed in several:
        twice = sources.keys() & parsed.sources.keys()
        for path in sorted(twice, key=str):
            message = f"{sources[path].name} defines it too"
            findings.append(parsed.placed(error(path, message, "remove one, or give it another id")))
        apis += [api for api in parsed.documents if ("apis", api["apiId"]) not in twice]
        keys += [key for key in parsed.access_keys if ("accessKeys", key.access_key_id) not in twice]
        tokens += parsed.management_tokens
        findings += parsed.findings
        sources = {**parsed.sources, **sources}
    return Parsed(tuple(apis), tuple(keys), tuple(tokens), tuple(findings), sources)


def _refusal(data: Any) -> Finding | None:
    """Why a document is not for `native`, or None if it is."""
    if data is None:
        return error((), "the file is empty", "a definition file begins with apis:")
    if not isinstance(data, dict):
        return error((), "this is no definition file", "a definition file begins with apis:")
    if data.keys() & native.TOP_KEYS and not data.keys() & {"service", "Resources", "openapi", "swagger"}:
        return None
    kind = _foreign_kind(data)
    if kind:
        return error((), f"{kind} are not served by this version", "describe the API in the native format, under apis:")
    known = ", ".join(sorted(native.TOP_KEYS))
    return error((), "this is no definition file that is known here", f"a native one has one of: {known}")


def _foreign_kind(data: Mapping[str, Any]) -> str:
    if "openapi" in data or "swagger" in data:
        return "OpenAPI documents"
    if "Resources" in data or "AWSTemplateFormatVersion" in data:
        return "SAM templates" if "Serverless" in str(data.get("Transform", ""))[:1000] else "CloudFormation templates"
    return "Serverless Framework files" if "service" in data else ""
