"""Reading what rules do with requests that they match: Allow, Block with a custom response, Count."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from wsgw.definitions.firewall import Action, CustomResponse
from wsgw.definitions.firewall_document import Members, Path, Unreadable

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_FRAMING = frozenset({"connection", "content-length", "keep-alive", "trailer", "transfer-encoding", "upgrade"})
_KINDS = {"TEXT_PLAIN": "text/plain", "TEXT_HTML": "text/html", "APPLICATION_JSON": "application/json"}
_BODILESS = (204, 205, 304)
_ACTIONS: Mapping[str, Action] = {"allow": "ALLOW", "block": "BLOCK", "count": "COUNT"}


class Body(NamedTuple):
    """A custom response body."""

    content_type: str
    content: str


Bodies = Mapping[str, Body]


def body_of(value: Any, at: Path) -> Body:
    """An entry of CustomResponseBodies."""
    members = Members(value, at)
    made = Body(_KINDS[members.choice("ContentType", tuple(_KINDS))], members.text("Content"))
    members.done()
    return made


def action_of(members: Members, name: str, bodies: Bodies) -> tuple[Action, CustomResponse | None]:
    """What a rule does with what it matches, and what it answers then."""
    value, at = members.take(name)
    if isinstance(value, str):
        value = {value: {}}
    kind, inner, place = Members(value, at).one("action")
    if kind not in _ACTIONS:
        raise Unreadable(place, "no action that is known here", "write Allow, Block or Count")
    options = _options(inner, place)
    response = _response(options, bodies) if kind == "block" else None
    options.done()
    return _ACTIONS[kind], response


def override_of(members: Members) -> Action:
    """What becomes of a rule group's decision. BLOCK stands for: it is what it is."""
    value, at = members.take("OverrideAction", "None")
    if isinstance(value, str):
        value = {value: {}}
    kind, inner, place = Members(value, at).one("action")
    if kind not in ("none", "count"):
        raise Unreadable(place, "no action that a rule group can be given", "write None or Count")
    _options(inner, place).done()
    return "COUNT" if kind == "count" else "BLOCK"


def default_action_of(members: Members, bodies: Bodies) -> tuple[Literal["ALLOW", "BLOCK"], CustomResponse | None]:
    """What is done to requests that no rule has decided on."""
    if "DefaultAction" not in members:
        return "ALLOW", None
    at = members.at("DefaultAction")
    action, response = action_of(members, "DefaultAction", bodies)
    if action == "COUNT":
        raise Unreadable(at, "a web ACL allows or blocks in the end", "write Allow or Block")
    return action, response


def _options(value: Any, at: Path) -> Members:
    """What stands under an action's name; an empty line of YAML is no value at all."""
    return Members({} if value is None else value, at)


def _response(options: Members, bodies: Bodies) -> CustomResponse | None:
    inner = options.optional("CustomResponse")
    if inner is None:
        return None
    status = inner.integer("ResponseCode", 200, 599)
    headers: list[tuple[str, str]] = []
    for value, at in inner.array("ResponseHeaders", ()):
        one = Members(value, at)
        name, text = one.text("Name"), one.text("Value", "")
        one.done()
        if not _TOKEN.fullmatch(name) or name.lower() in _FRAMING:
            raise Unreadable(at, f"{name!r} is no header that can be set here", "use another")
        if not text.isascii() or not text.isprintable():
            raise Unreadable(at, "a header's value has printable ASCII characters", "remove others")
        headers.append((name, text))
    body = ""
    at = inner.at("CustomResponseBodyKey")
    key = inner.text("CustomResponseBodyKey", "")
    if key:
        if key not in bodies:
            raise Unreadable(at, f"{key!r} is no custom response body", f"there are: {', '.join(bodies) or '-'}")
        if status in _BODILESS:
            raise Unreadable(at, f"an answer with {status} has no body", "use another ResponseCode")
        headers = [("Content-Type", bodies[key].content_type), *headers]
        body = bodies[key].content
    inner.done()
    return CustomResponse(status=status, headers=tuple(headers), body=body)
