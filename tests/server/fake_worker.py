"""A worker without a gateway in it, for the supervisor's tests: started and told as a real one.

What it does stands in its "definition" file, a JSON object: `exit` with this code, `hang` before it is ready, `stay`
after SIGTERM. It answers every connection with a line of its slot and pid, and notes signals in the log.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio import StreamReader, StreamWriter
from pathlib import Path
from typing import Any

from wsgw.server.worker import Leash, Ready


class FakeWorker:
    def __init__(self, leash: Leash, does: dict[str, Any]) -> None:
        self._leash = leash
        self._does = does
        self._end = asyncio.Event()
        self._writers: set[StreamWriter] = set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        if self._does.get("hang"):
            Path(self._does["hanging"]).touch()
            await asyncio.Event().wait()
        servers = [await asyncio.start_server(self._data, sock=one) for group in self._leash.sockets() for one in group]
        servers.append(await asyncio.start_unix_server(self._control, self._leash.order.control))
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(number, self.note, signal.Signals(number).name)
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        self._leash.when_lost(self._lost)
        self.note("serving")
        url = "http://{}:{}".format(*servers[0].sockets[0].getsockname())
        self._leash.report(Ready(node=f"{os.getpid() % 65536:04x}", data=url))
        await self._end.wait()
        for server in servers:
            server.close()
        # Whoever connected before gets an answer.
        await asyncio.sleep(0.05)
        for writer in self._writers:
            writer.write(b"bye\n")
            writer.close()
        self._leash.clean_up()

    def note(self, text: str) -> None:
        # As one write: another worker writes to the same pipe.
        os.write(2, f"worker {self._leash.order.slot} {os.getpid()} {text}\n".encode())

    def _stop(self) -> None:
        self.note("SIGTERM")
        if not self._does.get("stay"):
            self._end.set()

    def _lost(self) -> None:
        self.note("lost")
        Path(self._does["lost"]).touch()
        self._end.set()

    async def _data(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._writers.add(writer)
        writer.write(f"{self._leash.order.slot} {os.getpid()}\n".encode())
        await reader.read()
        self._writers.discard(writer)
        writer.close()

    async def _control(self, reader: StreamReader, writer: StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        status, text = "200 OK", "ok\n"
        if path == "/metrics":
            text = "# HELP wsgw_connections Open\n# TYPE wsgw_connections gauge\nwsgw_connections 3.0\n"
        elif path == "/readyz" and (reason := self._does.get("unready")):
            status, text = "503 Service Unavailable", reason
        elif path.startswith("/webacls"):
            slot = self._leash.order.slot
            samples = [{"rule": f"of {slot}", "timestamp": f"2026-11-21T10:00:0{at + slot}.000Z"} for at in (0, 2)]
            text = json.dumps({"webAcl": "shop", "samples": samples * (200 if "many" in path else 1)})
            if "none" in path:
                status, text = "404 Not Found", json.dumps({"message": "none"})
        elif path.endswith("/endless.csv"):
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nkeys\n\r\n")
            if self._does.get("cut"):
                writer.close()
            # Until whoever asks has had enough.
            await reader.read()
            return
        elif path != "/healthz":
            text = f"{self._leash.order.slot} {head.split(' ')[0]} {path}"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode())
        writer.close()


def main() -> None:
    leash = Leash.taken()
    does = json.loads(Path(leash.order.files[0]).read_text())
    if "say" in does:
        print(does["say"].replace("PID", str(os.getpid())), file=sys.stderr, flush=True)
    if "exit" in does:
        sys.exit(does["exit"])
    asyncio.run(FakeWorker(leash, does).run())


if __name__ == "__main__":
    main()
