"""Whether what an API says of its callers can be compiled: expressions of authorizers, resource policies."""

from __future__ import annotations

from collections.abc import Iterator

from wsgw.authorizers.identity_sources import compile_identity_source
from wsgw.authorizers.policy import PolicyError
from wsgw.authorizers.policy_words import without_effect
from wsgw.authorizers.resource_policy import resource_policy
from wsgw.definitions.api import Api
from wsgw.definitions.finding import Finding, Path, error, warning
from wsgw.definitions.route import Integration
from wsgw.live.prove_parts import prove_url, tried
from wsgw.mapping.expressions import expression


def prove_access(path: Path, api: Api) -> Iterator[Finding]:
    """A finding for each such text of `api`, at `path`, that does not compile."""
    for authorizer in api.authorizers.values():
        if authorizer.identity_validation_expression is not None:
            at: Path = (*path, "authorizers", authorizer.name, "identityValidationExpression")
            yield from tried(at, expression, authorizer.identity_validation_expression)
        if authorizer.called == "HTTP":
            called = Integration(type="HTTP_PROXY", uri=authorizer.uri)
            yield from prove_url((*path, "authorizers", authorizer.name, "uri"), called)
        if authorizer.type == "REQUEST":
            at = (*path, "authorizers", authorizer.name, "identitySource")
            for source in authorizer.identity_sources:
                yield from tried(at, lambda one: compile_identity_source(one, api.protocol), source)
    if api.policy is not None:
        try:
            resource_policy(api.policy, "", "", api.id)
        except PolicyError as refused:
            for fault in refused.faults:
                yield error((*path, "policy"), fault, "write it as IAM policies are")
        else:
            for message, remedy in without_effect(api.policy):
                yield warning((*path, "policy"), message, remedy)
