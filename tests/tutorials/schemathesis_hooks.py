"""What the schemathesis command does not send here."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import schemathesis


@schemathesis.hook
def filter_path_parameters(_context: Any, parameters: Any) -> bool:
    """No control characters and backslashes: the gateway refuses them in any path, whatever its document allows."""
    texts = [unquote(str(value)) for value in parameters.values()] if isinstance(parameters, dict) else []
    return not any(char < " " or char == "\\" or "\x7f" <= char <= "\x9f" for text in texts for char in text)
