"""Text that ends a line where a line must not end, and adds one of its own."""

from __future__ import annotations

import pytest

EVIL = [
    pytest.param("a\r\nX-Evil: 1", id="crlf"),
    pytest.param("a\nX-Evil: 1", id="lf"),
    pytest.param("a\rX-Evil: 1", id="cr"),
    pytest.param("a\r\n\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\n", id="whole-request"),
    pytest.param("a\r\n X-Evil: 1", id="fold"),
    pytest.param("a\0X-Evil: 1", id="nul"),
    pytest.param("a\x1bX-Evil: 1", id="escape"),
    pytest.param("a\x85X-Evil: 1", id="next-line"),
    pytest.param("a\u2028X-Evil: 1", id="line-separator"),
    pytest.param("a嘊嘍X-Evil: 1", id="low-bytes-are-crlf"),
]
