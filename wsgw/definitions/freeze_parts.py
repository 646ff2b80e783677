"""What freezing documents of either shape, v1's and v2's, shares: function names, throttles, limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import StageLimits

DEFAULT_STAGE = "prod"
# What an account is allowed where a route or stage says nothing. Source: developer guide, "API Gateway quotas".
_ACCOUNT_RATE, _ACCOUNT_BURST = 10_000.0, 5_000
_INVOCATION_ARN = re.compile(
    r"arn:[^:]+:apigateway:[^:]*:lambda:path/[0-9-]+/functions/(.+)/(?:response-streaming-)?invocations"
)
_LIMITS = {re.sub(r"_(\w)", lambda m: m[1].upper(), name): name for name in StageLimits.__struct_fields__}


Document = Mapping[str, Any]


def function_of(uri: str) -> str:
    """The Lambda function's name or ARN in an integration URI: an invocation ARN, `lambda:…`, or the name itself."""
    invocation = _INVOCATION_ARN.fullmatch(uri)
    return invocation[1] if invocation else uri.removeprefix("lambda:")


def limits_of(extensions: Document) -> dict[str, Any]:
    """The fields of StageLimits that a stage's `x-wsgw` sets."""
    return {_LIMITS[name]: value for name, value in extensions.get("limits", {}).items()}


def throttle_of(settings: Document, rate: str, burst: str) -> ThrottleSettings | None:
    """The bucket that `settings` describe under the names `rate` and `burst`; None if neither is there."""
    if rate not in settings and burst not in settings:
        return None
    return ThrottleSettings(
        rate_limit=float(settings.get(rate, _ACCOUNT_RATE)), burst_limit=int(settings.get(burst, _ACCOUNT_BURST))
    )


def renamed(document: Document, **names: str) -> dict[str, Any]:
    """The members of `document` that `names` gives another name, where they are set."""
    return {ours: document[theirs] for theirs, ours in names.items() if document.get(theirs) is not None}
