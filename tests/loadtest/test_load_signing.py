"""Signatures are compared with botocore's for the same request at the same second."""

from __future__ import annotations

import time
from unittest import mock

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from wsgw.cli.load.plan import Credentials, Plan
from wsgw.cli.load.posting import PushRequests
from wsgw.cli.load.signing import Signer

NOW = 1_800_000_000


def boto_authorization(path: str, body: bytes, token: str, region: str) -> str:
    request = AWSRequest("POST", f"http://host.example:8080{path}", data=body)
    credentials = BotoCredentials("AKIDEXAMPLE", "secret/key+", token or None)
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(NOW))
    signer = SigV4Auth(credentials, "execute-api", region)
    with mock.patch("botocore.auth.get_current_datetime") as clock:
        clock.return_value.strftime.return_value = moment
        signer.add_auth(request)
    return str(request.headers["Authorization"])


@pytest.mark.parametrize(
    "path", ["/prod/@connections/abc", "/prod/@connections/L0SM9cOFvHcCIhw%3D", "/@connections/a-b_c~"]
)
@pytest.mark.parametrize("body", [b"", b'{"id":1}', "é".encode() * 1000])
@pytest.mark.parametrize(("token", "region"), [("", "us-east-1"), ("FwoG//token==", "eu-west-3")])
def test_a_signature_is_botocores(path: str, body: bytes, token: str, region: str) -> None:
    credentials = Credentials(access_key="AKIDEXAMPLE", secret_key="secret/key+", session_token=token, region=region)
    lines = Signer(credentials, "host.example:8080", lambda: NOW).headers("POST", path, body).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if line)
    assert headers["Authorization"] == boto_authorization(path, body, token, region)
    assert headers.get("X-Amz-Security-Token", "") == token


def test_the_next_second_is_signed_with_its_own_date() -> None:
    clock = iter([NOW, NOW, NOW + 1, NOW + 1])
    signer = Signer(Credentials(access_key="A", secret_key="S"), "h", lambda: next(clock))
    first, second = signer.headers("POST", "/a", b""), signer.headers("POST", "/a", b"")
    assert first.split(b"\r\n")[0] != second.split(b"\r\n")[0]


def test_a_push_names_its_connection_in_the_path_and_carries_the_token() -> None:
    plan = Plan(url="ws://127.0.0.1:8080/prod", scenario="push", token="let-me-in")
    head, body = PushRequests(plan).build("abc=", b"hello").split(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /prod/@connections/abc%3D HTTP/1.1"
    assert {"Host: 127.0.0.1:8080", "Authorization: Bearer let-me-in", "Content-Length: 5"} <= set(lines)
    assert body == b"hello"
