"""Text transformations: each as AWS WAF's developer guide describes it, and none that fails."""

from __future__ import annotations

import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.pace import SLOWER
from wsgw.definitions.firewall_fields import TRANSFORMATIONS as DECLARED
from wsgw.firewall.transformations import TRANSFORMATIONS, transformation

#: What the guide says of each, a row for each clause.
ROWS = [
    ("BASE64_DECODE", b"PHNjcmlwdD4=", b"<script>"),
    ("BASE64_DECODE", b"PHNjcmlwdD4", b"<script>"),
    ("BASE64_DECODE", b"not base64!", b"not base64!"),
    ("BASE64_DECODE_EXT", b"PHNj\ncml!wdD4=", b"<script>"),
    ("BASE64_DECODE_EXT", b"_-8=", b"\xff\xef"),
    ("CMD_LINE", b"\"C^:\\W'", b"c:w"),
    ("CMD_LINE", b"cat /etc/passwd", b"cat/etc/passwd"),
    ("CMD_LINE", b"f  (x)", b"f(x)"),
    ("CMD_LINE", b"a,b;c", b"a b c"),
    ("CMD_LINE", b"a   B", b"a b"),
    ("COMPRESS_WHITE_SPACE", b"a\f\t\n\r\v \xa0b", b"a b"),
    ("COMPRESS_WHITE_SPACE", "a\u00a0b".encode(), b"a b"),
    ("CSS_DECODE", b"ja\\vascript", b"javascript"),
    ("CSS_DECODE", b"\\6a \\61 vascript", b"javascript"),
    ("CSS_DECODE", b"\\00006aa", b"ja"),
    ("CSS_DECODE", b"a\\\nb", b"ab"),
    ("ESCAPE_SEQ_DECODE", rb"\x3c\74\n\"\?", b'<<\n"?'),
    ("HEX_DECODE", b"3c736372697074", b"<script"),
    ("HEX_DECODE", b"3c7", b"3c7"),
    ("HTML_ENTITY_DECODE", b"&lt;a&gt;&quot;&amp;&#60;&#x3c;&nbsp;", b'<a>"&<<\xa0'),
    ("HTML_ENTITY_DECODE", b"&lt no semicolon", b"< no semicolon"),
    ("HTML_ENTITY_DECODE", b"&#" + b"0" * 5_000 + b"60;a", b"<a"),
    ("HTML_ENTITY_DECODE", b"&#" + b"9" * 5_000 + b";a", "\ufffda".encode()),
    ("JS_DECODE", rb"\u003cscript\x3e\74\n\"", b'<script><\n"'),
    ("JS_DECODE", rb"\uff1cscript", b"<script"),
    ("LOWERCASE", b"UNION SeLeCt", b"union select"),
    ("MD5", b"a", hashlib.md5(b"a").digest()),
    ("NORMALIZE_PATH", b"/a//b/./c/../d", b"/a/b/d"),
    ("NORMALIZE_PATH", b"../a/../../b", b"../../b"),
    ("NORMALIZE_PATH", b"/../../etc/", b"/etc/"),
    ("NORMALIZE_PATH_WIN", b"a\\..\\b", b"b"),
    ("REMOVE_NULLS", b"a\0b", b"ab"),
    ("REPLACE_COMMENTS", b"UNION/* x */SELECT/* open", b"UNION SELECT "),
    ("REPLACE_COMMENTS", b"a*/b", b"a*/b"),
    ("REPLACE_NULLS", b"a\0b", b"a b"),
    ("SQL_HEX_DECODE", b"x=0x414243;0xZ", b"x=ABC;0xZ"),
    ("URL_DECODE", b"%3Cscript%3e+%2", b"<script> %2"),
    ("URL_DECODE_UNI", b"%u003c%uff1c%3c+", b"<<< "),
    ("UTF8_TO_UNICODE", "é<".encode(), b"%u00e9<"),
]


@pytest.mark.parametrize(("name", "before", "after"), ROWS, ids=lambda value: str(value)[:30])
def test_a_transformation_does_what_the_guide_says(name: str, before: bytes, after: bytes):
    assert TRANSFORMATIONS[name](before) == after


def test_what_definitions_may_name_is_what_there_is():
    assert sorted(DECLARED) == sorted(TRANSFORMATIONS)


def test_several_are_applied_one_after_another():
    both = transformation(("URL_DECODE", "LOWERCASE"))
    assert both is not None
    assert both(b"%41") == b"a"


def test_none_is_none():
    assert transformation(()) is None


def test_an_unknown_one_is_refused():
    with pytest.raises(ValueError, match="no text transformation ROT13"):
        transformation(("ROT13",))


@pytest.mark.parametrize("name", sorted(TRANSFORMATIONS))
@given(value=st.binary(max_size=200) | st.text(alphabet="%u0x\\/<&#;*aF29+= \0", max_size=60).map(str.encode))
def test_no_input_makes_one_fail(name: str, value: bytes):
    assert isinstance(TRANSFORMATIONS[name](value), bytes)


@pytest.mark.parametrize("name", sorted(TRANSFORMATIONS))
@pytest.mark.parametrize(
    "again", [b" ", b"\xc2\xa0", b"/*", b"&#", b"&#1", b"\\", b"%u00", b"/..", b"0x", b"&a", b"=", b"1"], ids=repr
)
def test_no_input_takes_long(name: str, again: bytes):
    """The most that is read of a body, of whatever is worst: everybody else waits for as long."""
    value = again * (65_536 // len(again))
    began = time.process_time()
    TRANSFORMATIONS[name](value)
    assert time.process_time() - began < 0.2 * SLOWER


@given(value=st.binary(max_size=100))
def test_a_path_is_normalised_once_and_for_all(value: bytes):
    once = TRANSFORMATIONS["NORMALIZE_PATH"](value)
    assert TRANSFORMATIONS["NORMALIZE_PATH"](once) == once
