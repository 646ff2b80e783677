"""CORS of HTTP APIs: origins, preflights, and headers of answers."""

from __future__ import annotations

import pytest

from tests.mapping.request_samples import request
from wsgw.definitions.access import Cors
from wsgw.invocation import Reply
from wsgw.pipeline.http_cors import allowed_origin, cors_preflight, cors_settle

ORIGINS = [
    (("*",), "https://a.example", "*"),
    (("*",), "null", "*"),
    (("https://*",), "https://a.example", "https://a.example"),
    (("https://*",), "http://a.example", None),
    (("http://*",), "http://a.example:8080", "http://a.example:8080"),
    (("https://a.example", "https://b.example"), "https://b.example", "https://b.example"),
    (("https://a.example",), "https://A.example", "https://A.example"),
    (("https://a.example",), "https://a.example:8443", None),
    (("https://a.example",), "https://a.example.evil", None),
    (("https://a.example",), "null", None),
    (("https://a.example", "http://*"), "http://x", "http://x"),
    ((), "https://a.example", None),
]


@pytest.mark.parametrize(("allow", "origin", "answer"), ORIGINS)
def test_an_origin_is_allowed_by_name_or_by_its_scheme_or_with_all(allow: tuple[str, ...], origin: str, answer: str):
    assert allowed_origin(Cors(allow_origins=allow))(origin) == answer


def test_every_origin_with_credentials_is_refused():
    with pytest.raises(ValueError, match="allowCredentials"):
        allowed_origin(Cors(allow_origins=("*",), allow_credentials=True))


ALL = Cors(
    allow_origins=("https://a.example",),
    allow_methods=("GET", "*"),
    allow_headers=("*",),
    expose_headers=("x-one", "x-two"),
    max_age=-1,
    allow_credentials=True,
)
ASKED = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "PUT")]


def answer_of(cors: Cors, method: str, headers: list[tuple[str, str]], reply: Reply | None = None) -> Reply | None:
    invocation = request(method, headers=headers)
    found = cors_preflight(cors)(invocation) if reply is None else reply
    return None if found is None else cors_settle(cors)(found, invocation)


def test_a_preflight_is_told_all_that_is_configured():
    reply = answer_of(ALL, "OPTIONS", ASKED)
    assert reply is not None
    assert (reply.status, reply.body) == (204, b"")
    assert dict(reply.headers) == {
        "access-control-allow-origin": "https://a.example",
        "access-control-allow-methods": "GET,*",
        "access-control-allow-headers": "*",
        "access-control-max-age": "-1",
        "access-control-allow-credentials": "true",
        "vary": "origin",
    }


def test_a_preflight_of_another_origin_is_told_nothing():
    reply = answer_of(ALL, "OPTIONS", [("Origin", "https://b.example"), ASKED[1]])
    assert reply is not None
    assert (reply.status, reply.headers) == (204, [("vary", "origin")])


@pytest.mark.parametrize(
    ("method", "headers"),
    [("GET", ASKED), ("OPTIONS", ASKED[:1]), ("OPTIONS", ASKED[1:]), ("OPTIONS", [])],
    ids=["not-options", "no-method", "no-origin", "neither"],
)
def test_what_is_no_preflight_is_not_answered(method: str, headers: list[tuple[str, str]]):
    assert answer_of(ALL, method, headers) is None


def test_an_answer_to_a_page_has_the_headers_of_answers_in_place_of_a_backends():
    backend = [("Access-Control-Allow-Origin", "*"), ("ACCESS-CONTROL-MAX-AGE", "1"), ("X-Kept", "1")]
    reply = answer_of(ALL, "GET", ASKED[:1], Reply(200, b"", backend))
    assert reply is not None
    assert reply.headers == [
        ("X-Kept", "1"),
        ("access-control-allow-origin", "https://a.example"),
        ("access-control-expose-headers", "x-one,x-two"),
        ("access-control-allow-credentials", "true"),
        ("vary", "origin"),
    ]


@pytest.mark.parametrize("headers", [[], [("Origin", "https://b.example")]], ids=["no-origin", "another-origin"])
def test_other_answers_have_no_cors_headers(headers: list[tuple[str, str]]):
    reply = answer_of(ALL, "GET", headers, Reply(200, b"", [("access-control-allow-origin", "*")]))
    assert reply is not None
    assert reply.headers == [("vary", "origin")]


def test_an_answer_that_is_the_same_for_every_origin_is_one_for_caches():
    assert answer_of(Cors(allow_origins=("*",)), "GET", ASKED[:1], Reply(200)).headers == [
        ("access-control-allow-origin", "*")
    ]
