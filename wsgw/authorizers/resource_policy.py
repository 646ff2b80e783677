"""Resource policies of REST APIs: short names of resources made long, then compiled, once for all routes of an API.

Source: developer guide, "Control access to a REST API with API Gateway resource policies".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import orjson

from wsgw.authorizers.grants import Grants
from wsgw.authorizers.policy import PolicyError, compile_policy

_SHORT: Final = "execute-api:/"
#: An API has one policy for all of its callers.
_MOST_DECISIONS: Final = 1_024


def expanded(document: Mapping[str, Any], region: str, account_id: str, api_id: str) -> dict[str, Any]:
    """`document` with `execute-api:/stage/VERB/path` written as the whole ARN of this API's."""
    arn = f"arn:aws:execute-api:{region}:{account_id}:{api_id}/"

    def long(value: Any) -> Any:
        if isinstance(value, list):
            return [long(one) for one in value]
        return arn + value.removeprefix(_SHORT) if isinstance(value, str) and value.startswith(_SHORT) else value

    def statement(member: Any) -> Any:
        if not isinstance(member, Mapping):
            return member
        return {name: long(value) if name in ("Resource", "NotResource") else value for name, value in member.items()}

    statements = document.get("Statement")
    if statements is None:
        return dict(document)
    whole = [statement(one) for one in statements] if isinstance(statements, list) else statement(statements)
    return {**document, "Statement": whole}


def resource_policy(document: Mapping[str, Any], region: str, account_id: str, api_id: str) -> Grants:
    """`document` ready. Raises PolicyError for what is no policy, or does not say whom it means."""
    return _compiled(orjson.dumps(document), region, account_id, api_id)


@lru_cache(maxsize=128)
def _compiled(text: bytes, region: str, account_id: str, api_id: str) -> Grants:
    document = orjson.loads(text)
    policy = compile_policy(expanded(document, region, account_id, api_id))
    statements = document["Statement"]
    nobody = [
        f"Statement[{index}]: a resource policy says whom it means; add Principal"
        for index, member in enumerate(statements if isinstance(statements, list) else [statements])
        if "Principal" not in member and "NotPrincipal" not in member
    ]
    if statements == []:
        nobody = ["Statement: there is none, so nobody is let in; write one, or remove the policy"]
    if nobody:
        raise PolicyError(nobody)
    return Grants([policy], _MOST_DECISIONS)
