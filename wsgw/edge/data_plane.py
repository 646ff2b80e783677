"""What a request on the data port is about: an HTTP or REST API, an upgrade, @connections, or nothing served here.

Both doors call `dispatch`; no rule about requests stands in a door of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from wsgw.edge.connect import Handshakes
from wsgw.edge.handshake import Refusal, check_upgrade
from wsgw.edge.http import Door, Request, error_reply, reply_bytes
from wsgw.edge.management import Management, connection_in
from wsgw.edge.requests import Requests
from wsgw.edge.stage_calls import StageCalls, stage_call_in
from wsgw.errors import BadRequest, Forbidden, NotFound
from wsgw.ids import request_id
from wsgw.invocation import Reply
from wsgw.live.route_table import LiveHttpStage, LiveStage
from wsgw.live.stages import Place, Stages
from wsgw.settings import Settings

log = logging.getLogger("wsgw.http")


class Bodies(NamedTuple):
    """How large bodies of requests may be, in bytes; 0 is no bound.

    `least`: what any address takes; `most`: what no address exceeds; `elsewhere`: for what is of no HTTP or REST API.
    """

    least: int
    most: int
    elsewhere: int

    @classmethod
    def of(cls, stages: Iterable[LiveStage]) -> Bodies:
        """What `stages` allow."""
        http, sockets = [], []
        for live in stages:
            if isinstance(live, LiveHttpStage):
                http.append(live.limits.payload_bytes)
            else:
                sockets.append(live.limits.message_bytes)
        elsewhere = _largest(sockets) if sockets else 131_072
        return cls(
            min((limit for limit in [*http, elsewhere] if limit), default=0), _largest([*http, elsewhere]), elsewhere
        )


class Admission(NamedTuple):
    """How a body is to be read: up to `limit` bytes (0: any number); `streams`: it need not be whole."""

    limit: int
    streams: bool


class DataPlane:
    """The data port of one node. `bodies` comes with each deployment."""

    def __init__(
        self,
        stages: Stages,
        handshakes: Handshakes,
        requests: Requests,
        management: Management,
        calls: StageCalls,
        settings: Settings,
    ) -> None:
        self._stages = stages
        self._requests = requests
        self._handshakes = handshakes
        self._management = management
        self._calls = calls
        self._settings = settings
        self.bodies = Bodies(131_072, 131_072, 131_072)
        self._longest = longest_target(settings)

    def admit(self, request: Request) -> Admission:
        """How to read the body of `request`, of which only the head is there."""
        place = self._place(request)
        if place is None or not isinstance(place.live, LiveHttpStage):
            return Admission(self.bodies.elsewhere, False)
        return Admission(place.live.limits.payload_bytes, self._requests.streams(request, place))

    def refuse_large(self, request: Request, door: Door) -> None:
        """Answer 413 to `request`, whose body is more than was admitted."""
        place = self._place(request)
        if self._without_certificate(request):
            self._close_with(request, door, error_reply(Forbidden()))
        elif place is not None and isinstance(place.live, LiveHttpStage) and self._refusal(request) is None:
            self._requests.refuse_large(request, place, door)
        else:
            self._close_with(request, door, Reply(413))

    def dispatch(self, request: Request, door: Door) -> None:
        """Answer `request` through `door`, now or later."""
        refusal = self._refusal(request)
        if refusal is not None:
            self._close_with(request, door, refusal)
            return
        place = self._place(request)
        is_http = place is not None and isinstance(place.live, LiveHttpStage)
        if len(request.target) > (self._settings.request_url_bytes if is_http else self._settings.url_bytes):
            self._close_with(request, door, _plain(414))
            return
        if self._without_certificate(request):
            self._answer(request, door, error_reply(Forbidden()))
            return
        if place is not None and isinstance(place.live, LiveHttpStage):
            self._requests.handle(request, place, door)
            return
        connection_id = connection_in(place.rest) if place is not None else None
        if place is not None and connection_id is not None:
            self._management.handle(request, place, connection_id, door)
            return
        call = stage_call_in(place.rest) if place is not None and place.rest else None
        if place is not None and call is not None:
            self._calls.handle(request, place, call, door)
            return
        version = f"{request.version[0]}.{request.version[1]}"
        upgrade = check_upgrade(request.method, version, request.headers)
        if isinstance(upgrade, Refusal):
            log.debug("a handshake was refused: %s", upgrade.reason)
            lines = "".join(f"{name}: {value}\r\n" for name, value in upgrade.headers if name != "Connection")
            self._close_with(request, door, Reply(upgrade.status, _message(upgrade.status), _JSON), lines)
        elif upgrade is not None and place is not None and not place.rest:
            self._handshakes.open(request, place, upgrade, door)
        else:
            self._answer(request, door, self._nowhere(request, place))

    def _nowhere(self, request: Request, place: Place[Any] | None) -> Reply:
        """An unknown API or stage, and a plain request to a WebSocket API, all look the same, but to an HTTP API's."""
        if place is None:
            self._requests.answers.say_nowhere()
        if place is None and self._stages.nowhere(request.header("host") or "", _path(request)).is_rest is False:
            error = NotFound()
            return Reply(error.status, b'{"message":"Not Found"}', [*_JSON, ("apigw-requestid", request_id())])
        return error_reply(Forbidden())

    def _without_certificate(self, request: Request) -> bool:
        """The domain name is one of mutual TLS, and no certificate was shown that its truststore vouches for."""
        if not self._stages.any_is_mutual:
            return False
        domain = self._stages.domain(request.header("host") or "")
        if domain is None or domain.truststore is None:
            return False
        if request.certificate is not None and request.certificate.truststore == domain.truststore:
            return False
        self._requests.answers.say_uncertified(domain.truststore)
        return True

    def _refusal(self, request: Request) -> Reply | None:
        """What is wrong with the request as HTTP, whatever it is about."""
        target = request.target
        if len(target) > self._longest:
            return _plain(414)
        if not (target.isascii() and target.isprintable()):
            return _plain(400)
        if request.fields.sound and request.version == (1, 1) and request.target.startswith("/"):
            return None
        if request.version not in ((1, 0), (1, 1)):
            return _plain(505)
        hosts = request.all("host")
        if len(hosts) > 1 or (not hosts and request.version == (1, 1)) or not all(map(_host_is_sane, hosts)):
            return _plain(400)
        if not request.target.startswith("/") and not _authority_agrees(request.target, hosts):
            return _plain(400)
        if request.fields.size > self._settings.header_bytes:
            return _plain(431)
        if len(request.all("authorization")) > 1:
            return _plain(400)
        request.fields.sound = request.version == (1, 1)
        return None

    def _place(self, request: Request) -> Place[Any] | None:
        return self._stages.find(request.header("host") or "", _path(request))

    @staticmethod
    def _answer(request: Request, door: Door, reply: Reply) -> None:
        door.answer(reply_bytes(reply, keep=True, body=request.method != "HEAD"), keep=True)

    @staticmethod
    def _close_with(request: Request, door: Door, reply: Reply, lines: str = "") -> None:
        door.answer(reply_bytes(reply, keep=False, body=request.method != "HEAD", ids=lines), keep=False)


def longest_target(settings: Settings) -> int:
    """The longest request target that any address takes."""
    return max(settings.url_bytes, settings.request_url_bytes)


_JSON = (("Content-Type", "application/json"),)


def _largest(limits: list[int]) -> int:
    return 0 if 0 in limits else max(limits)


def _path(request: Request) -> str:
    path = request.target.partition("?")[0]
    if path.startswith("/"):
        return path
    return "/" + path.partition("//")[2].partition("/")[2]


def _message(status: int) -> bytes:
    return b'{"message":"%s"}' % HTTPStatus(status).phrase.encode()


def _plain(status: int) -> Reply:
    return error_reply(BadRequest()) if status == 400 else Reply(status, _message(status), _JSON)


@lru_cache(maxsize=1024)
def _host_is_sane(host: str) -> bool:
    """A host with an optional port, without user information, blanks or commas (RFC 9110 §7.2)."""
    return bool(host) and not any(character in ' \t,@/\\?#"<>' for character in host) and host.isprintable()


def _authority_agrees(target: str, hosts: list[str]) -> bool:
    """A target in absolute form names the same host as the Host header (RFC 9112 §3.2.2, made strict)."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return False
    return parts.scheme in ("http", "https", "ws", "wss") and [parts.netloc] == hosts
