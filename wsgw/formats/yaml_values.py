"""What the scalars and tags of a YAML document mean: its core schema without what surprises people.

Source: YAML 1.2.2, chapter 10; AWS CloudFormation user guide, "Intrinsic function reference", for the short forms.
"""

from __future__ import annotations

import math
import re
from typing import Any

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_CORE = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(f"{_CORE}{name}" for name in ("int", "float", "bool", "null", "map", "seq"))
_INTRINSICS = re.compile(
    "!(And|Base64|Cidr|Equals|FindInMap|GetAtt|GetAZs|If|ImportValue|Join|Length|Not|Or|Select|Split|Sub|ToJsonString"
    "|Transform)"
)
TEXT_TAGS = frozenset({"!", f"{_CORE}str"})


def resolved(text: str) -> Any:
    """What a plain (unquoted) text means."""
    if text in _NULLS:
        return None
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and len(text) <= 64:
        number = float(text)
        # Long whole numbers and what is beyond a float would lose digits.
        if math.isfinite(number) and not text.lstrip("+-").isdigit():
            return number
    return text


def tagged(tag: str | None, value: Any) -> Any:
    """`value` under `tag`: CloudFormation's `!Ref` and friends become their long forms. Raises ValueError."""
    if tag is None or tag in TEXT_TAGS or tag in _PLAIN_TAGS:
        return value
    if tag in ("!Ref", "!Condition"):
        return {tag[1:]: value}
    if tag == "!GetAtt" and isinstance(value, str):
        return {"Fn::GetAtt": value.split(".", 1)}
    if _INTRINSICS.fullmatch(tag):
        return {f"Fn::{tag[1:]}": value}
    raise ValueError(f"the tag {tag.replace(_CORE, '!!')} has no meaning here")
