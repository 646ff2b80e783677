"""The web ACL of a stage: rules that look at a request before anything else does.

Source: AWS WAF developer guide, "Rule statements"; member names are AWS WAF's own.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class WebAclRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. `statement` as AWS WAF has it: `{"IPSetStatement": {…}}` and so on, parsed."""

    name: str
    priority: int = 0
    action: Literal["ALLOW", "BLOCK", "COUNT"] = "BLOCK"
    statement: dict[str, Any] = {}


class WebAcl(msgspec.Struct, frozen=True, kw_only=True):
    """Rules in the order of their priority; the first one that allows or blocks decides, else `default_action`."""

    name: str = ""
    default_action: Literal["ALLOW", "BLOCK"] = "ALLOW"
    rules: tuple[WebAclRule, ...] = ()
