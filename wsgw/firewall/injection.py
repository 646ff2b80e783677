"""SQL injection and cross-site scripting, as libinjection sees them.

It is asked through ModSecurity (the extra `wsgw[injection]`), whose operators @detectSQLi and @detectXSS are its. Of
ModSecurity itself nothing else is used: a transaction gets the texts as headers, and one rule looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final

Detector = Callable[[Iterable[bytes]], bool]

_OPERATORS: Final = {"SqliMatch": "@detectSQLi", "XssMatch": "@detectXSS"}
#: What each has to find, lest it be believed to look where it doesn't.
_PROOF: Final = {"SqliMatch": b"1' OR '1'='1", "XssMatch": b"<script>alert(1)</script>"}


@cache
def detector(kind: str) -> Detector:
    """Tells whether one of some texts is an injection of this kind: SqliMatch or XssMatch. Raises ValueError."""
    try:
        from libmodsecurity import ModSecurity, RulesSet, Transaction
    except ImportError as error:
        raise ValueError(
            f"{kind}Statement needs a library that is not installed: pip install 'wsgw[injection]'"
        ) from error
    engine: Any = ModSecurity()
    rules: Any = RulesSet()
    rule = f'SecRule REQUEST_HEADERS:v "{_OPERATORS[kind]}" "id:1,phase:1,t:none,deny,status:403,nolog,noauditlog"'
    if rules.load(f"SecRuleEngine On\nSecAuditEngine Off\n{rule}") < 1:
        raise ValueError(f"the library for {kind}Statement takes no rules: {rules.get_parser_error()}")

    def found(texts: Iterable[bytes]) -> bool:
        # Any: it takes bytes as they are, though its types speak of texts alone.
        transaction: Any = Transaction(engine, rules, None)
        for text in texts:
            transaction.add_request_header("v", text)
        transaction.process_request_headers()
        return transaction.intervention() is not None

    if not found([_PROOF[kind]]) or found([b"hello"]):
        raise ValueError(f"the library for {kind}Statement does not find what it must: install another version")
    return found
