"""What checking one caller of `@connections` costs: `python loadtest/micro/sigv4.py`.

Requests are those of boto3's PostToConnection with 111 bytes, signed by botocore's own signer, each to another
connection. Prints the median of several rounds in microseconds per call; nothing else should run on the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from statistics import median

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from wsgw.authorizers.iam import SignatureVerifier, SignedRequest
from wsgw.authorizers.management import ManagementGuard
from wsgw.authorizers.policy import compile_policy, evaluate
from wsgw.definitions.access import AccessKey
from wsgw.errors import GatewayError

HOST = "127.0.0.1:8080"
BODY = (
    b'{"action":"message","data":{"from":"somebody","room":"general","text":"the quick brown fox jumps over it all"}}'
)
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "Resource": "*/test/*"},
        {
            "Effect": "Allow",
            "Action": "execute-api:ManageConnections",
            "Resource": "arn:aws:execute-api:*:*:chat/prod/POST/@connections/*",
        },
    ],
}
KEY = AccessKey(access_key_id="AKIDEXAMPLE", secret="secret of the example", policies=(POLICY,))
STRANGER = AccessKey(access_key_id="AKIDSTRANGER", secret="secret of a stranger")
ROUNDS, REQUESTS = 9, 2_000


def signed(key: AccessKey, count: int, body: bytes = BODY) -> list[SignedRequest]:
    """`count` pushes by `key`, each to another connection."""
    signer = SigV4Auth(Credentials(key.access_key_id, key.secret), "execute-api", "us-east-1")
    requests = []
    for number in range(count):
        target = f"/prod/@connections/{sha256(str(number).encode()).hexdigest()[:34]}%3D%3D"
        headers = {"User-Agent": "Boto3/1.43 md/Botocore#1.43", "Content-Type": "application/octet-stream"}
        request = AWSRequest("POST", f"http://{HOST}{target}", headers, body)
        signer.add_auth(request)
        received = [("Host", HOST), *request.prepare().headers.items()]
        texts = [(name, value if isinstance(value, str) else value.decode()) for name, value in received]
        requests.append(SignedRequest("POST", target, texts, body))
    return requests


def measure(name: str, call: Callable[[SignedRequest], object], requests: Sequence[SignedRequest]) -> None:
    """Print what `call` costs per request."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for request in requests:
            try:
                call(request)
            except GatewayError:
                continue
        rounds.append((time.perf_counter() - began) / len(requests) * 1e6)
    print(f"{name:<44}{median(rounds):8.1f} µs   (best {min(rounds):.1f})")


def main() -> None:
    keys = {KEY.access_key_id: KEY}
    verifier = SignatureVerifier(keys.get, now=time.time)
    known, unknown = signed(KEY, REQUESTS), signed(STRANGER, REQUESTS)
    verifier.verify(known[0])
    wrong = [SignedRequest("POST", request.raw_target, request.headers, b"other") for request in known]
    measure("verify, boto3's PostToConnection", verifier.verify, known)
    measure("verify, 32 KiB body", verifier.verify, signed(KEY, 200, b"x" * 32_768))
    measure("verify, wrong signature", verifier.verify, wrong)
    measure("verify, unknown key", verifier.verify, unknown)

    def guard(keys: Sequence[AccessKey], tokens: Sequence[str]) -> Callable[[SignedRequest], object]:
        made = ManagementGuard(keys, tokens, region="us-east-1", account_id="000000000000", now=time.time)
        return lambda request: made.check(request, "127.0.0.1", "chat", "prod")

    bearer = [
        SignedRequest(
            "POST", request.raw_target, [("Host", HOST), ("Authorization", "Bearer a management token")], BODY
        )
        for request in known
    ]
    measure("guard, signed, with policies", guard([KEY], []), known)
    measure("guard, bearer token", guard([KEY], ["a management token"]), bearer)
    measure("guard, loopback", guard([], []), known)

    policies = [compile_policy(POLICY)]
    resource = "arn:aws:execute-api:us-east-1:000000000000:chat/prod/POST/@connections/{connectionId}"
    measure(
        "evaluate, three statements, uncached",
        lambda _request: evaluate(policies, "execute-api:ManageConnections", resource, {}),
        known,
    )


if __name__ == "__main__":
    main()
