"""Regular expressions of definitions."""

from __future__ import annotations

import pytest

from wsgw.mapping.expressions import expression


def test_an_expression_is_compiled():
    assert expression(r"4\d{2}").fullmatch("404")
    assert not expression(r"4\d{2}").fullmatch("4040")


@pytest.mark.parametrize(
    ("text", "reason"), [("4(", "missing ): 4("), ("(?=é)", "invalid perl operator: (?="), ("\ud800", "surrogates")]
)
def test_what_is_none_is_refused_with_the_reason_as_text(text: str, reason: str):
    with pytest.raises(ValueError, match=r"^(?!b')") as raised:
        expression(text)
    assert reason in str(raised.value)
