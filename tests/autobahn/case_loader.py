"""The Autobahn suite's own case classes, loaded from the installed package.

They are Python 2: source that a handful of substitutions makes Python 3, and strings of bytes, which stay what they
were when both the source and the payloads are read as Latin-1, one character a byte.
"""

from __future__ import annotations

import binascii
import builtins
import importlib
import re
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

PACKAGE = "autobahntestsuite"

_REWRITES = [
    (re.compile(r"^(\s*)print\b.*$", re.MULTILINE), r"\1pass"),
    (re.compile(r"\(object,\s*Case,\s*\)"), "(Case,)"),
    (re.compile(r"(len\(self\.payload\)) / (self\.)"), r"\1 // \2"),
]
# Needs Twisted, and is not in the suite's list.
_LEFT_OUT = "case9_9_1"


class Offer:
    """autobahn.websocket.compress.PerMessageDeflateOffer: what a case asks of permessage-deflate."""

    def __init__(
        self,
        acceptNoContextTakeover: bool = True,  # noqa: N803
        acceptMaxWindowBits: bool = True,  # noqa: N803
        requestNoContextTakeover: bool = False,  # noqa: N803
        requestMaxWindowBits: int = 0,  # noqa: N803
    ) -> None:
        self.acceptNoContextTakeover = acceptNoContextTakeover
        self.acceptMaxWindowBits = acceptMaxWindowBits
        self.requestNoContextTakeover = requestNoContextTakeover
        self.requestMaxWindowBits = requestMaxWindowBits

    def header(self) -> str:
        """This offer as Sec-WebSocket-Extensions says it."""
        return "; ".join(
            part
            for part, wanted in (
                ("permessage-deflate", True),
                ("client_no_context_takeover", self.acceptNoContextTakeover),
                ("client_max_window_bits", self.acceptMaxWindowBits),
                ("server_no_context_takeover", self.requestNoContextTakeover),
                (f"server_max_window_bits={self.requestMaxWindowBits}", self.requestMaxWindowBits),
            )
            if wanted
        )


class Validator:
    """autobahn.websocket.utf8validator.Utf8Validator, as far as the cases ask: is this all valid, and complete?"""

    def reset(self) -> None:
        pass

    def validate(self, text: str) -> tuple[bool, bool]:
        try:
            text.encode("latin-1").decode()
        except UnicodeDecodeError:
            return False, False
        return True, True


def installed() -> bool:
    return find_spec(PACKAGE) is not None


def _case_folder() -> Path:
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "case"


def _module(name: str, **names: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(names)
    return module


def _hex(data: str | bytes) -> str:
    return binascii.hexlify(data.encode("latin-1") if isinstance(data, str) else data).decode()


def _open(path: str, mode: str) -> BytesIO:
    # The cases never close what they open.
    assert mode == "rb"
    return BytesIO(Path(path).read_bytes())


class _Loader:
    """Runs the suite's modules, each once, with imports among themselves as Python 2 resolved them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        states = SimpleNamespace(STATE_OPEN=3, STATE_CLOSED=0, STATE_CLOSING=2)
        self._modules: dict[str, ModuleType] = {
            _LEFT_OUT: _module(_LEFT_OUT),
            "binascii": _module("binascii", b2a_hex=_hex, hexlify=_hex),
            "pkg_resources": _module("pkg_resources", resource_filename=self._resource),
            "autobahn.websocket.protocol": _module("protocol", WebSocketProtocol=states),
            "autobahn.websocket.utf8validator": _module("utf8validator", Utf8Validator=Validator),
            "autobahn.websocket.compress": _module("compress", PerMessageDeflateOffer=Offer),
        }
        shims = {"__import__": self._import, "open": _open, "xrange": range, "unichr": chr}
        self._builtins = vars(builtins) | shims

    def _resource(self, package: str, path: str) -> str:
        assert package == PACKAGE
        return str(self._folder.parent / path)

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        if name not in self._modules and not (self._folder / f"{name}.py").exists():
            return importlib.import_module(name)
        return self.load(name)

    def load(self, name: str) -> ModuleType:
        if name not in self._modules:
            module = self._modules[name] = _module(name, __builtins__=self._builtins)
            source = (self._folder / f"{name}.py").read_text(encoding="latin-1")
            for pattern, replacement in _REWRITES:
                source = pattern.sub(replacement, source)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                code = compile(source, f"{name}.py", "exec", dont_inherit=True)
            exec(code, vars(module))
        return self._modules[name]


@cache
def load_cases() -> dict[str, type[Any]]:
    """The suite's cases by id (`7.9.5`), in its order."""
    loader = _Loader(_case_folder())
    case = loader.load("case").Case
    # The suite compares pickles, which differ between equal objects on Python 3.
    case.compare = lambda _self, one, other: one == other
    return {kind.__name__.removeprefix("Case").replace("_", "."): kind for kind in loader.load("__init__").Cases}
