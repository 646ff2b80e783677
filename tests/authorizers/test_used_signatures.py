"""Signatures that are good once: how long they are remembered, and how many."""

from __future__ import annotations

from wsgw.authorizers.used_signatures import UsedSignatures


def test_used_signatures_are_kept_as_long_as_they_are_good_and_no_longer():
    used = UsedSignatures(most=3)
    assert used.first("a", 300, 0)
    assert not used.first("a", 300, 300)
    assert used.first("b", 1000, 301)
    assert used.first("a", 700, 301)
    assert not used.first("b", 1000, 999)


def test_no_more_signatures_are_kept_than_there_is_room_for():
    used = UsedSignatures(most=3)
    assert all(used.first(name, 100, 0) for name in "abcd")
    assert not any(used.first(name, 100, 1) for name in "bcd")
