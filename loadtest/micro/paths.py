"""What our own code costs per push and per message: the paths from bytes to bytes, without a socket.

    python loadtest/micro/paths.py

Transports are stand-ins whose `write` does nothing, so this is all but system calls and the event loop's own work.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from wsgw.app import App
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.route import Integration, IntegrationResponse, Route
from wsgw.edge.connection import Connection
from wsgw.ids import connection_id
from wsgw.settings import Settings

ROUNDS = 50_000


class StandIn:
    """A transport that takes everything at once."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 8080)}.get(name, default)

    def write(self, data: bytes) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


def masked(payload: bytes) -> bytes:
    mask = b"\x11\x22\x33\x44"
    body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes([0x81, 0x80 | len(payload)]) + mask + body


def report(name: str, seconds: float, rounds: int = ROUNDS) -> None:
    print(f"{name:40} {seconds / rounds * 1e6:6.2f} µs")


async def main() -> None:
    reply = IntegrationResponse(key="$default", response_templates={"$default": '{"pong":true}'})
    mock = Integration(type="MOCK", request_templates={"$default": '{"statusCode":200}'}, responses=(reply,))
    api = Api(
        id="chat",
        name="chat",
        protocol="WEBSOCKET",
        route_selection_expression="$request.body.action",
        routes={"mock": Route(key="mock", integration=mock, two_way=True)},
        stages={"prod": Stage(name="prod")},
    )
    with tempfile.TemporaryDirectory() as folder:
        for log in ("", str(Path(folder) / "access.log")):
            app = App(Settings(port=0, control_port=0, access_log=log))
            await app.start()
            app.deploy([api])
            place = app.stages.find("127.0.0.1", "/chat/prod")
            assert place is not None
            connection = Connection(app.node, place.slot, connection_id(app.node.name, place.live.api_tag))
            connection.connected_at, connection.source_ip, connection.user_agent = 0, "127.0.0.1", "x"
            connection.domain_name = connection.callback_base = "http://127.0.0.1:8080"
            connection.connection_made(StandIn())  # type: ignore[arg-type]
            lane = app._lanes()
            lane.connection_made(StandIn())  # type: ignore[arg-type]
            path = f"/chat/prod/@connections/{connection.id.replace('=', '%3D')}"
            post = (
                f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept-Encoding: identity\r\n"
                "User-Agent: load/1\r\nContent-Type: application/octet-stream\r\nContent-Length: 111\r\n\r\n"
            ).encode() + b"x" * 111
            label = "with access log" if log else "without access log"
            started = time.perf_counter()
            for _ in range(ROUNDS):
                lane.data_received(post)
            report(f"push, {label}", time.perf_counter() - started)
            frame = masked(b'{"action":"mock","text":"' + b"y" * 60 + b'"}')
            started = time.perf_counter()
            for _ in range(ROUNDS):
                connection.data_received(frame)
                await asyncio.sleep(0)
            report(f"message → MOCK, {label}", time.perf_counter() - started)
            connection.abort(1006, "")
            connection.connection_lost(None)
            await app.stop(drain=0)
    started = time.perf_counter()
    for _ in range(ROUNDS):
        await asyncio.sleep(0)
    report("of a message: a turn of the event loop", time.perf_counter() - started)


if __name__ == "__main__":
    uvloop.run(main())
