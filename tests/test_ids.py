"""Ids: their shapes, and what a connection id says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw import ids

TAG = ids.api_tag("chat")


def test_a_connection_id_names_its_node_and_its_api():
    assert ids.read_connection_id(ids.connection_id("4f1c", TAG)) == ids.ConnectionId("4f1c", TAG)


def test_a_connection_id_needs_percent_encoding_as_the_services_do():
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{34}=", ids.connection_id("4f1c", TAG))


def test_no_connection_id_looks_like_an_option_of_a_command_line():
    assert not any(ids.connection_id("4f1c", TAG).startswith("-") for _ in range(2_000))


@given(st.integers(0, 34), st.sampled_from("ABCabc019-_"))
def test_an_altered_connection_id_is_none(place: int, letter: str):
    one = ids.connection_id("4f1c", TAG)
    altered = one[:place] + letter + one[place + 1 :]
    assert altered == one or ids.read_connection_id(altered) is None


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str):
    assert ids.read_connection_id(text) is None


@pytest.mark.parametrize("text", ["", "R1kmxc2VNjMCFIA=", "é" * 36, "=" * 36, "A" * 36])
def test_what_is_no_connection_id_of_ours_is_none(text: str):
    assert ids.read_connection_id(text) is None


def test_ids_of_one_node_share_no_prefix():
    starts = {ids.connection_id("4f1c", TAG)[:8] for _ in range(10_000)}
    assert len(starts) == 10_000


@pytest.mark.parametrize(
    ("made", "shape"),
    [
        (ids.request_id, r"[A-Za-z0-9_-]{15}="),
        (lambda: ids.message_id("x" * 32 + "A3g="), r"[A-Za-z0-9_-]{16}A3g="),
        (ids.uuid, r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        (lambda: ids.trace_id(0x66F00000), r"Root=1-66f00000-[0-9a-f]{24}"),
        (ids.node_name, r"[0-9a-f]{4}"),
    ],
    ids=["request", "message", "uuid", "trace", "node"],
)
def test_other_ids_have_the_services_shapes_and_are_new_each_time(made, shape):
    several = [made() for _ in range(1000)]
    assert all(re.fullmatch(shape, one) for one in several)
    assert len(set(several)) > 980


def test_a_forked_child_gives_out_no_id_of_its_parent():
    import os

    ids.request_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, ids.request_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    of_child = os.read(reading, 64).decode()
    os.close(reading)
    os.close(writing)
    assert of_child != ids.request_id()
