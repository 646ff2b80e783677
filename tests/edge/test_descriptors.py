"""File descriptors: what is kept back, and what happens when clients would take them all."""

from __future__ import annotations

import os
import resource

import pytest

from wsgw.edge.descriptors import Descriptors


def lowest_free() -> int:
    number = os.dup(2)
    os.close(number)
    return number


def test_an_eighth_is_kept_back():
    free = lowest_free()
    # Of twice as many there are enough left; of one eighth more than are taken, not.
    assert not Descriptors(free * 2).few()
    assert Descriptors(free + free // 8).few()


def test_of_very_many_no_more_than_some_hundred_are_kept_back():
    assert not Descriptors(lowest_free() + 257).few()
    assert Descriptors(10**6).few() is False


def test_where_there_is_no_limit_there_are_never_few():
    assert not Descriptors(resource.RLIM_INFINITY).few()


def test_when_none_is_left_there_are_few(monkeypatch: pytest.MonkeyPatch):
    def none_left(number: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "dup", none_left)
    assert Descriptors(10**6).few()
