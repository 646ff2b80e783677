"""Python modules that handlers brought in, for `--watch`: which were saved, and how to load them anew."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

Stamp = tuple[int, int]

_INSTALLED = tuple(
    str(Path(sysconfig.get_path(name)).resolve()) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


class Modules:
    """Modules imported after this was made from files below `base`; neither installed packages nor wsgw itself."""

    def __init__(self, base: Path) -> None:
        self._base = base.resolve()
        self._seen = set(sys.modules)
        self._stamps: dict[str, tuple[Path, Stamp]] = {}
        self._beside: dict[Path, Stamp | None] | None = None

    def saved(self) -> bool:
        """A module's file is another than at the last call. One seen for the first time is not."""
        self._look()
        changed = False
        for name, (file, before) in self._stamps.items():
            # Editors replace a file by renaming another over it: for a moment there is none.
            now = _stamp(file) or before
            if now != before:
                self._stamps[name] = file, now
                changed = True
        if self._beside is not None:
            before_that, self._beside = self._beside, self._in_base()
            changed |= self._beside != before_that
        return changed

    def deployed(self, done: bool) -> None:
        """If a deployment was not done, an import may have failed: until one is, every file beside counts."""
        self._beside = None if done else self._in_base()

    def forget(self) -> dict[str, ModuleType]:
        """Have the next import read all of them anew. Gives what was loaded, for `put_back`."""
        return {name: sys.modules.pop(name) for name in self._stamps if name in sys.modules}

    def put_back(self, modules: dict[str, ModuleType]) -> None:
        """The new ones cannot be served: the old ones are the modules of these names again."""
        sys.modules.update(modules)

    def _look(self) -> None:
        for name in sys.modules.keys() - self._seen:
            self._seen.add(name)
            file = getattr(sys.modules[name], "__file__", None) or ""
            if name.partition(".")[0] == "wsgw" or not file.startswith(f"{self._base}{os.sep}"):
                continue
            stamp = None if file.startswith(_INSTALLED) else _stamp(Path(file))
            if stamp is not None:
                self._stamps[name] = Path(file), stamp

    def _in_base(self) -> dict[Path, Stamp | None]:
        return {file: _stamp(file) for file in self._base.glob("*.py")}


def _stamp(file: Path) -> Stamp | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
