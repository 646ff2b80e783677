"""Which address leads to which stage: hosts and paths of the data plane, and the swap of a deployment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Generic, NamedTuple
from weakref import WeakValueDictionary

from wsgw.ids import read_connection_id
from wsgw.live.route_table import LiveSocketStage, LiveStage, S, StageSlot

#: The stage that stands in no path. Source: developer guide, "Stages for HTTP APIs".
UNNAMED_STAGE = "$default"


class Place(NamedTuple, Generic[S]):
    """Where an address leads. `rest` is the path behind the stage, without its leading slash.

    `host` is the Host that named the API and may be repeated to others; "" where an unknown Host was ignored.
    """

    slot: StageSlot[S]
    live: S
    rest: str
    host: str


class Stages:
    """All stages that are served. `region` completes the execute-api host names that may be repeated in events."""

    def __init__(self, region: str) -> None:
        self._suffixes = (f".execute-api.{region}.amazonaws.com", ".execute-api.localhost", ".localhost")
        self._slots: dict[tuple[str, str], StageSlot[Any]] = {}
        #: Those of stages that are gone, too, as long as a connection or a handshake under way holds them.
        self._held: WeakValueDictionary[tuple[str, str], StageSlot[Any]] = WeakValueDictionary()
        self._by_api: dict[str, dict[str, StageSlot[Any]]] = {}
        self._by_stage: dict[str, list[StageSlot[Any]]] = {}
        self._by_label: dict[str, str] = {}  # API ids as a Host says them, without case

    def deploy(self, stages: Iterable[LiveStage]) -> None:
        """Serve exactly `stages` from now on. Connections that are open stay, and take what replaces their stage."""
        slots: dict[tuple[str, str], StageSlot[Any]] = {}
        by_api: dict[str, dict[str, StageSlot[Any]]] = {}
        by_stage: dict[str, list[StageSlot[Any]]] = {}
        for live in stages:
            key = (live.api_id, live.stage)
            slot = self._held.get(key) or StageSlot(live)
            slot.live = live
            slots[key] = self._held[key] = slot
            by_api.setdefault(live.api_id, {})[live.stage] = slot
            by_stage.setdefault(live.stage, []).append(slot)
        for key, slot in self._slots.items():
            if key not in slots:
                slot.live = None
                # If the stage comes back, these are its connections again.
                if slot.connections:
                    slots[key] = slot
        self._slots, self._by_api, self._by_stage = slots, by_api, by_stage
        self._by_label = {api_id.lower(): api_id for api_id in by_api}

    def slots(self) -> Iterator[tuple[tuple[str, str], StageSlot[Any]]]:
        """Every slot with its (api id, stage)."""
        yield from self._slots.items()

    def live(self, api_id: str, stage: str) -> LiveSocketStage | None:
        """What is served of this stage of a WebSocket API now; None if it is not."""
        slot = self._slots.get((api_id, stage))
        live = None if slot is None else slot.live
        return live if isinstance(live, LiveSocketStage) else None

    def find(self, host: str, path: str) -> Place[Any] | None:
        """Where `host` (as in the Host header) and `path` (raw, without the query) lead; None: nowhere.

        In order: a Host that names an API, then the path's first segment is the stage; else `/{apiId}/{stage}/…`; else
        `/{stage}/…`, if only one API has that stage, or the connection id in the path tells which.
        """
        first, _, rest = path[1:].partition("/")
        # Host names have no case (RFC 9110 §4.2.3). Most hosts name no API, and are seen through here.
        host = host.lower()
        api_id = self._api_of(host) if ".localhost" in host or ".execute-api." in host else None
        if api_id is not None:
            repeatable = host.partition(":")[0][len(api_id) :] in self._suffixes
            return self._within(self._by_api[api_id], first, rest, path, host if repeatable else "")
        stages = self._by_api.get(first)
        if stages is not None:
            stage, _, behind = rest.partition("/")
            found = self._within(stages, stage, behind, "/" + rest, "")
            if found is not None:
                return found
        return self._of_stage(first, rest)

    def _api_of(self, host: str) -> str | None:
        label, _, rest = host.partition(".")
        name = rest.partition(":")[0]
        if name == "localhost" or name.startswith("execute-api."):
            return self._by_label.get(label)
        return None

    @staticmethod
    def _within(stages: dict[str, StageSlot[Any]], stage: str, rest: str, path: str, host: str) -> Place[Any] | None:
        slot = stages.get(stage)
        if slot is None:
            slot, rest = stages.get(UNNAMED_STAGE), path[1:]
        if slot is None or slot.live is None:
            return None
        return Place(slot, slot.live, rest, host)

    def _of_stage(self, stage: str, rest: str) -> Place[Any] | None:
        slots = self._by_stage.get(stage)
        if not slots:
            return None
        if len(slots) > 1:
            slots = _of_connection(slots, rest)
        if len(slots) != 1 or slots[0].live is None:
            return None
        return Place(slots[0], slots[0].live, rest, "")


def _of_connection(slots: list[StageSlot[Any]], rest: str) -> list[StageSlot[Any]]:
    """Those of `slots` whose API is the one that a connection id at the end of `rest` names."""
    read = read_connection_id(rest.rpartition("/")[2].replace("%3D", "=").replace("%3d", "="))
    if read is None:
        return []
    return [slot for slot in slots if slot.live is not None and slot.live.api_tag == read.tag]
