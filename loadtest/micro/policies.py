"""What deciding on one request by policies costs: `python loadtest/micro/policies.py`.

Compiled policies as API Gateway's users write them, for `GET /pets/1`: what an authorizer answers, what an access key
has, resource policies with and without conditions. Prints the median of several rounds in nanoseconds per decision, and
what compiling one costs; nothing else should run on the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from wsgw.authorizers.arns import INVOKE
from wsgw.authorizers.facts import Facts, VpcSources
from wsgw.authorizers.grants import Grants
from wsgw.authorizers.policy import Policy, compile_policy, evaluate

ROUNDS, DECISIONS = 9, 20_000
API = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234"
ARN = f"{API}/prod/GET/pets/1"
ALLOW: dict[str, Any] = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"{API}/prod/*"}
DENY = {**ALLOW, "Effect": "Deny", "Resource": [f"{API}/prod/*/admin/*", f"{API}/*/DELETE/*"]}
ANYBODY = {"Principal": "*"}
OFFICE = {"NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24", "198.51.100.0/24"]}}
POLICIES: dict[str, list[dict[str, Any]]] = {
    "an authorizer's answer: the method's own ARN": [{**ALLOW, "Resource": ARN}],
    "three statements, no context": [ALLOW, DENY, {**DENY, "Resource": f"{API}/test/*"}],
    "a resource policy for everybody": [{**ALLOW, **ANYBODY}],
    "by source address": [{**ALLOW, **ANYBODY}, {**ALLOW, **ANYBODY, "Effect": "Deny", "Condition": OFFICE}],
    "by principal, tag and time": [
        {
            **ALLOW,
            "Principal": {"AWS": "123456789012"},
            "Condition": {
                "StringEquals": {"aws:PrincipalTag/team": "${aws:username, 'blue'}"},
                "DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"},
            },
        }
    ],
}
SIGNER = {
    "aws:principalarn": ("arn:aws:iam::123456789012:user/blue",),
    "aws:principalaccount": ("123456789012",),
    "aws:principaltag/team": ("blue",),
    "aws:username": ("blue",),
}


def facts() -> Facts:
    """The condition keys of a request, as a route's permit step has them."""
    return Facts(
        source_ip="203.0.113.9", now=1_790_337_600, region="us-east-1", signer=SIGNER, vpc=NO_VPC("203.0.113.9")
    )


NO_VPC = VpcSources(()).of


def measure(name: str, call: Callable[[], object], times: int = DECISIONS) -> None:
    """Print what `call` costs."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(times):
            call()
        rounds.append((time.perf_counter() - began) / times * 1e9)
    print(f"{name:<64}{median(rounds):10.0f} ns   (best {min(rounds):.0f})")


def main() -> None:
    for name, statements in POLICIES.items():
        document = {"Version": "2012-10-17", "Statement": statements}
        policy: Policy = compile_policy(document)
        grants = Grants([policy])
        measure(f"{name}: evaluated", lambda policy=policy: evaluate([policy], INVOKE, ARN, facts()))  # type: ignore[misc]
        measure(f"{name}: as a route asks", lambda grants=grants: grants.decide(INVOKE, ARN, facts))  # type: ignore[misc]
        measure(f"{name}: compiled", lambda document=document: compile_policy(document), 500)  # type: ignore[misc]


if __name__ == "__main__":
    main()
