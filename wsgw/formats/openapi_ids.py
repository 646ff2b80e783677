"""Ids for what a document names: made from the names, so that reading a file again gives the same ones."""

from __future__ import annotations

import hashlib
import re

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


def made_id(length: int, *names: str) -> str:
    """An id of `length` lower-case letters and digits, the same for the same `names`."""
    number = int.from_bytes(hashlib.sha256("\0".join(names).encode()).digest())
    text = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        text += _DIGITS[digit]
    return text


def slug(title: str) -> str:
    """An API id made from a title: `Pet Store 2` becomes `pet-store-2`."""
    return _NOT_SLUG.sub("-", title.lower()).strip("-")[:63].rstrip("-") or "api"
