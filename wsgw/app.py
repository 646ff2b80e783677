"""The composition root: settings → stores → planes → servers. Which stores, `stores.chosen` says."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from wsgw import ids
from wsgw.authorizers.access import Access
from wsgw.authorizers.management_callers import ManagementCallers
from wsgw.authorizers.results_cache import results_of
from wsgw.control.endpoint import ControlEndpoint
from wsgw.control.gauges import add_gauges
from wsgw.control.port import open_port, open_unix_socket
from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import Api, DomainName
from wsgw.definitions.usage import ApiKey, UsagePlan
from wsgw.edge.aiohttp_door import Server
from wsgw.edge.answers import Answers
from wsgw.edge.authority import Authority
from wsgw.edge.cluster import Cluster
from wsgw.edge.connect import Handshakes
from wsgw.edge.data_plane import Bodies, DataPlane
from wsgw.edge.departures import Departures
from wsgw.edge.disconnect import Disconnects
from wsgw.edge.lanes import Lanes
from wsgw.edge.listeners import Listeners
from wsgw.edge.management import Management
from wsgw.edge.messages import Messages
from wsgw.edge.node import Clock, Node
from wsgw.edge.push import Push
from wsgw.edge.refreshes import Refreshes
from wsgw.edge.reports import Reports
from wsgw.edge.requests import Requests
from wsgw.edge.safety import NotSafe, check_safe
from wsgw.edge.stage_calls import StageCalls
from wsgw.edge.tickets import Tickets
from wsgw.errors import StoreUnavailable
from wsgw.integrations.aws_services import AwsServices
from wsgw.integrations.egress import Egress
from wsgw.integrations.handler_context import Handler
from wsgw.integrations.http_pool import HttpPool
from wsgw.integrations.lambda_ import LambdaClients
from wsgw.live.compile import Parts, compile_stages
from wsgw.live.guard_firewall import firewalls_of
from wsgw.live.stages import Stages
from wsgw.observe.access_log_file import AccessLogFile
from wsgw.observe.lag import LoopLag
from wsgw.observe.logs import Reasons
from wsgw.observe.metrics import Metrics
from wsgw.settings import Settings
from wsgw.stores.base import Book, Documents
from wsgw.stores.chosen import stores_for

log = logging.getLogger("wsgw")

_SWEEP = 0.25
#: How long a drain waits, at least and at most, for the requests of connections that were just accepted.
_SETTLE = (0.1, 1.0)


class Listening(NamedTuple):
    """Where a gateway listens: `data` and `control` are URLs, `also` more of the data plane, `node` is its name."""

    data: str
    control: str
    node: str
    also: tuple[str, ...] = ()


class App:
    """One node: its connections, its APIs, its two ports. `start`, then `deploy` as often as needed, then `stop`."""

    def __init__(
        self,
        settings: Settings,
        *,
        access_keys: Iterable[AccessKey] = (),
        management_tokens: Iterable[str] = (),
        api_keys: Iterable[ApiKey] = (),
        usage_plans: Iterable[UsagePlan] = (),
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self.node = Node(ids.node_name(), settings, clock)
        self.stages = Stages(settings.region)
        self.metrics = Metrics()
        self.reasons = Reasons()
        self.push = Push(self.node)
        self._callers = ManagementCallers.of(settings, access_keys, management_tokens)
        self._api_keys, self._usage_plans = tuple(api_keys), tuple(usage_plans)
        self._lag = LoopLag()
        self._sweeper: asyncio.TimerHandle | None = None
        self._listeners = Listeners(settings, self.node.clock)
        self._control: web.AppRunner | None = None
        self._ready = "not deployed yet"
        self._announced: tuple[Callable[[str], None], ...] = ()

    @property
    def guarded(self) -> bool:
        """Access keys or management tokens are configured."""
        return self._callers.configured

    @property
    def documents(self) -> Documents | None:
        """Where definitions are stored, once it is prepared; None where nothing can be."""
        return self._stores.documents

    def on_announcement(self, call: Callable[[str], None]) -> None:
        """Have `call` called, too, as `Bus.on_announcement` is, once it is prepared; never where no others are."""
        if self._stores.bus is not None:
            self._announced = (*self._announced, call)
            self._stores.bus.on_announcement = self._tell_all

    def _tell_all(self, topic: str) -> None:
        for call in self._announced:
            call(topic)

    async def start(self) -> Listening:
        """`prepare` and `listen`."""
        await self.prepare()
        return await self.listen()

    async def prepare(self) -> None:
        """Join the nodes and open pools: from here on `deploy` works. Raises NotSafe and OSError."""
        check_safe(self.settings, guarded=self.guarded)
        self._log_file = AccessLogFile(self.settings.access_log)
        self.access_log = self._log_file.log
        self._stores = stores_for(self.settings, lambda: self.node.name, self.node.now)
        self._build_access()
        self._build_plane()
        self._open_pools()
        self._server = Server(self._plane, self.settings, self.node.now)
        self._lanes = Lanes(self._plane, self._server, self.settings, self.node.now)
        self._add_gauges()
        try:
            await self._stores.open()
            await self._cluster.join()
            await self.authority.begin()
        except StoreUnavailable as error:
            raise NotSafe(f"cannot start: {error}") from error

    async def listen(
        self, sockets: Sequence[Sequence[socket.socket]] | None = None, control_socket: str = ""
    ) -> Listening:
        """Open the ports. Raises OSError for an address that cannot be listened on, ValueError for a certificate.

        sockets: bound already, for each address of the data plane; see Listeners.open.
        control_socket: path of a Unix socket that takes the place of the control port.
        """
        data, *also = await self._listeners.open(self._lanes if self.settings.lanes else self._server, sockets)
        control = await self._listen_control(control_socket)
        self._lag.start()
        self._sweep()
        self.authority.follow()
        for url in also:
            log.info("listening on %s, too", url)
        return Listening(data, control, self.node.name, tuple(also))

    # ---- the parts

    def _build_access(self) -> None:
        """What decides on callers, and hears from other nodes what is to be forgotten."""
        stores = self._stores
        self.access = Access(
            stores.cache, stores.quota, stores.buckets, lambda: self.node.wall_ms() / 1000, self.node.now
        )
        self.access.admit(self._callers.access_keys)
        self.access.admit_keys(self._api_keys, self._usage_plans)
        announce = stores.bus.announce if stores.bus is not None else None
        self.authority = Authority(self.node, self.access, stores.documents, announce)
        self.on_announcement(self.authority.announced)
        results = results_of(self.access)
        results.announce = announce
        self.on_announcement(results.announced)

    def _build_plane(self) -> None:
        """What answers requests, handshakes and messages, and tells of connections that have ended."""
        settings, node, stores = self.settings, self.node, self._stores
        access_log, reasons = self.access_log, self.reasons
        reports = Reports(access_log, reasons)
        tickets = Tickets(stores.cache, self.access.now)

        def book() -> Book:
            return stores.registry.own

        self.departures = Departures(node, self.stages, book, Disconnects(node, reports).tell)
        node.on_message = Messages(node, reports, reasons).message
        node.on_refresh = Refreshes(node, tickets, self.access.revoked, reasons, book).take
        node.on_disconnect = self.departures.ended
        self._cluster = Cluster(node, stores.registry, stores.bus, self.push, self.departures)
        guard = self._callers.guard(settings, self.access)
        self._management = Management(node, self.push, guard, stores.buckets, access_log, reasons)
        self._plane = DataPlane(
            self.stages,
            Handshakes(node, reports, stores.buckets, book, tickets, self.authority),
            Requests(node, Answers(access_log, reasons)),
            self._management,
            StageCalls(node, self._management, tickets, self.authority, reasons),
            settings,
        )

    def _open_pools(self) -> None:
        settings = self.settings
        self._pool = HttpPool(
            limit_per_host=settings.http_connections_per_host,
            keepalive=settings.http_keepalive_seconds,
            max_response_bytes=settings.http_response_bytes,
            connect_timeout=settings.http_connect_seconds,
            circuit_failures=settings.circuit_failures,
            max_stream_bytes=settings.http_stream_bytes,
            stream_silence=settings.http_stream_idle_seconds,
            egress=Egress(settings.egress_deny, settings.egress_allow),
            backend_ca=settings.backend_ca,
        )
        self._lambda = LambdaClients(max_connections=settings.lambda_connections)
        self._aws = AwsServices(self._pool, assume_roles=settings.assume_roles)

    def _add_gauges(self) -> None:
        add_gauges(
            self.metrics,
            self.settings,
            node=self.node,
            lag=self._lag,
            pool=self._pool,
            stores=self._stores,
            departures=self.departures,
            listeners=self._listeners,
            firewalls=firewalls_of(self.access),
            stages=self.stages,
        )

    # ---- deployments

    def admit(self, access_keys: Iterable[AccessKey], management_tokens: Iterable[str]) -> None:
        """Let in exactly these, and the settings' tokens, from now on. Raises PolicyError, and then changes nothing."""
        callers = ManagementCallers.of(self.settings, access_keys, management_tokens)
        self._management.guard = callers.guard(self.settings, self.access)
        self._callers = callers
        self.access.admit(callers.access_keys)
        self.authority.look()

    def admit_keys(self, api_keys: Iterable[ApiKey], usage_plans: Iterable[UsagePlan]) -> None:
        """From now on exactly these API keys are good, for what `usage_plans` say."""
        self.access.admit_keys(api_keys, usage_plans)
        self.authority.look()

    def deploy(
        self,
        apis: Sequence[Api],
        base: Path | None = None,
        handlers: Mapping[str, Handler] | None = None,
        domain_names: Sequence[DomainName] = (),
    ) -> None:
        """Serve exactly `apis`. Raises DefinitionError, and then serves what it served before.

        base: the directory that Python handlers are looked for in; handlers: functions by their integration's uri.
        """
        parts = Parts(
            settings=self.settings,
            buckets=self._stores.buckets,
            metrics=self.metrics,
            http_pool=self._pool,
            lambda_clients=self._lambda,
            aws=self._aws,
            connections=self.push,
            access=self.access,
            base=base or Path.cwd(),
            handlers=handlers or {},
        )
        stages = compile_stages(apis, parts)
        self._listeners.serve(domain_names)
        self.stages.deploy(stages, domain_names, hidden={api.id for api in apis if api.disable_execute_api_endpoint})
        self.node.look_again()
        self._plane.bodies = Bodies.of(stages)
        self._ready = ""

    # ---- ports

    async def _listen_control(self, path: str) -> str:
        endpoint = ControlEndpoint(
            self._stores.registry,
            self.push,
            self.metrics,
            self._why_not_ready,
            "" if path else self.settings.control_host,
            self.authority,
            self.access,
            self.stages,
        )
        runner = web.AppRunner(endpoint.application(), access_log=None, handle_signals=False)
        self._control = runner
        await runner.setup()
        if path:
            return await open_unix_socket(runner, path)
        return await open_port(runner, self.settings)

    def reopen_access_log(self) -> None:
        """Open the access log's file anew, by its name: whoever rotates logs has moved the one before away."""
        self._log_file.reopen()

    def reload_certificates(self) -> None:
        """Read the certificates again now, rather than when their files are next looked at."""
        self._listeners.reload()

    def _why_not_ready(self) -> str:
        if self.node.refuses or self._ready:
            return self.node.refuses or self._ready
        away = "" if self.settings.ready_without_redis else self._stores.away()
        return f"not connected to what nodes share: {away}" if away else ""

    def sweep(self) -> None:
        """Close, ping or drop whatever is due. Called some times a second, and by tests after they moved the clock."""
        self.node.sweep()
        self.departures.sweep()
        self._cluster.sweep()
        self._listeners.sweep()
        self._lanes.sweep()
        self._server.sweep()
        if self.settings.redis:
            firewalls_of(self.access).sweep(self.access.quota, self.access.begin)

    def _sweep(self) -> None:
        try:
            self.sweep()
        except Exception:
            log.exception("the sweep failed")
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP, self._sweep)

    # ---- the end

    async def stop(self, *, drain: float | None = None) -> int:
        """Refuse handshakes, close all connections with 1001 spread over `drain` seconds, let what runs finish.

        Where others serve too, handshakes are left to them: nothing is accepted any more. Until the end backends reach
        the connections that are left. Gives how many invocations had to be cut off after `stop_seconds`.
        """
        settings = self.settings
        cut_off = 0
        if hasattr(self, "_lanes"):
            self._lanes.keep_none()
            if settings.redis:
                self._listeners.close()
            if settings.redis and drain is None:
                await self._settle()
            await self.node.drain(settings.drain_seconds if drain is None else drain)
            # What waits for another attempt is in the book: nobody waits for a backend that is down.
            await self.departures.stop()
            # Where nothing is accepted any more, only kept connections can bring requests, and each brings its last.
            self.node.finishing = not settings.redis
            cut_off = await self.node.finish(settings.stop_seconds)
            await self.authority.close()
            await self._cluster.leave()
            await self.access.usage.close()
            await self._stores.close()
        self._listeners.close()
        if hasattr(self, "_lanes"):
            self._lanes.close()
            await self._server.shutdown(1)
            self._lanes.abort()
            self._lag.stop()
            if self._sweeper is not None:
                self._sweeper.cancel()
            if self._control is not None:
                await self._control.cleanup()
            await self.access.close()
            await self._pool.close()
            await self._lambda.close()
            await self._aws.close()
            self._log_file.close()
        return cut_off

    async def _settle(self) -> None:
        """Let in whoever was accepted before the listeners closed: another node cannot, and a refusal would be loud."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(_SETTLE[0])
        while self._lanes.expects() or self._server.expects():
            if loop.time() - began > _SETTLE[1]:
                break
            await asyncio.sleep(0.01)
