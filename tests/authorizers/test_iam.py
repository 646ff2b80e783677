"""SigV4 verification against what botocore signs, and against what attackers change (S-30 to S-36)."""

from __future__ import annotations

import contextlib
import string
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from urllib.parse import quote, unquote

import boto3
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSResponse
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.authorizers.sigv4_signing import CONNECTION, HOST, KEY, NOW, altered, sign, verifier, with_header
from tests.harness.pace import SLOWER
from wsgw.authorizers import iam, signing
from wsgw.authorizers.canonical import has_dot_segment, path_forms, query_forms, query_pairs
from wsgw.authorizers.iam import SignatureVerifier, SignedRequest
from wsgw.authorizers.used_signatures import UsedSignatures
from wsgw.definitions.access import AccessKey
from wsgw.errors import (
    ExpiredToken,
    GatewayError,
    IncompleteSignature,
    InvalidSignature,
    MissingAuthenticationToken,
    UnrecognizedClient,
)

SESSION = AccessKey(access_key_id="ASIDEXAMPLE", secret="session secret", session_token="FwoG/ZX+Iv=")


def header(request: SignedRequest, name: str) -> str:
    return next(value for key, value in request.headers if key.lower() == name.lower())


def authorization(request: SignedRequest, old: str, new: str) -> SignedRequest:
    """`request` with `old` replaced in its Authorization header."""
    given = header(request, "authorization")
    assert old in given
    return with_header(request, "Authorization", given.replace(old, new))


# ---- what must be accepted


def test_it_agrees_with_the_example_that_aws_publishes():
    """S-30: the vector get-vanilla of the SigV4 test suite."""
    headers = [
        ("Host", "example.amazonaws.com"),
        ("X-Amz-Date", "20150830T123600Z"),
        (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
    ]
    at = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
    assert verifier(now=at, service="service").verify(SignedRequest("GET", "/", headers)) is KEY


TARGETS = [
    "/",
    "",
    "/prod/@connections/abc=",
    "/prod/@connections/abc%3D",
    "/prod/@connections/abc%3D%3D",
    "/prod/%40connections/abc%3d",
    "/prod/a b",
    "/prod/a%20b",
    "/prod/a%2520b",
    "/prod/a%252Fb/%2F",
    "/prod/a+b/c%2Bd",
    "/prod//double///slashes/",
    "/prod/ünïcode/ሴ",
    "/prod/%E1%88%B4/%C3%BC",
    "/prod/~tilde/-._*'()!$&,;:",
    "/prod/x?a=1&b=2",
    "/prod/x?b=2&a=1&a=0",
    "/prod/x?a=b+c",
    "/prod/x?a=b%2Bc&d=e%20f",
    "/prod/x?empty=&none",
    "/prod/x?a=b=c&=nameless",
    "/prod/x?a&&b&",
    "/prod/x?a%3Db=%3D&A=1&a-=2&a=3",
    "/prod/x?name=ü&ሴ=%E1%88%B4",
    "/prod/x?a=@:/?,;!*'()",
]


@pytest.mark.parametrize("target", TARGETS)
def test_whatever_botocore_signs_in_a_header_is_verified(target):
    """S-30."""
    assert verifier().verify(sign("GET", target, body=b"")) is KEY


@pytest.mark.parametrize("target", [target for target in TARGETS if target and target != "/prod/x?a&&b&"])
def test_whatever_botocore_presigns_is_verified(target):
    """S-30. Presigning drops empty parts of a query, and repeats; what it sends is what it signed."""
    assert verifier().verify(sign("GET", target, body=b"", presigned=True)) is KEY


@pytest.mark.parametrize("value", ["a b", "a+b", "=&?/", "ü", "%", "%20", ""])
def test_a_query_that_is_signed_before_it_is_encoded_is_verified(value):
    request = sign("GET", "/prod/x", body=b"", params={"name": value})
    assert verifier().verify(request) is KEY


def test_a_space_may_be_sent_as_a_plus():
    """As encoders of forms do; it is signed as %20."""
    request = sign("GET", "/prod/x?a%20b=c%20d", body=b"")
    assert verifier().verify(altered(request, raw_target="/prod/x?a+b=c+d")) is KEY


@pytest.mark.parametrize("path", ["/prod/a%20b", "/prod/%40connections/x%3D", "/prod/%E1%88%B4", "/prod/~%7e"])
def test_a_path_that_is_signed_encoded_once_is_verified(path):
    """As S3's signers and curl do. botocore encodes what it is given, so it is given the path decoded."""
    signed = sign("GET", unquote(path), body=b"")
    assert verifier().verify(altered(signed, raw_target=path)) is KEY


PATH_FORMS = [
    ("", ["/"]),
    ("/a", ["/a"]),
    ("/@/=", ["/%40/%3D"]),
    ("/%3D", ["/%253D", "/%3D"]),
    ("/a//b", ["/a//b", "/a/b"]),
    ("/a%2Fb", ["/a%252Fb", "/a%2Fb"]),
    ("/a%2fb", ["/a%252fb", "/a%2Fb"]),
    ("/a%2540", ["/a%252540"]),
    ("/\udcff", ["/%FF"]),
]


@pytest.mark.parametrize(("path", "forms"), PATH_FORMS)
def test_a_path_has_these_canonical_forms(path, forms):
    assert list(path_forms(path)) == forms


@pytest.mark.parametrize("operation", ["post_to_connection", "get_connection", "delete_connection"])
def test_requests_of_boto3_are_verified(operation):
    """S-30: an unmodified client, with a payload of all bytes and an id that it has to encode."""
    client = boto3.client(
        "apigatewaymanagementapi",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:8080/prod",
        aws_access_key_id=KEY.access_key_id,
        aws_secret_access_key=KEY.secret,
    )
    sent: list[SignedRequest] = []

    def receive(request, **_kwargs):
        headers = [
            (name, value if isinstance(value, str) else value.decode()) for name, value in request.headers.items()
        ]
        target = request.url.removeprefix("http://127.0.0.1:8080")
        sent.append(SignedRequest(request.method, target, [("Host", "127.0.0.1:8080"), *headers], request.body or b""))
        return AWSResponse(request.url, 200, {}, None)

    client.meta.events.register("before-send", receive)
    data = {"Data": bytes(range(256))} if operation == "post_to_connection" else {}
    with contextlib.suppress(Exception):
        # The answer is made up, and no matter.
        getattr(client, operation)(ConnectionId="Zm9vYmFy+/YmF6==", **data)
    assert len(sent) == 1
    assert verifier(now=time.time()).verify(sent[0]) is KEY


HEADERS = [
    {"Content-Type": "application/octet-stream"},
    {"X-Custom": "  two   spaces\tand a tab "},
    {"X-Amz-Meta": "signed", "Accept": "*/*"},
    {"Date": "any"},
]


@pytest.mark.parametrize("headers", HEADERS)
def test_signed_headers_of_all_kinds_are_verified(headers):
    assert verifier().verify(sign(headers=headers)) is KEY


def test_a_repeated_signed_header_counts_with_all_its_values():
    request = sign(headers={"X-Custom": "a,b"})
    headers = [pair for pair in request.headers if pair[0] != "X-Custom"]
    assert verifier().verify(altered(request, headers=[*headers, ("X-Custom", "a"), ("x-custom", " b ")])) is KEY
    with pytest.raises(InvalidSignature):
        verifier().verify(altered(request, headers=[*headers, ("X-Custom", "b"), ("X-Custom", "a")]))


def test_a_stated_hash_of_the_body_is_verified():
    body = bytes(range(256))
    assert verifier().verify(sign(headers={"X-Amz-Content-SHA256": sha256(body).hexdigest()}, body=body)) is KEY


def test_unsigned_headers_of_proxies_do_not_matter():
    request = with_header(with_header(sign(), "X-Forwarded-For", "203.0.113.9"), "X-Amzn-Trace-Id", "Root=1-0-0")
    assert verifier().verify(request) is KEY


def test_any_region_is_accepted_unless_one_is_set():
    request = sign(region="eu-central-1")
    assert verifier().verify(request) is KEY
    assert verifier(region="eu-central-1").verify(request) is KEY


@pytest.mark.parametrize("presigned", [False, True])
def test_a_session_key_is_verified_with_its_token(presigned):
    request = sign("GET", body=b"", key=SESSION, presigned=presigned)
    assert verifier(SESSION).verify(request) is SESSION


_SEGMENT = st.text(string.ascii_letters + string.digits + "@=+ ~-_%äሴ'!$&,;:()*", min_size=1, max_size=12)
_PATHS = st.lists(_SEGMENT, max_size=4).map(lambda segments: "/" + "/".join(segments))
_NAMES = st.text(string.ascii_letters + string.digits + "-_.~ +=@/äሴ", min_size=1, max_size=8)


def _quoted_query(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)


_REQUESTS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST", "DELETE", "PUT"]),
        "path": _PATHS,
        "query": st.lists(st.tuples(_NAMES, _NAMES | st.just("")), max_size=4).map(_quoted_query),
        "custom": st.text(string.ascii_letters + string.digits + " ,;=", max_size=20),
        "body": st.binary(max_size=64),
    }
)


def _signed(parts: dict) -> SignedRequest:
    target = quote(parts["path"], safe="/@=") + (f"?{parts['query']}" if parts["query"] else "")
    return sign(parts["method"], target, {"X-Custom": parts["custom"]}, parts["body"])


@given(_REQUESTS)
def test_all_that_botocore_signs_is_verified(parts):
    assert verifier().verify(_signed(parts)) is KEY


@given(_REQUESTS, st.data())
def test_a_change_of_one_character_is_refused(parts, data):
    """S-31, S-33, S-35: method, path, query, body, signed header."""
    request = _signed(parts)
    path, _, query = request.raw_target.partition("?")
    fields = {"method": request.method, "path": path, "query": query, "custom": header(request, "x-custom")}
    fields = {name: text for name, text in fields.items() if text.strip()}
    name = data.draw(st.sampled_from(sorted(fields)))
    text = fields[name]
    at = data.draw(st.integers(1 if name == "path" and len(text) > 1 else 0, len(text) - 1))
    other = data.draw(st.sampled_from(string.ascii_letters + string.digits))
    assume(other != text[at] and not text[at].isspace())
    changed = text[:at] + other + text[at + 1 :]
    if name == "query":
        # Neither the order of parameters nor the way that they are encoded has a meaning.
        assume(not set(query_forms(query_pairs(changed))) & set(query_forms(query_pairs(query))))
    if name == "custom":
        request = with_header(request, "X-Custom", changed)
    elif name == "method":
        request = altered(request, method=changed)
    else:
        target = {"path": path, "query": query, name: changed}
        request = altered(request, raw_target=target["path"] + ("?" + target["query"] if target["query"] else ""))
    with pytest.raises(InvalidSignature):
        verifier().verify(request)


@given(_REQUESTS, st.data())
def test_a_changed_byte_of_the_body_is_refused(parts, data):
    """S-33."""
    request = _signed({**parts, "body": parts["body"] + b"."})
    at = data.draw(st.integers(0, len(request.body) - 1))
    changed = bytearray(request.body)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(InvalidSignature):
        verifier().verify(altered(request, body=bytes(changed)))


# ---- what must be refused


@pytest.mark.parametrize("target", ["/prod/x", "/prod/x?a=1", "/prod/x?X-Amz-Date=20260925T120000Z"])
def test_a_request_without_any_signature_is_told_so(target):
    request = SignedRequest("GET", target, [("Host", HOST), ("X-Amz-Date", "20260925T120000Z")])
    with pytest.raises(MissingAuthenticationToken, match=r"^Missing Authentication Token$"):
        verifier().verify(request)


@pytest.mark.parametrize(
    "value", ["Bearer abc", "Basic YTpi", "", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 abc", "AWS4-ECDSA-P256-SHA256 a=b"]
)
def test_an_authorization_that_is_no_signature_is_incomplete(value):
    with pytest.raises(IncompleteSignature, match=r"^Invalid key=value pair") as refusal:
        verifier().verify(with_header(sign(), "Authorization", value))
    assert not value or value not in refusal.value.message


MISSING_PARTS = [
    ("Credential=", "Credence=", "Authorization header requires 'Credential' parameter."),
    ("SignedHeaders=", "Headers=", "Authorization header requires 'SignedHeaders' parameter."),
    ("Signature=", "Sign=", "Authorization header requires 'Signature' parameter."),
    ("/us-east-1/", "/", "Credential must have exactly 5"),
]


@pytest.mark.parametrize(("old", "new", "text"), MISSING_PARTS)
def test_each_missing_part_is_named(old, new, text):
    with pytest.raises(IncompleteSignature) as refusal:
        verifier().verify(authorization(sign(), old, new))
    assert refusal.value.message.startswith(text)


def test_a_second_authorization_header_is_refused():
    request = sign()
    twice = altered(request, headers=[*request.headers, ("authorization", header(request, "authorization"))])
    with pytest.raises(IncompleteSignature):
        verifier().verify(twice)


def test_a_request_without_a_date_is_incomplete():
    """S-31."""
    with pytest.raises(IncompleteSignature, match="requires existence of either a 'X-Amz-Date' or a 'Date' header"):
        verifier().verify(with_header(sign(), "X-Amz-Date", None))


@pytest.mark.parametrize("name", ["host", "x-amz-date", "x-amz-meta", "x-custom"])
def test_a_signature_does_not_cover_what_it_leaves_out(name):
    """S-31: an attacker who takes a name off the list cannot free that header."""
    request = sign(headers={"X-Amz-Meta": "1", "X-Custom": "2"})
    names = header(request, "authorization").partition("SignedHeaders=")[2].partition(",")[0]
    fewer = ";".join(other for other in names.split(";") if other != name)
    with pytest.raises(InvalidSignature):
        verifier().verify(authorization(request, names, fewer))


def _signed_without(name: str, monkeypatch: pytest.MonkeyPatch, **options: object) -> SignedRequest:
    """A valid signature by a signer that leaves `name` out."""
    original = SigV4Auth.headers_to_sign

    def fewer(self, request):
        headers = original(self, request)
        del headers[name]
        return headers

    monkeypatch.setattr(SigV4Auth, "headers_to_sign", fewer)
    return sign(**options)


@pytest.mark.parametrize("presigned", [False, True])
@pytest.mark.parametrize("name", ["host", "x-amz-meta"])
def test_host_and_amz_headers_must_be_signed(name, presigned, monkeypatch):
    """S-31, with a signature that is right for what it covers."""
    request = _signed_without(
        name, monkeypatch, method="GET", body=b"", headers={"X-Amz-Meta": "1", "X-Custom": "1"}, presigned=presigned
    )
    with pytest.raises(InvalidSignature, match=f"(?i)'{name}' must be a 'SignedHeader'"):
        verifier().verify(request)


@pytest.mark.parametrize("name", ["X-Amz-Date", "Date"])
def test_the_date_must_be_signed(name, monkeypatch):
    """S-31."""
    request = _signed_without(name.lower(), monkeypatch, headers={name: "any"})
    with pytest.raises(InvalidSignature, match=f"(?i)'{name}' must be a 'SignedHeader'"):
        verifier().verify(request)


def test_the_same_signer_is_accepted_if_it_leaves_out_another_header(monkeypatch):
    """So that the tests above fail for what they say."""
    assert verifier().verify(_signed_without("x-custom", monkeypatch, headers={"X-Custom": "1"})) is KEY


def test_a_signed_header_that_is_not_sent_is_refused():
    """S-31."""
    with pytest.raises(InvalidSignature):
        verifier().verify(with_header(sign(headers={"X-Custom": "1"}), "X-Custom", None))


def test_a_header_may_be_named_once_only():
    """S-31: or a small request makes the gateway hash a large one, a thousand times the header, for anybody."""
    request = sign(headers={"X-Custom": "x"})
    names = header(request, "authorization").partition("SignedHeaders=")[2].partition(",")[0]
    assert "x-custom" in names
    with pytest.raises(InvalidSignature) as refused:
        verifier().verify(authorization(request, names, f"{names};x-custom"))
    assert refused.value.detail == "a header is named twice in SignedHeaders"


def test_a_thousand_signed_headers_cost_no_more_than_they_must():
    """The head of a request has no room for as many by default."""
    request = sign(headers={f"X-Amz-Meta-{number}": "v" for number in range(1_000)})
    checked = verifier()
    began = time.process_time()
    assert checked.verify(request) is KEY
    assert time.process_time() - began < 0.1 * SLOWER


def test_an_amz_header_added_on_the_way_is_refused():
    """S-31."""
    with pytest.raises(InvalidSignature, match="'x-amz-target' must be a 'SignedHeader'"):
        verifier().verify(with_header(sign(), "X-Amz-Target", "x"))


@pytest.mark.parametrize(("seconds", "accepted"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
@pytest.mark.parametrize("named", ["X-Amz-Date", "Date"])
def test_a_date_may_be_five_minutes_off(seconds, accepted, named):
    """S-32."""
    request = sign(at=NOW + seconds, headers={named: "any"})
    if accepted:
        assert verifier().verify(request) is KEY
    else:
        with pytest.raises(InvalidSignature, match=r"^Signature (expired|not yet current): "):
            verifier().verify(request)


@pytest.mark.parametrize("seconds", [-900, 900])
def test_fifteen_minutes_are_accepted_where_the_setting_says_so(seconds):
    """S-32."""
    assert verifier(skew=900).verify(sign(at=NOW + seconds)) is KEY
    with pytest.raises(InvalidSignature):
        verifier(skew=899).verify(sign(at=NOW + seconds))


def test_the_refusal_of_a_date_says_by_how_much():
    with pytest.raises(InvalidSignature) as late:
        verifier().verify(sign(at=NOW - 600))
    assert late.value.message == (
        "Signature expired: 20260925T115000Z is now earlier than 20260925T115500Z (20260925T120000Z - 5 min.)"
    )
    with pytest.raises(InvalidSignature) as early:
        verifier().verify(sign(at=NOW + 600))
    assert early.value.message == (
        "Signature not yet current: 20260925T121000Z is still later than 20260925T120500Z (20260925T120000Z + 5 min.)"
    )


@pytest.mark.parametrize(
    "date",
    ["", "yesterday", "20260925", "20261325T120000Z", "2026-09-25T12:00:00Z", "20260925T120000Z,20260925T120000Z"],
)
@pytest.mark.parametrize("named", ["X-Amz-Date", "Date"])
def test_an_unreadable_date_is_refused(date, named):
    """S-32."""
    with pytest.raises(IncompleteSignature, match="Date must be in ISO-8601"):
        verifier().verify(with_header(sign(headers={named: "any"}), named, date))


def test_an_http_date_with_a_zone_is_the_moment_it_names():
    request = sign(headers={"Date": "any"})
    moment = datetime.fromtimestamp(NOW, UTC)
    with pytest.raises(InvalidSignature, match="does not match the signature"):
        # Signed as another text: the moment is accepted, the signature is not.
        verifier().verify(with_header(request, "Date", format_datetime(moment, usegmt=True)))


SCOPES = [
    ("/us-east-1/", "/eu-west-1/", "Credential should be scoped to a valid region."),
    ("/us-east-1/", "//", "Credential should be scoped to a valid region."),
    ("/execute-api/", "/s3/", "Credential should be scoped to correct service: 'execute-api'."),
    ("/aws4_request", "/aws4", "Credential should be scoped with a valid terminator: 'aws4_request'."),
    ("/20260925/", "/20260924/", "Date in Credential scope does not match"),
]


@pytest.mark.parametrize(("old", "new", "text"), SCOPES)
def test_the_scope_must_be_ours(old, new, text):
    """S-32."""
    with pytest.raises(InvalidSignature) as refusal:
        verifier(region="us-east-1").verify(authorization(sign(), old, new))
    assert refusal.value.message.startswith(text)


@pytest.mark.parametrize("options", [{"region": "eu-west-1"}, {"service": "s3"}])
def test_a_genuine_signature_for_another_scope_is_refused(options):
    """S-32."""
    with pytest.raises(InvalidSignature, match=r"^Credential should be scoped"):
        verifier(region="us-east-1").verify(sign(**options))


def test_a_signature_of_yesterday_is_not_renewed_by_a_new_date():
    """S-32: scope and header moved to today."""
    old = sign(at=NOW - 86_400)
    moved = with_header(authorization(old, "/20260924/", "/20260925/"), "X-Amz-Date", "20260925T120000Z")
    with pytest.raises(InvalidSignature):
        verifier().verify(moved)


def test_a_body_that_is_not_the_signed_one_is_refused_though_its_stated_hash_is():
    """S-33."""
    request = sign(headers={"X-Amz-Content-SHA256": sha256(b"hello").hexdigest()}, body=b"hello")
    for body in (b"hullo", b""):
        with pytest.raises(InvalidSignature) as refusal:
            verifier().verify(altered(request, body=body))
        assert refusal.value.detail == "x-amz-content-sha256 is not the hash of the body"


def test_the_hash_of_an_empty_body_does_not_cover_another():
    """S-33."""
    with pytest.raises(InvalidSignature):
        verifier().verify(altered(sign(body=b""), body=b"hello"))


def test_an_unsigned_payload_is_refused_unless_it_is_allowed():
    """S-33."""
    request = sign(headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    with pytest.raises(InvalidSignature):
        verifier().verify(request)
    assert verifier(allow_unsigned_payload=True).verify(altered(request, body=b"other")) is KEY


def test_an_unsigned_payload_must_itself_be_signed():
    """S-33: the header cannot be added to a request that was signed with its body."""
    with pytest.raises(InvalidSignature):
        verifier(allow_unsigned_payload=True).verify(with_header(sign(), "X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/a/../b", True),
        ("/..", True),
        ("/./b", True),
        ("/a/.", True),
        ("/a/%2e%2E/b", True),
        ("/a/.%2e/b", True),
        ("/a/...", False),
        ("/.well-known/x", False),
        ("/a..b/.c/%2etc", False),
    ],
)
def test_dot_segments_are_found_however_they_are_written(path, found):
    assert has_dot_segment(path) is found


def test_a_signature_does_not_open_a_longer_path_that_normalises_to_its_own():
    """S-30: botocore leaves dot segments out of what it signs."""
    request = sign("GET", "/prod/b", body=b"")
    for path in ("/prod/a/../b", "/prod/./b", "/prod/a/%2e%2e/b"):
        with pytest.raises(InvalidSignature):
            verifier().verify(altered(request, raw_target=path))


def test_dot_segments_are_refused_though_a_signer_signed_them(monkeypatch):
    """Which path is meant would be anybody's guess."""
    monkeypatch.setattr(SigV4Auth, "_normalize_url_path", lambda _self, path: quote(path, safe="/~"))
    assert verifier().verify(sign("GET", "/prod//b", body=b"")) is KEY
    with pytest.raises(InvalidSignature):
        verifier().verify(sign("GET", "/prod/a/../b", body=b""))


@pytest.mark.parametrize("signature", ["0" * 63, "0" * 65, "ü" * 64, "0" * 64])
def test_what_is_no_signature_is_a_wrong_one(signature):
    request = sign()
    genuine = header(request, "authorization").rpartition("=")[2]
    with pytest.raises(InvalidSignature, match=r"^The request signature we calculated"):
        verifier().verify(authorization(request, genuine, signature))


@pytest.mark.parametrize("region", ["", "r" * 65, "us east", "US-EAST-1", "ü"])
def test_a_region_that_can_be_none_is_refused_where_any_is_accepted(region):
    with pytest.raises(InvalidSignature, match=r"^Credential should be scoped to a valid region\.$"):
        verifier().verify(sign(region=region))


def test_a_signature_for_an_escape_does_not_open_the_escaped_escape():
    """Encoded once, `/a%2540` would read as `/a%40` does encoded twice."""
    request = sign("GET", "/prod/a%40", body=b"")
    with pytest.raises(InvalidSignature):
        verifier().verify(altered(request, raw_target="/prod/a%2540"))


def test_an_encoded_slash_is_no_slash():
    with pytest.raises(InvalidSignature):
        verifier().verify(altered(sign("GET", "/prod/a/b", body=b""), raw_target="/prod/a%2Fb"))


@pytest.mark.parametrize("query", ["a=b%2Bc", "a%2Bb=c"])
def test_an_encoded_plus_is_no_space(query):
    request = sign("GET", f"/x?{query}", body=b"")
    with pytest.raises(InvalidSignature):
        verifier().verify(altered(request, raw_target=f"/x?{query.replace('%2B', '+')}"))


# ---- presigned


def presign(**options: object) -> SignedRequest:
    return sign("GET", "/prod?room=1", body=b"", presigned=True, **options)


@pytest.mark.parametrize(("age", "accepted"), [(-301, False), (-300, True), (60, True), (61, False)])
def test_a_presigned_request_lives_as_long_as_it_says(age, accepted):
    """S-35."""
    request = presign(at=NOW - age, expires=60)
    if accepted:
        assert verifier().verify(request) is KEY
    else:
        with pytest.raises(InvalidSignature, match=r"^Signature (expired|not yet current): "):
            verifier().verify(request)


@pytest.mark.parametrize(
    ("expires", "accepted"), [(0, False), (1, True), (604_800, True), (604_801, False), (-1, False)]
)
def test_a_presigned_request_lives_seven_days_at_most(expires, accepted):
    """S-35."""
    request = presign(expires=expires)
    if accepted:
        assert verifier().verify(request) is KEY
    else:
        with pytest.raises(IncompleteSignature, match="X-Amz-Expires must be between 1 and 604800"):
            verifier().verify(request)


def test_a_presigned_request_without_a_lifetime_has_that_of_any_signature(monkeypatch):
    original = SigV4QueryAuth._modify_request_before_signing

    def without_expires(self, request):
        original(self, request)
        request.url = request.url.replace("&X-Amz-Expires=60", "")

    monkeypatch.setattr(SigV4QueryAuth, "_modify_request_before_signing", without_expires)
    assert verifier().verify(presign(at=NOW - 300)) is KEY
    with pytest.raises(InvalidSignature, match=r"^Signature expired"):
        verifier().verify(presign(at=NOW - 301))


PRESIGNED_CHANGES = [
    ("room=1", "room=2"),
    ("room=1", "room=1&admin=1"),
    ("room=1&", ""),
    ("X-Amz-Expires=60", "X-Amz-Expires=600"),
    ("X-Amz-Expires=60&", ""),
    ("%2Fexecute-api%2F", "%2Fs3%2F"),
    ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=host%0Ax"),
    ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=accept"),
    ("T120000Z", "T120001Z"),
]


@pytest.mark.parametrize(("old", "new"), PRESIGNED_CHANGES)
def test_a_changed_presigned_query_is_refused(old, new):
    """S-35."""
    request = with_header(presign(), "Accept", "*/*")
    assert old in request.raw_target
    with pytest.raises(InvalidSignature):
        verifier().verify(altered(request, raw_target=request.raw_target.replace(old, new)))


@pytest.mark.parametrize("name", ["Algorithm", "Credential", "Date", "SignedHeaders", "Signature"])
def test_a_presigned_query_with_a_part_missing_or_twice_is_incomplete(name):
    request = presign()
    without = "&".join(part for part in request.raw_target.split("&") if not part.startswith(f"X-Amz-{name}="))
    assert without != request.raw_target
    with pytest.raises(IncompleteSignature, match=f"must include 'X-Amz-{name}'"):
        verifier().verify(altered(request, raw_target=without))
    twice = f"{request.raw_target}&X-Amz-{name}=x"
    with pytest.raises(IncompleteSignature, match=f"'X-Amz-{name}' must not be repeated"):
        verifier().verify(altered(request, raw_target=twice))


def test_a_signature_added_to_the_query_of_a_header_signed_request_counts():
    """S-35: it is a parameter like others there, not left out of what is signed."""
    request = sign("GET", "/prod?a=1", body=b"")
    added = altered(request, raw_target=f"{request.raw_target}&X-Amz-Signature={'0' * 64}")
    with pytest.raises(InvalidSignature):
        verifier().verify(added)


def test_a_body_added_to_a_presigned_request_is_refused():
    """S-33."""
    with pytest.raises(InvalidSignature):
        verifier().verify(altered(presign(), body=b"x"))


def test_another_algorithm_is_refused():
    request = presign()
    other = request.raw_target.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1")
    with pytest.raises(IncompleteSignature, match="Unsupported AWS 'algorithm'"):
        verifier().verify(altered(request, raw_target=other))


# ---- keys and tokens


STRANGER = AccessKey(access_key_id="AKIDSTRANGER", secret="another secret")


def test_an_unknown_key_is_refused():
    with pytest.raises(
        UnrecognizedClient, match=r"^The security token included in the request is invalid.: access_key_unknown$"
    ):
        verifier().verify(sign(key=STRANGER))


def test_a_known_id_with_another_secret_is_refused():
    liar = AccessKey(access_key_id=KEY.access_key_id, secret="another secret")
    with pytest.raises(InvalidSignature, match="does not match the signature you provided"):
        verifier().verify(sign(key=liar))


def test_a_key_with_an_empty_secret_is_nobody():
    empty = AccessKey(access_key_id="AKIDEMPTY", secret="")
    forged = sign(key=AccessKey(access_key_id="AKIDEMPTY", secret="x"))
    with pytest.raises(UnrecognizedClient):
        verifier(empty).verify(forged)


@pytest.mark.parametrize("presigned", [False, True])
@pytest.mark.parametrize("token", [None, "other", "", "FwoG/ZX+Iv", "ü"])
def test_another_session_token_than_the_keys_is_refused(token, presigned):
    """S-36."""
    other = AccessKey(access_key_id=SESSION.access_key_id, secret=SESSION.secret, session_token=token)
    with pytest.raises(UnrecognizedClient):
        verifier(SESSION).verify(sign("GET", body=b"", key=other, presigned=presigned))


def test_a_session_token_with_a_lasting_key_is_refused():
    """S-36."""
    other = AccessKey(access_key_id=KEY.access_key_id, secret=KEY.secret, session_token="made up")
    with pytest.raises(UnrecognizedClient):
        verifier().verify(sign(key=other))


@pytest.fixture
def hmacs(monkeypatch):
    """The messages of all HMACs that are computed."""
    messages: list[bytes] = []
    original = iam.hmac_digest

    def counted(key, message, algorithm):
        messages.append(message)
        return original(key, message, algorithm)

    monkeypatch.setattr(iam, "hmac_digest", counted)
    monkeypatch.setattr(signing, "hmac_digest", counted)
    return messages


@pytest.mark.parametrize("target", [CONNECTION, "/prod//a%20b?c=d+e"])
def test_an_unknown_key_costs_what_a_wrong_signature_does(target, hmacs):
    """S-36: the same number of HMAC operations, on first sight and later."""
    checked = verifier()
    wrong = altered(sign("POST", target), body=b"other")
    unknown = sign("POST", target, key=STRANGER)
    unknown = altered(unknown, body=b"other")
    costs = []
    for request in (wrong, unknown, wrong, unknown):
        before = len(hmacs)
        with pytest.raises((InvalidSignature, UnrecognizedClient)):
            checked.verify(request)
        costs.append(len(hmacs) - before)
    assert costs[0] == costs[1] > costs[2] == costs[3] > 0


def test_a_signing_key_is_derived_once_a_day_and_region(hmacs):
    checked = verifier()
    for _ in range(3):
        checked.verify(sign())
    assert len(hmacs) == 4 + 3
    checked.verify(sign(region="eu-west-1"))
    assert len(hmacs) == 4 + 3 + 5


def test_a_rotated_secret_counts_at_once():
    keys = {KEY.access_key_id: KEY}
    checked = SignatureVerifier(keys.get, now=lambda: NOW)
    assert checked.verify(sign()) is KEY
    rotated = AccessKey(access_key_id=KEY.access_key_id, secret="rotated")
    keys[KEY.access_key_id] = rotated
    with pytest.raises(InvalidSignature):
        checked.verify(sign())
    assert checked.verify(sign(key=rotated)) is rotated


def test_signing_keys_are_kept_within_bounds(monkeypatch):
    monkeypatch.setattr(iam, "_SIGNING_KEYS_KEPT", 3)
    checked = verifier()
    for number in range(10):
        assert checked.verify(sign(region=f"region-{number}")) is KEY
    assert len(checked._signing_keys) == 3


def test_refusals_hold_neither_secrets_nor_signatures():
    """S-11."""
    request = sign(key=SESSION)
    signature = header(request, "authorization").rpartition("=")[2]
    changes = [
        altered(request, body=b"other"),
        with_header(request, "X-Amz-Date", None),
        with_header(request, "X-Amz-Date", "never"),
        with_header(request, "Authorization", f"Bearer {signature}"),
        with_header(request, "X-Amz-Target", SESSION.session_token or ""),
        authorization(request, "/execute-api/", "/s3/"),
    ]
    for change in changes:
        with pytest.raises(GatewayError) as refusal:
            verifier(SESSION).verify(change)
        for canary in (SESSION.secret, SESSION.session_token, signature):
            assert canary not in str(refusal.value)


_ANY = st.text(max_size=40)


@given(
    _ANY,
    st.lists(
        st.tuples(st.sampled_from(["Authorization", "Date", "X-Amz-Date", "Host", "X-Amz-Content-SHA256", "A"]), _ANY),
        max_size=6,
    ),
    st.sampled_from(["", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=A/20260925/r/execute-api/aws4_request, "]),
)
def test_nothing_but_refusals_comes_of_garbage(target, headers, prefix):
    headers = [(name, prefix + value if name == "Authorization" else value) for name, value in headers]
    with pytest.raises(GatewayError):
        verifier().verify(SignedRequest("GET", target, headers))


@given(st.lists(st.tuples(st.sampled_from(["Algorithm", "Credential", "Date", "Expires", "SignedHeaders"]), _ANY)))
def test_nothing_but_refusals_comes_of_garbage_in_a_query(changes):
    query = dict(part.split("=") for part in presign().raw_target.partition("?")[2].split("&"))
    query.update((f"X-Amz-{name}", value) for name, value in changes)
    query["room"] = "\ud800"
    target = "/prod?" + "&".join(f"{name}={value}" for name, value in query.items())
    with pytest.raises(GatewayError):
        verifier().verify(SignedRequest("GET", target, [("Host", HOST)]))


# ---- sessions that end, headers that must be signed, signatures that are good once


@pytest.mark.parametrize(("seconds", "accepted"), [(-1, True), (0, False), (1, False)])
def test_a_session_is_over_when_its_time_is(seconds, accepted):
    key = AccessKey(access_key_id="ASIA", secret="s", session_token="t", expires=NOW - seconds)
    if accepted:
        assert verifier(key).verify(sign(key=key)) is key
    else:
        with pytest.raises(ExpiredToken, match=r"^The security token included in the request is expired\b"):
            verifier(key).verify(sign(key=key))


def test_only_who_knows_the_secret_learns_that_a_session_is_over():
    key = AccessKey(access_key_id="ASIA", secret="s", session_token="t", expires=NOW - 1)
    guess = AccessKey(access_key_id="ASIA", secret="guessed", session_token="t")
    with pytest.raises(InvalidSignature):
        verifier(key).verify(sign(key=guess))


def test_a_header_that_must_be_signed_is():
    """S-31."""
    signed = sign(headers={"X-Own": "1"})
    assert verifier().verify(altered(signed, must_sign=("x-own",))) is KEY
    with pytest.raises(InvalidSignature, match="'x-own' must be a 'SignedHeader'"):
        verifier().verify(altered(with_header(sign(), "X-Own", "1"), must_sign=("x-own",)))


def test_a_signature_may_be_good_once():
    """S-34."""
    once = verifier(used=UsedSignatures())
    request, other = sign(), sign(body=b"other")
    assert once.verify(request) is KEY
    assert once.verify(other) is KEY
    for again in (request, with_header(request, "Accept", "*/*")):
        with pytest.raises(InvalidSignature) as refusal:
            once.verify(again)
        assert refusal.value.detail == "the signature was used before"


def test_a_wrong_signature_uses_up_nothing():
    used = UsedSignatures()
    with pytest.raises(InvalidSignature):
        verifier(used=used).verify(altered(sign(), body=b"other"))
    assert verifier(used=used).verify(sign()) is KEY
