"""The backend of the chat: an ordinary HTTP service that never sees a WebSocket.

The gateway POSTs every event here, with `Wsgw-*` headers that say whose it is. To reach a client, at any time and from
any process, POST to the callback URL that came with its events; 410 means that it is gone. Where the gateway is several
nodes without a load balancer in front, the same path on any of them reaches the client too.
"""

import asyncio
import html
import json
import os
import random
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from aiohttp import ClientConnectionError, ClientSession, ClientTimeout, web

KEPT, ROOMS, NAME, TEXT = 50, 100, 24, 2000  # messages that a room remembers, rooms, longest name, longest text


@dataclass
class Person:
    """One connection. `callback` is its own URL; `turn` keeps what is posted to it in order."""

    callback: str
    name: str = ""
    room: str = ""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Chat:
    """Who is where, and what was said. One method per route; what it gives goes back to the caller, None is nothing."""

    session: ClientSession

    def __init__(self, nodes: list[str]) -> None:
        self.nodes = nodes  # http:// URLs of the stage on each node, if there is more than one
        self.people: dict[str, Person] = {}  # by connection id
        self.said: defaultdict[str, deque[dict]] = defaultdict(lambda: deque(maxlen=KEPT))  # by room
        self.latest = 0

    async def connect(self, id: str, message: dict) -> None:
        """Any status but 2xx would refuse the connection; everybody is welcome here."""

    async def disconnect(self, id: str, message: dict) -> None:
        await self.leave(self.people.pop(id))

    async def join(self, id: str, message: dict) -> dict | None:
        person, name, room = self.people[id], tidy(message.get("name")), tidy(message.get("room"))
        if not name or not room:
            return refusal("A name and a room are needed.")
        if room not in self.said and len(self.said) >= ROOMS:
            return refusal("There are too many rooms.")
        if person.room != room:
            await self.leave(person)
        person.name, person.room = self.free(name, room, person), room
        welcome = {"type": "welcome", "you": person.name, "said": list(self.said[room]), **self.present(room)}
        joined = {"type": "joined", "name": person.name, **self.present(room)}
        await asyncio.gather(self.tell(id, welcome), self.tell_all(joined, but=id))
        return None

    async def say(self, id: str, message: dict) -> dict | None:
        person, text = self.people[id], str(message.get("text", "")).strip()
        if not person.room or not 0 < len(text) <= TEXT:
            return refusal(f"A message has 1 to {TEXT} characters." if person.room else "Join a room first.")
        # A later message has a greater time, always: a page knows by it which ones it has.
        self.latest = max(self.latest + 1, time.time_ns() // 1_000_000)
        said = {"type": "said", "room": person.room, "name": person.name, "text": text, "at": self.latest}
        self.said[person.room].append(said)
        await self.tell_all(said, room=person.room)
        return None

    async def rename(self, id: str, message: dict) -> dict | None:
        person, name = self.people[id], tidy(message.get("name"))
        if not name or not person.room:
            return refusal("A name and a room are needed.")
        before, person.name = person.name, self.free(name, person.room, person)
        await self.tell_all({"type": "renamed", "before": before, "name": person.name, **self.present(person.room)})
        return None

    async def who(self, id: str, message: dict) -> dict:
        return {"type": "who", **self.present(self.people[id].room)}

    def present(self, room: str) -> dict:
        everybody = [(one.room, one.name) for one in self.people.values()]
        rooms = {name: sum(where == name for where, _ in everybody) for name in self.said}
        people = sorted((name for where, name in everybody if where == room), key=str.casefold)
        return {"room": room, "people": people, "rooms": rooms}

    def free(self, name: str, room: str, person: Person) -> str:
        """`name`, with a number behind it if somebody else in the room has it."""
        taken = {other.name for other in self.people.values() if other.room == room and other is not person}
        return next(free for free in [name, *(f"{name} {n + 2}" for n in range(len(taken)))] if free not in taken)

    async def leave(self, person: Person) -> None:
        room, person.room = person.room, ""
        if room:
            await self.tell_all({"type": "left", "name": person.name, **self.present(room)})

    async def tell_all(self, message: dict, room: str = "", but: str = "") -> None:
        """Tell everybody in `room`, or in any room, but one."""
        ids = [id for id, one in self.people.items() if one.room and room in ("", one.room) and id != but]
        # Whoever cannot be reached does not keep the others from hearing it.
        await asyncio.gather(*(self.tell(id, message) for id in ids), return_exceptions=True)

    async def tell(self, id: str, message: dict) -> None:
        if person := self.people.get(id):
            async with person.turn:
                status = await self.push(id, person, message)
            if status == 410 and id in self.people:
                await self.leave(self.people.pop(id))

    async def push(self, id: str, person: Person, message: dict) -> int:
        """POST to the connection, over any node that answers; gives the status, 503 where none does."""
        nodes = random.sample(self.nodes, len(self.nodes))
        for url in [f"{node}/@connections/{quote(id)}" for node in nodes] or [person.callback]:
            try:
                async with self.session.post(url, json=message) as answer:
                    if answer.status != 503:
                        return answer.status
            except ClientConnectionError:
                pass  # That node is away: another may not be.
        return 503


def tidy(text: object) -> str:
    return " ".join("".join(c for c in str(text or "") if c.isprintable()).split())[:NAME].strip()


def refusal(message: str) -> dict:
    return {"type": "error", "message": message}


def safe(gateway: str) -> dict[str, str]:
    """Headers with which the page runs its own script and talks to `gateway` only."""
    policy = f"default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src {gateway}"
    return {
        "Content-Security-Policy": f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }


def application(gateway: str, token: str = "") -> web.Application:
    """The backend of a gateway at `gateway`, a ws:// URL; `token` is a management token, if it wants one.

    Several URLs with spaces between are the nodes of one gateway: the page at /?node=2 uses the second.
    """
    gateways = gateway.split()

    async def event(request: web.Request) -> web.Response:
        id, callback = request.headers.get("Wsgw-Connection-Id"), request.headers.get("Wsgw-Callback-Url")
        if not id or not callback:
            raise web.HTTPBadRequest(text="Only the gateway calls this.")
        chat.people.setdefault(id, Person(callback))
        answer = await getattr(chat, request.match_info["route"])(id, json.loads(await request.text() or "{}"))
        return web.json_response(answer) if answer else web.Response(status=204)

    async def page(request: web.Request) -> web.Response:
        file = Path(__file__).with_name(request.match_info["file"] or "index.html")
        kind = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}[file.suffix]
        number = request.query.get("node", "1")
        if number not in map(str, range(1, len(gateways) + 1)):
            raise web.HTTPNotFound(text=f"There are nodes 1 to {len(gateways)}.")
        node = gateways[int(number) - 1]
        text = file.read_text(encoding="utf-8").replace("{{gateway}}", html.escape(node))
        return web.Response(text=text, content_type=kind, headers=safe(node))

    async def running(app: web.Application) -> AsyncIterator[None]:
        credentials = {"Authorization": f"Bearer {token}"} if token else {}
        async with ClientSession(headers=credentials, timeout=ClientTimeout(total=10)) as chat.session:
            yield

    nodes = [node.replace("ws", "http", 1) for node in gateways] if len(gateways) > 1 else []
    chat, app = Chat(nodes), web.Application()
    app.cleanup_ctx.append(running)
    app.router.add_post("/{route:connect|disconnect|join|say|rename|who}", event)
    app.router.add_get(r"/{file:(chat\.css|chat\.js)?}", page)
    return app


if __name__ == "__main__":
    where = os.environ.get("CHAT_GATEWAY", "ws://127.0.0.1:8080/chat/prod")
    here = os.environ.get("CHAT_HOST", "127.0.0.1")
    web.run_app(application(where, os.environ.get("CHAT_TOKEN", "")), host=here, port=8090)
