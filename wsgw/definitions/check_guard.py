"""Guards that a definition asks for and that this version does not serve: each is an error.

A warning would not do: whoever asked for a guard must not find the API open.
"""

from __future__ import annotations

from collections.abc import Iterator

from wsgw.definitions.api import Api
from wsgw.definitions.finding import Finding, Path, error
from wsgw.definitions.route import Route


def check_guards(path: Path, route: Route, where: str) -> Iterator[Finding]:
    """Authorization and API keys of one route. `where`: who can decide instead."""
    if route.authorization_type != "NONE" or route.authorizer is not None:
        message = f"authorization ({route.authorization_type}) is not served by this version"
        yield error((*path, "authorizationType"), message, f"remove it, and decide in {where}")
    elif route.authorization_scopes:
        message = "scopes without an authorizer: nothing would check them"
        yield error((*path, "authorizationScopes"), message, f"remove them, and decide in {where}")
    if route.api_key_required:
        remedy = f"remove it, and look at x-api-key in {where}"
        yield error((*path, "apiKeyRequired"), "API keys are not served by this version", remedy)


def check_policy(path: Path, api: Api) -> Iterator[Finding]:
    """The resource policy of a REST API."""
    if api.policy is not None:
        message = "resource policies are not served by this version"
        yield error((*path, "policy"), message, "remove it, and guard the gateway's address")
