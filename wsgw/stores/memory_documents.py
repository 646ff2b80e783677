"""Documents of one process: they end with it."""

from __future__ import annotations

from collections.abc import Mapping


class MemoryDocuments:
    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, bytes]] = {}
        self._revision = 0

    async def all(self, kind: str) -> dict[str, bytes]:
        return dict(self._kinds.get(kind, {}))

    async def write(self, kind: str, documents: Mapping[str, bytes | None]) -> int:
        stored = self._kinds.setdefault(kind, {})
        for name, body in documents.items():
            if body is None:
                stored.pop(name, None)
            else:
                stored[name] = body
        self._revision += 1
        return self._revision

    async def revision(self) -> int:
        return self._revision
