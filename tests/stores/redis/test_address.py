"""URLs of a Redis, one line each."""

from __future__ import annotations

import pytest

from wsgw.stores.redis.address import CLUSTER, SENTINEL, SINGLE, Address, Target, parse

HERE = Address("127.0.0.1", 6379)

URLS = [
    ("redis://127.0.0.1", Target(SINGLE, (HERE,), None, None, "", 0, False)),
    ("redis://127.0.0.1:7000/3", Target(SINGLE, (Address("127.0.0.1", 7000),), None, None, "", 3, False)),
    ("redis://:pw@127.0.0.1", Target(SINGLE, (HERE,), None, "pw", "", 0, False)),
    ("rediss://us%40er:p%3Aw%2F@h:1", Target(SINGLE, (Address("h", 1),), "us@er", "p:w/", "", 0, True)),
    ("valkey://h", Target(SINGLE, (Address("h", 6379),), None, None, "", 0, False)),
    ("valkeys://user@h", Target(SINGLE, (Address("h", 6379),), "user", None, "", 0, True)),
    ("redis://[::1]:7000/1", Target(SINGLE, (Address("::1", 7000),), None, None, "", 1, False)),
    (
        "redis+sentinel://u:p@a:1,b,[fe80::1]:2/mymaster/4",
        Target(SENTINEL, (Address("a", 1), Address("b", 26379), Address("fe80::1", 2)), "u", "p", "mymaster", 4, False),
    ),
    ("rediss+cluster://a,b:7", Target(CLUSTER, (Address("a", 6379), Address("b", 7)), None, None, "", 0, True)),
]


@pytest.mark.parametrize(("url", "target"), URLS)
def test_a_url_says_where_and_as_whom(url: str, target: Target):
    assert parse(url) == target


def test_the_password_of_the_settings_counts_where_the_url_has_none():
    assert parse("redis://user@h", "pw").password == "pw"
    assert parse("redis://user:own@h", "pw").password == "own"


WRONG = [
    ("http://h", "no scheme"),
    ("valkey+bus://h", "no scheme"),
    ("redis+sentinel://:secret@h", "names no service"),
    ("redis+cluster://h/1", "database 0 only"),
    ("redis://h/one", "number of a database"),
    ("redis://h/0/1", "number of a database"),
    ("redis://::1", "no address"),
    ("redis://user:secret@h:port", "no address"),
    ("redis+cluster://a,,b", "no address"),
]


@pytest.mark.parametrize(("url", "words"), WRONG)
def test_a_wrong_url_is_told_what_is_wrong_with_it(url: str, words: str):
    with pytest.raises(ValueError, match=words) as caught:
        parse(url)
    assert "secret" not in str(caught.value)


def test_an_address_is_written_as_in_a_url():
    assert str(Address("::1", 7000)) == "[::1]:7000"
    assert str(Address("h", 7000)) == "h:7000"
