"""The recorded cases: where they are, and which of them belong to what is not built yet.

The file is not part of this repository. It is looked for in `shared/parity/` beside the checkout or above it, or where
WSGW_PARITY_CASES says; without it these tests are skipped.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

Case = dict[str, Any]

#: Control-plane operations that importing a file covers already.
IMPORTS = frozenset({"ImportRestApi", "PutRestApi"})
MAPPINGS = "API mappings: longest path wins"
#: Who may call: cases that say what is given in words, and have a test of their own.
ACCESS = frozenset(
    {
        "API key missing",
        "API key valid",
        "API key disabled",
        "Policy outcome (same account)",
        "Policy outcome (cross account)",
        "JWT audience mismatch",
        "Lambda authorizer identity source missing",
        "Lambda authorizer not invocable / invalid output",
    }
)
#: What a case needs that belongs to a later feature, by its topic.
_LATER_TOPICS = {"Canary 0%": "canary releases", "Canary 100%": "canary releases"}


@cache
def cases() -> tuple[Case, ...]:
    """Every case of the file, none where there is no file."""
    path = _file()
    return () if path is None else tuple(json.loads(path.read_text())["cases"])


def later(case: Case) -> str | None:
    """The later feature that `case` waits for; None for one that must pass now."""
    control = case["request"].get("control")
    if control is not None and control["operation"] not in IMPORTS:
        return "the control plane"
    return _LATER_TOPICS.get(case["topic"])


def _file() -> Path | None:
    named = os.environ.get("WSGW_PARITY_CASES")
    if named:
        return Path(named)
    for directory in Path(__file__).resolve().parents:
        path = directory / "shared" / "parity" / "rest_cases.json"
        if path.exists():
            return path
    return None
