"""Which address leads to which stage: hosts and paths of the data plane, and the swap of a deployment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Generic, NamedTuple
from weakref import WeakValueDictionary

from wsgw.definitions.api import DomainName
from wsgw.ids import read_connection_id
from wsgw.live.domain_names import Domains, LiveDomain, bare
from wsgw.live.route_table import LiveHttpStage, LiveSocketStage, LiveStage, S, StageSlot

#: The stage that stands in no path. Source: developer guide, "Stages for HTTP APIs".
UNNAMED_STAGE = "$default"
#: Addresses that were asked for and are known again: how many, and how long each part of one may be.
_MOST_KNOWN = 1_024
_LONGEST_KNOWN = 128


class Place(NamedTuple, Generic[S]):
    """Where an address leads. `rest` is the path behind the stage, without its leading slash.

    `host` is the Host that named the API and may be repeated to others; "" where an unknown Host was ignored. `prefix`
    is what a client with a host for the API asks for before `rest`: `/stage`, or a domain name's base path.
    """

    slot: StageSlot[S]
    live: S
    rest: str
    host: str
    prefix: str = ""
    base_path: str = ""


class Nowhere(NamedTuple):
    """An address that leads to no stage. `is_rest`: of the API that it names, None where it names none."""

    is_rest: bool | None


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
        self._domains = Domains()
        #: Some domain name asks for clients' certificates.
        self.any_is_mutual = False
        self._known: dict[tuple[str, str], Place[Any]] = {}
        self._hidden: dict[str, LiveStage] = {}

    def deploy(
        self, stages: Iterable[LiveStage], domain_names: Iterable[DomainName] = (), hidden: Collection[str] = ()
    ) -> None:
        """Serve exactly `stages` from now on. Connections that are open stay, and take what replaces their stage.

        hidden: ids of APIs that are reached by `domain_names` alone.
        """
        slots: dict[tuple[str, str], StageSlot[Any]] = {}
        by_api: dict[str, dict[str, StageSlot[Any]]] = {}
        by_stage: dict[str, list[StageSlot[Any]]] = {}
        out_of_sight: dict[str, LiveStage] = {}
        for live in stages:
            key = (live.api_id, live.stage)
            slot = self._held.get(key) or StageSlot(live)
            slot.live = live
            slots[key] = self._held[key] = slot
            if live.api_id in hidden:
                out_of_sight[live.api_id] = live
                continue
            by_api.setdefault(live.api_id, {})[live.stage] = slot
            by_stage.setdefault(live.stage, []).append(slot)
        for key, slot in self._slots.items():
            if key not in slots:
                slot.live = None
                # If the stage comes back, these are its connections again.
                if slot.connections:
                    slots[key] = slot
        self._slots, self._by_api, self._by_stage = slots, by_api, by_stage
        self._by_label = {api_id.lower(): api_id for api_id in (*by_api, *out_of_sight)}
        self._domains = Domains(domain_names)
        self.any_is_mutual = self._domains.any_is_mutual
        self._hidden = out_of_sight
        self._known.clear()

    def slots(self) -> Iterator[tuple[tuple[str, str], StageSlot[Any]]]:
        """Every slot with its (api id, stage)."""
        yield from self._slots.items()

    def live(self, api_id: str, stage: str) -> LiveSocketStage | None:
        """What is served of this stage of a WebSocket API now; None if it is not."""
        slot = self._slots.get((api_id, stage))
        live = None if slot is None else slot.live
        return live if isinstance(live, LiveSocketStage) else None

    def domain(self, host: str) -> LiveDomain | None:
        """The domain name that `host` (as in the Host header) is of."""
        return self._domains.find(host.lower()) if self._domains else None

    def find(self, host: str, path: str) -> Place[Any] | None:
        """Where `host` (as in the Host header) and `path` (raw, without the query) lead; None: nowhere.

        In order: a Host that is of a domain name, then its mappings say; a Host that names an API, then the path's
        first segment is the stage; else `/{apiId}/{stage}/…`; else `/{stage}/…`, if only one API has that stage, or the
        connection id in the path tells which; else the path is of the one HTTP API with a stage `$default`.
        """
        key = (host, path)
        place = self._known.get(key)
        if place is None:
            place = self._find(host, path)
            if place is not None and len(path) <= _LONGEST_KNOWN >= len(host):
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[key] = place
        return place

    def _find(self, host: str, path: str) -> Place[Any] | None:
        first, _, rest = path[1:].partition("/")
        # Host names have no case (RFC 9110 §4.2.3). Most hosts name no API, and are seen through here.
        host = host.lower()
        if self._domains:
            domain = self._domains.find(host)
            if domain is not None:
                return self._of_domain(domain, path, host)
        api_id = self._api_of(host) if ".localhost" in host or ".execute-api." in host else None
        if api_id is not None:
            repeatable = host.partition(":")[0][len(api_id) :] in self._suffixes
            return self._within(self._by_api.get(api_id, {}), first, rest, path, host if repeatable else "")
        stages = self._by_api.get(first)
        if stages is not None:
            stage, _, behind = rest.partition("/")
            found = self._within(stages, stage, behind, "/" + rest, "")
            if found is not None:
                return found
        found = self._of_stage(first, rest)
        if found is None and not first and len(path) > 1:
            # REST APIs take more than one slash before the stage. Recorded on the service.
            found = self._of_stage(*_split(path))
            if found is not None and not _is_rest(found.live):
                found = None
        return found or self._unnamed(first, path)

    def nowhere(self, host: str, path: str) -> Nowhere:
        """How to word it that `host` and `path` lead nowhere: as the API that they name would, if they name any."""
        host = host.lower()
        domain = self._domains.find(host) if self._domains else None
        if domain is not None:
            return Nowhere(True)
        api_id = self._api_of(host) or path[1:].partition("/")[0]
        live = self._hidden.get(api_id)
        if live is None:
            stages = self._by_api.get(api_id)
            if stages is None and len(self._by_api) == 1:
                (stages,) = self._by_api.values()
            live = next((slot.live for slot in (stages or {}).values()), None)
        return Nowhere(live.is_rest if isinstance(live, LiveHttpStage) else None)

    def _api_of(self, host: str) -> str | None:
        label, _, rest = host.partition(".")
        name = rest.partition(":")[0]
        if name == "localhost" or name.startswith("execute-api."):
            return self._by_label.get(label)
        return None

    def _of_domain(self, domain: LiveDomain, path: str, host: str) -> Place[Any] | None:
        mapped = domain.find(path)
        if mapped is None:
            return None
        slot = self._slots.get((mapped.api_id, mapped.stage))
        if slot is None or slot.live is None:
            return None
        return Place(slot, slot.live, mapped.rest, bare(host), mapped.prefix, mapped.base_path)

    @staticmethod
    def _within(stages: dict[str, StageSlot[Any]], stage: str, rest: str, path: str, host: str) -> Place[Any] | None:
        slot = stages.get(stage)
        prefix = "/" + stage if stage != UNNAMED_STAGE else ""
        if slot is None:
            slot, rest, prefix = stages.get(UNNAMED_STAGE), path[1:], ""
            if slot is None and not stage and len(path) > 1:
                stage, rest = _split(path)
                slot, prefix = stages.get(stage), "/" + stage
                if slot is not None and not _is_rest(slot.live):
                    return None
        if slot is None or slot.live is None:
            return None
        return Place(slot, slot.live, rest, host, prefix)

    def _of_stage(self, stage: str, rest: str) -> Place[Any] | None:
        slots = self._by_stage.get(stage)
        if not slots:
            return None
        if len(slots) > 1:
            slots = _of_connection(slots, rest)
        if len(slots) != 1 or slots[0].live is None:
            return None
        return Place(slots[0], slots[0].live, rest, "", "/" + stage if stage != UNNAMED_STAGE else "")

    def _unnamed(self, first: str, path: str) -> Place[Any] | None:
        if first in self._by_api or first in self._hidden or first in self._by_stage:
            return None
        slots = [slot for slot in self._by_stage.get(UNNAMED_STAGE, ()) if isinstance(slot.live, LiveHttpStage)]
        return Place(slots[0], slots[0].live, path[1:], "") if len(slots) == 1 else None


def _is_rest(live: LiveStage | None) -> bool:
    return isinstance(live, LiveHttpStage) and live.is_rest


def _split(path: str) -> tuple[str, str]:
    stage, _, rest = path.lstrip("/").partition("/")
    return stage, rest


def _of_connection(slots: list[StageSlot[Any]], rest: str) -> list[StageSlot[Any]]:
    """Those of `slots` whose API is the one that a connection id at the end of `rest` names."""
    read = read_connection_id(rest.rpartition("/")[2].replace("%3D", "=").replace("%3d", "="))
    if read is None:
        return []
    return [slot for slot in slots if slot.live is not None and slot.live.api_tag == read.tag]
