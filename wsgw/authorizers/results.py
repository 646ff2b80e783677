"""What an authorizer answers, read: a policy or yes and no, a principal, its context.

Whatever is not as it should be makes the authorizer fail: nobody is let in by half of an answer.
Source: developer guide, "Output from an API Gateway Lambda authorizer" and "Control access to HTTP APIs with AWS Lambda
authorizers" (responses of both formats).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from wsgw.authorizers.grants import Grants
from wsgw.authorizers.policy import PolicyError, compile_policy
from wsgw.caller import Principal
from wsgw.errors import AuthorizerConfigurationError
from wsgw.mapping.java_text import java_text

#: Of a whole result in bytes, and of each Resource in characters.
MOST_RESULT, MOST_RESOURCE = 8_192, 512
#: No epoch second that anybody means is beyond it. Clients are told such times, and larger numbers have no JSON.
MOST_TIME: Final = 1e15
#: Whose values a token's claims are: no function may make some up.
_RESERVED: Final = "claims"


class ResultForm(NamedTuple):
    """What results an authorizer may give.

    simple: `isAuthorized` in place of a policy. nested: context values may be anything that JSON has, and keep their
    types where they are shown as JSON (HTTP APIs). nameless: there need be no principalId (payload format 2.0).
    """

    simple: bool = False
    nested: bool = False
    nameless: bool = False


def read_result(result: Any, form: ResultForm) -> Principal | None:
    """Who is calling, by `result` (parsed JSON); None where a simple result, or a result of None, says no.

    Raises AuthorizerConfigurationError, its detail saying what is wrong and none of the values.
    """
    if result is None:
        return None
    if not isinstance(result, dict):
        raise _unusable(f"it is {_kind(result)}, not an object")
    values = _context(result.get("context"), form)
    grants: Grants | None = None
    allowed = True
    if form.simple:
        allowed = _member(result, "isAuthorized", bool)
    else:
        grants = Grants([_policy(_member(result, "policyDocument", dict))])
    principal = Principal(
        _principal_id(result, form),
        {key: _text(value) for key, value in values.items() if value is not None},
        values=values if form.nested else None,
        usage_key=_usage_key(result.get("usageIdentifierKey")),
        expires=_expires(result.get("expiresAt")),
        grants=grants,
    )
    return principal if allowed else None


def _principal_id(result: Mapping[str, Any], form: ResultForm) -> str:
    if "principalId" not in result and (form.simple or form.nameless):
        return ""
    name: str = _member(result, "principalId", str)
    if not name and not form.nameless:
        raise _unusable("principalId is empty")
    return name


def _policy(document: dict[str, Any]) -> Any:
    statements = document.get("Statement")
    for statement in statements if isinstance(statements, list) else [statements]:
        for name in ("Resource", "NotResource"):
            given = statement.get(name) if isinstance(statement, dict) else None
            for text in given if isinstance(given, list) else [given]:
                if isinstance(text, str) and len(text) > MOST_RESOURCE:
                    raise _unusable(f"policyDocument: a {name} is longer than {MOST_RESOURCE} characters")
    try:
        return compile_policy(document)
    except PolicyError as error:
        # Without the values that it may repeat: the first fault's place says enough.
        raise _unusable(f"policyDocument: {str(error).partition(':')[0][:200]} is not as a policy has it") from error


def _context(given: Any, form: ResultForm) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise _unusable(f"context is {_kind(given)}, not an object")
    if form.nested:
        if _RESERVED in given:
            raise _unusable(f"context has the reserved key {_RESERVED}")
        try:
            # Events show it some levels down.
            orjson.dumps([[[[[[[[given]]]]]]]])
        except orjson.JSONEncodeError as error:
            raise _unusable("context is nested too deeply") from error
        return given
    for value in given.values():
        if value is not None and not isinstance(value, str | bool | int | float):
            raise _unusable(f"context has {_kind(value)}; its values are strings, numbers and booleans")
    return given


def _text(value: Any) -> str:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else java_text(value)


def _usage_key(given: Any) -> str | None:
    if given is not None and not isinstance(given, str):
        raise _unusable(f"usageIdentifierKey is {_kind(given)}, not a string")
    return given or None


def _expires(given: Any) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise _unusable(f"expiresAt is {_kind(given)}, not a number of epoch seconds")
    if not abs(given) < MOST_TIME:
        raise _unusable("expiresAt is no time")
    return float(given)


def _member(result: Mapping[str, Any], name: str, kind: type) -> Any:
    given = result.get(name)
    if not isinstance(given, kind):
        raise _unusable(f"{name} is {_kind(given)}, not {_KINDS[kind]}")
    return given


_KINDS: Final = {bool: "a boolean", dict: "an object", str: "a string"}


def _kind(value: Any) -> str:
    return "null or missing" if value is None else type(value).__name__


def _unusable(why: str) -> AuthorizerConfigurationError:
    return AuthorizerConfigurationError(detail=f"the authorizer's result: {why}")
