"""What we sign is what botocore signs, and what our own verifier takes."""

from __future__ import annotations

import datetime
from unittest import mock

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as some

from wsgw.authorizers.iam import SignatureVerifier, SignedRequest
from wsgw.authorizers.signing import Credentials, canonical_target, signed_headers
from wsgw.definitions.access import AccessKey
from wsgw.errors import InvalidSignature

WHEN = datetime.datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001  # what botocore takes
NOW = WHEN.replace(tzinfo=datetime.UTC).timestamp()
HEADERS = [("Host", "service.example:8000"), ("Content-Type", "application/json"), ("X-Amz-Target", " a  b ")]

paths = some.text("abZ09/:%é +~x_!$'()*-", max_size=16).map(lambda text: "/" + text.replace("%", "%25"))
queries = some.lists(some.tuples(some.sampled_from(["a", "b", "c%3D"]), some.sampled_from(["", "1", "x+y", "%20"])))
tokens = some.sampled_from([None, "token"])
bodies = some.binary(max_size=8)


@given(paths, queries, tokens, bodies, some.sampled_from(["s3", "sqs"]))
def test_a_signature_is_botocores(path, query, token, body, service):
    path, joined = canonical_target(path, query, service)
    credentials = Credentials("AKIDEXAMPLE", "secret", token)
    ours = signed_headers(
        "POST", path, joined, HEADERS, body, credentials=credentials, region="eu-west-1", service=service, now=NOW
    )
    url = f"http://service.example:8000{path}" + (f"?{joined}" if joined else "")
    theirs = AWSRequest("POST", url, headers=dict(HEADERS), data=body)
    theirs.context["payload_signing_enabled"] = True
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(BotocoreCredentials(*credentials), service, "eu-west-1")
    with mock.patch("botocore.auth.get_current_datetime", return_value=WHEN):
        signer.add_auth(theirs)
    assert dict(ours)["Authorization"] == theirs.headers["Authorization"]


def signed(path: str, body: bytes = b"{}") -> list[tuple[str, str]]:
    credentials = Credentials("AKIDEXAMPLE", "secret")
    added = signed_headers(
        "POST", path, "", HEADERS, body, credentials=credentials, region="eu-west-1", service="sqs", now=NOW
    )
    return [*HEADERS, *added]


def test_our_verifier_takes_what_we_sign_and_nothing_else():
    key = AccessKey(access_key_id="AKIDEXAMPLE", secret="secret")
    verifier = SignatureVerifier({"AKIDEXAMPLE": key}.get, service="sqs", now=lambda: NOW)
    assert verifier.verify(SignedRequest("POST", "/a%2Fb/c", signed("/a%2Fb/c"), b"{}")) is key
    with pytest.raises(InvalidSignature):
        verifier.verify(SignedRequest("POST", "/a%2Fb/d", signed("/a%2Fb/c"), b"{}"))
    with pytest.raises(InvalidSignature):
        verifier.verify(SignedRequest("POST", "/a%2Fb/c", signed("/a%2Fb/c"), b"[]"))


@pytest.mark.parametrize(
    ("path", "service", "sent"),
    [("/a//b", "sqs", "/a/b"), ("/a//b", "s3", "/a//b"), ("/ü b%2f", "s3", "/%C3%BC%20b%2F"), ("", "s3", "/")],
)
def test_a_path_is_sent_encoded_once_and_slashes_repeat_only_in_keys_of_s3(path, service, sent):
    assert canonical_target(path, [], service)[0] == sent


def test_a_query_is_sent_in_order_with_spaces_as_percent_20():
    assert canonical_target("/", [("b", "x+y"), ("a", "ü")], "sqs")[1] == "a=%C3%BC&b=x%20y"
