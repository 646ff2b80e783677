"""Members of an API's documents that are kept and have no effect in this version: a warning each.

They are lost when the document is frozen, so that `check` cannot see them. A web ACL is an error: it guards the stage.
Guards of routes are no matter of this file: see `check_guard`.
"""

from __future__ import annotations

from collections.abc import Iterator

from wsgw.definitions.finding import Finding, Path, error, warning
from wsgw.definitions.freeze import api_id_of
from wsgw.definitions.freeze_parts import Document
from wsgw.definitions.freeze_rest import methods_of

#: Members of a REST API that say which TLS clients may speak, and by which way they may come.
_OF_LISTENERS = ("securityPolicy", "endpointAccessMode")
#: Members of method settings without an effect, where they are true or otherwise set.
_METHOD_SETTINGS = ("metricsEnabled", "loggingLevel", "dataTraceEnabled")


def unserved(document: Document) -> list[Finding]:
    """A finding for each thing that `document` asks for and that is not done, but for what `check` sees."""
    path: Path = ("apis", api_id_of(document))
    findings: list[Finding] = []
    if document["protocolType"] == "REST":
        for name in _OF_LISTENERS:
            if document.get(name):
                message = "how the gateway listens is for its settings to say: this has no effect"
                findings.append(warning((*path, name), message, "remove it"))
        for resource_path, verb, _, method in methods_of(document):
            if method.get("methodIntegration", {}).get("integrationTarget"):
                at: Path = (*path, "routes", f"{verb} {resource_path}", "integration", "integrationTarget")
                message = "the uri is what is called: this has no effect"
                findings.append(warning(at, message, "remove it"))
        for stage in document.get("stages", ()):
            findings += _stage((*path, "stages", stage["stageName"]), stage)
    return findings


def _stage(path: Path, stage: Document) -> Iterator[Finding]:
    settings = stage.get("methodSettings", {})
    caching = [key for key, one in settings.items() if one.get("cachingEnabled")]
    if stage.get("cacheClusterEnabled"):
        message = "response caching is not served by this version"
        yield warning((*path, "cacheClusterEnabled"), message, "remove it")
    for key in caching:
        message = "response caching is not served by this version"
        yield warning((*path, "methodSettings", key, "cachingEnabled"), message, "remove it")
    for key, one in settings.items():
        for name in _METHOD_SETTINGS:
            if one.get(name) not in (None, False, "OFF"):
                message = "not served by this version: the gateway has one log and one set of metrics"
                yield warning((*path, "methodSettings", key, name), message, "remove it")
    if stage.get("canarySettings"):
        message = "canary releases are not served by this version: all requests go to the stage's own deployment"
        yield warning((*path, "canarySettings"), message, "remove it")
    if stage.get("tracingEnabled"):
        yield warning((*path, "tracingEnabled"), "traces are not recorded by this version", "remove it")
    if stage.get("webAclArn"):
        # An error: it guards the stage.
        remedy = "write its rules as webAcl of the stage"
        yield error((*path, "webAclArn"), "web ACLs of AWS WAF are not reached from here", remedy)
