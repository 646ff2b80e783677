"""One WebSocket client of a run, on picows."""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import orjson

try:
    from picows import (
        WSCloseCode,
        WSFrame,
        WSHandshakeError,
        WSListener,
        WSMsgType,
        WSTransport,
        ws_connect,
    )
except ImportError as error:
    raise ImportError('the load generator needs picows: pip install "wsgw[loadtest]"') from error

from wsgw.cli.load.ledger import Ledger
from wsgw.cli.load.plan import Plan
from wsgw.cli.load.tally import Tally, excerpt

_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; the socket module names it from Python 3.12 on
# An adapter, not a logger: picows makes a child of a logger for every connection, which costs more than the handshake.
_log = logging.LoggerAdapter(logging.getLogger("wsgw.loadtest"), {})


class Refused(Exception):
    """A handshake did not end in a connection; the text says why."""


class Client(WSListener):
    """A connected client. `settled` gets it and the id of each message that waits no longer, for any reason."""

    __slots__ = (
        *("_closing", "_connector", "_first_message", "_parts"),
        *("connected", "connection_id", "ledger", "settled", "transport"),
    )
    transport: WSTransport

    def __init__(self, connector: Connector, ledger: Ledger) -> None:
        self.ledger = ledger
        self.connected = False
        self.connection_id = ""
        self.settled: Callable[[Client, int], None] | None = None
        self._connector = connector
        self._closing = False
        self._first_message: asyncio.Future[bytes] | None = None
        self._parts: list[bytes] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.connected = True
        self._connector.tally.connected += 1

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._ended("connection broke off")

    def _ended(self, reason: str) -> None:
        if not self.connected:
            return
        self.connected = False
        tally = self._connector.tally
        tally.connected -= 1
        if not self._closing:
            tally.dropped += 1
            tally.fault(reason)
        for id in self.ledger.abandon():
            self._settle(id)
        if self._first_message is not None and not self._first_message.done():
            self._first_message.set_exception(ConnectionError(reason))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.PING:
            self._connector.tally.pings += 1
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            self._ended(f"closed by the server: {frame.get_close_code()} {frame.get_close_reason() or ''}".rstrip())
            if not transport.is_close_frame_sent:
                transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif frame.fin and not self._parts:
            self._received(frame.get_payload_as_bytes())
        else:
            self._parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                whole, self._parts = b"".join(self._parts), []
                self._received(whole)

    def _received(self, payload: bytes) -> None:
        if self._first_message is not None:
            if not self._first_message.done():
                self._first_message.set_result(payload)
            return
        id = self.ledger.take(payload, time.perf_counter())
        if id is not None:
            self._settle(id)

    def _settle(self, id: int) -> None:
        if self.settled is not None:
            self.settled(self, id)

    def send(self, due: float) -> None:
        """Send the next message, due at `due`."""
        message = self._connector.messages(self.ledger.expect(due))
        self.transport.send(WSMsgType.TEXT, message)

    def ping(self, due: float) -> None:
        """Send a ping, due at `due`; its pong is checked as an answer is."""
        self.transport.send_ping(b'"id":%d' % self.ledger.expect(due))

    def refuse(self, id: int, reason: str) -> None:
        """A push was refused: its message is not to come."""
        if self.ledger.withdraw(id, reason):
            self._settle(id)

    async def learn_id(self, message: str, timeout: float) -> None:
        """Ask for the connection's own id: send `message`, and read `connectionId` in the JSON that comes back.

        Raises Refused when nothing comes, or something else.
        """
        self._first_message = asyncio.get_running_loop().create_future()
        self.transport.send(WSMsgType.TEXT, message.encode())
        try:
            answer = await asyncio.wait_for(self._first_message, timeout)
            self.connection_id = orjson.loads(answer)["connectionId"]
        except (TimeoutError, ConnectionError) as error:
            raise Refused(f"no answer to {message}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(f"the answer to {message} has no connectionId: {excerpt(answer)}") from error
        finally:
            self._first_message = None

    def close(self) -> None:
        """Close with 1000; the other side may take its time, nobody waits for it."""
        self._closing = True
        if self.connected:
            self._ended("")
            self.transport.send_close(WSCloseCode.OK)

    def abort(self) -> None:
        """End the TCP connection, at the end of a run."""
        self._closing = True
        self.transport.disconnect(False)


class Connector:
    """Opens the clients of a run. `messages` builds the message of an id."""

    def __init__(self, plan: Plan, tally: Tally, messages: Callable[[int], bytes]) -> None:
        self.tally = tally
        self.messages = messages
        self._plan = plan
        self._indexes = itertools.count(plan.first_index)
        self._headers = list(plan.headers)
        if plan.subprotocols:
            self._headers.append(("Sec-WebSocket-Protocol", ", ".join(plan.subprotocols)))
        self._options: dict[str, Any] = {"ssl_context": tls_context(plan)} if plan.url.startswith("wss:") else {}
        if plan.source_addresses:
            parts = urlsplit(plan.url)
            peer = parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)
            sources = itertools.cycle(plan.source_addresses)
            self._options["socket_factory"] = lambda _: _bound_socket(next(sources), peer)

    async def connect(self, *, ordered: bool = True) -> Client:
        """One more client. Raises Refused."""
        ledger = Ledger(next(self._indexes), self.tally, ordered=ordered, verify=self._plan.verify)
        start = time.perf_counter()
        try:
            _, client = await ws_connect(
                lambda: Client(self, ledger),
                self._plan.url,
                extra_headers=self._headers,
                logger_name=_log,
                enable_auto_pong=False,
                websocket_handshake_timeout=30,
                max_redirects=0,
                read_buffer_init_size=2048,
                # The loop's own transport opens connections at half the cost.
                use_aiofastnet=False,
                **self._options,
            )
        except WSHandshakeError as error:
            status = f"handshake answered {int(error.response.status)}" if error.response else "handshake failed"
            raise Refused(status) from error
        except TimeoutError as error:
            raise Refused("handshake timed out") from error
        except OSError as error:
            hint = "; more ports: --source-addresses" if error.errno == errno.EADDRNOTAVAIL else ""
            raise Refused(f"{error.strerror or error}{hint}") from error
        self.tally.opened += 1
        self.tally.handshakes.add(time.perf_counter() - start)
        assert isinstance(client, Client)
        return client


def tls_context(plan: Plan) -> ssl.SSLContext:
    """The TLS settings of a run: with `insecure`, any certificate will do."""
    context = ssl.create_default_context()
    if plan.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _bound_socket(source: str, peer: tuple[str, int]) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
    if sys.platform == "linux":
        # The port is chosen when the peer is known: every pair of addresses has 28,000 of its own.
        sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
    sock.bind((source, 0))
    sock.setblocking(False)
    sock.connect_ex(peer)
    return sock


def in_turn(clients: list[Client]) -> Iterator[Client | None]:
    """The connected ones of `clients` round and round; None when there is none left."""
    while True:
        live = [client for client in clients if client.connected]
        if not live:
            yield None
        yield from (client for client in live if client.connected)
