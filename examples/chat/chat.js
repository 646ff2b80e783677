"use strict";
// The page of the chat. It talks to the gateway, and to nothing else. What others wrote reaches it as textContent only.

const $ = (id) => document.getElementById(id);
const gateway = document.querySelector("meta[name=gateway]").content;

const PING_EVERY = 20_000; // also keeps the connection from idling
const ANSWER_WITHIN = 10_000; // no pong by then: the connection is dead, whatever the browser thinks
const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
const MEANING = { 1001: "going away", 1005: "no code was given", 1006: "no close frame came" };

// ---- the connection: opened again whenever it closes, later each time, never all pages at once

class Connection {
  constructor(url, { onopen, onmessage, onchange, onclosed }) {
    Object.assign(this, { url, onopen, onmessage, onchange, onclosed });
    this.failures = 0;
    this.lastClose = null;
    this.open();
  }

  open() {
    clearTimeout(this.retry);
    this.become("connecting");
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.pongs = 0;
    socket.onopen = () => {
      this.become("open");
      this.onopen();
      this.ping();
    };
    socket.onmessage = (event) => this.socket === socket && this.receive(event.data);
    socket.onclose = (event) => this.socket === socket && this.closed(event.code, event.reason);
  }

  closed(code, reason) {
    clearTimeout(this.pinging);
    clearTimeout(this.overdue);
    this.socket = null;
    this.lastClose = { code, reason, at: Date.now() };
    // Exponential back-off; the random half keeps a thousand pages from coming back in the same second.
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.failures) * (0.5 + Math.random() / 2);
    this.failures += 1;
    this.opensAt = Date.now() + wait;
    this.retry = setTimeout(() => this.open(), wait);
    this.become("waiting");
    this.onclosed(code, reason);
  }

  hurry() {
    if (this.state === "waiting") this.open();
  }

  become(state) {
    this.state = state;
    this.onchange(this);
  }

  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  ping() {
    this.asked = performance.now();
    this.send({ action: "ping" });
    this.overdue = setTimeout(() => {
      const { socket } = this;
      this.closed(4000, "No answer to a ping");
      socket.close(4000);
    }, ANSWER_WITHIN);
  }

  receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      message = text;
    }
    if (message?.type === "pong") {
      clearTimeout(this.overdue);
      this.failures = 0; // It works: only now, or a gateway that takes and drops connections would be hammered.
      this.id = message.connectionId;
      this.roundTrip = performance.now() - this.asked;
      // The first one took its time because the page was still being made.
      this.pinging = setTimeout(() => this.ping(), this.pongs++ ? PING_EVERY : 1000);
      this.onchange(this);
    } else {
      this.onmessage(message, text);
    }
  }
}

// ---- what the page knows; name and room outlive a reload of this tab

const me = {
  name: sessionStorage.getItem("name") ?? "",
  room: roomInAddress() || (sessionStorage.getItem("room") ?? ""),
  joined: sessionStorage.getItem("joined") === "yes",
};
let shownRoom = null; // the room whose messages are on the page
let latest = 0; // time of the latest message on the page
let unanswered = ""; // what was said here last and has not come back yet
let counting; // the timer of the countdown

const connection = new Connection(gateway, {
  onopen: () => (me.joined ? join() : connection.send({ action: "who" })),
  onmessage: receive,
  onchange: showConnection,
  onclosed: (code, reason) => shownRoom && connection.failures === 1 && notice(`The connection was closed: ${code} ${reason || MEANING[code] || ""}`, "bad"),
});

function join() {
  return connection.send({ action: "join", name: me.name, room: me.room });
}

function roomInAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1)).trim();
  } catch {
    return "";
  }
}

function somebody() {
  const one = (words) => words[Math.floor(Math.random() * words.length)];
  return `${one(["Quiet", "Bright", "Early", "Brisk", "Mellow", "Keen"])} ${one(["Heron", "Otter", "Lynx", "Wren", "Fox", "Crane"])}`;
}

function remember() {
  sessionStorage.setItem("name", me.name);
  sessionStorage.setItem("room", me.room);
  sessionStorage.setItem("joined", me.joined ? "yes" : "");
  history.replaceState(null, "", "#" + encodeURIComponent(me.room));
}

// ---- what arrives

const arrivals = {
  welcome(message) {
    if (shownRoom !== message.room) {
      $("log").replaceChildren();
      latest = 0;
    }
    const missed = message.said.filter((said) => said.at > latest);
    Object.assign(me, { name: message.you, room: message.room, joined: true });
    shownRoom = message.room;
    remember();
    showPresence(message);
    showRoom();
    missed.forEach(showMessage);
    notice(`You are here as ${message.you}`);
  },
  said(message) {
    if (message.room !== shownRoom || message.at <= latest) return;
    if (message.name === me.name) unanswered = "";
    showMessage(message);
  },
  joined(message) {
    showPresence(message);
    if (message.room === shownRoom) notice(`${message.name} joined`);
  },
  left(message) {
    showPresence(message);
    if (message.room === shownRoom) notice(`${message.name} left`);
  },
  renamed(message) {
    if (message.room === shownRoom && message.before === me.name) {
      me.name = message.name;
      remember();
    }
    showPresence(message);
    if (message.room === shownRoom) notice(`${message.before} is now ${message.name}`);
  },
  who(message) {
    showPresence(message);
    if (me.joined && !message.room) join();
  },
  error(message) {
    notice(message.message, "bad");
    if (!unanswered) return;
    if (!$("text").value) $("text").value = unanswered;
    unanswered = "";
    connection.send({ action: "who" }); // A backend that was started anew knows nobody: see above.
  },
};

function receive(message, text) {
  const arrived = Object.hasOwn(arrivals, message?.type) ? arrivals[message.type] : null;
  if (arrived) arrived(message);
  else if (message?.message && message.requestId) notice(`The gateway says: ${message.message}`, "bad");
  else notice(`Pushed: ${text}`, "pushed"); // posted to this connection by somebody else: see the commands at the side
}

// ---- what is shown

function element(tag, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

function face(name) {
  let hue = 0;
  for (const letter of name) hue = (hue * 31 + letter.codePointAt(0)) % 360;
  const initials = name.split(" ").slice(0, 2).map((word) => [...word][0]).join("").toUpperCase();
  const made = element("span", { className: "face", text: initials });
  made.setAttribute("aria-hidden", "true");
  made.style.setProperty("--hue", hue);
  return made;
}

function clock(at, seconds = false) {
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  const text = date.toLocaleString([], { ...(today ? {} : { month: "short", day: "numeric" }), hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}) });
  return element("time", { dateTime: date.toISOString(), title: date.toLocaleString(), text });
}

function append(line) {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  log.append(line);
  if (log.children.length > 500) log.firstElementChild.remove();
  if (atEnd || line.classList.contains("mine")) log.scrollTop = log.scrollHeight;
}

function showMessage({ name, text, at }) {
  latest = at;
  const mine = name === me.name;
  const before = $("log").lastElementChild;
  const by = element("div", { className: "by" }, element("b", { text: name }), clock(at));
  const line = element("li", { className: "message" }, face(name), element("div", {}, by, element("div", { className: "text", text })));
  line.dataset.name = name;
  line.dataset.at = at;
  line.classList.toggle("mine", mine);
  line.classList.toggle("follows", before?.dataset.name === name && at - before.dataset.at < 120_000);
  append(line);
}

function notice(text, kind = "") {
  append(element("li", { className: `notice ${kind}` }, element("span", { text }), clock(Date.now())));
}

function showRoom() {
  for (const id of ["log", "say", "people-part", "rooms-part"]) $(id).hidden = false;
  const first = !$("welcome").hidden;
  $("welcome").hidden = true;
  $("room-name").textContent = `# ${shownRoom}`;
  document.title = `#${shownRoom} · wsgw chat`;
  if (first) $("text").focus();
}

function showPresence(message) {
  if (message.room === shownRoom) {
    $("room-count").textContent = message.people.length === 1 ? "only you" : `${message.people.length} people`;
    $("people").replaceChildren(...message.people.map((name) => {
      const you = name === me.name ? [element("small", { text: "you" })] : [];
      return element("li", {}, face(name), element("span", { text: name }), ...you);
    }));
  }
  const rooms = Object.entries(message.rooms).sort();
  $("room-names").replaceChildren(...rooms.map(([name]) => element("option", { value: name })));
  $("rooms").replaceChildren(...rooms.map(([name, count]) => {
    const here = element("small", { text: count });
    here.setAttribute("aria-label", `${count} here`);
    const button = element("button", { type: "button", onclick: () => move(name) }, element("span", { text: `# ${name}` }), here);
    if (name === shownRoom) button.setAttribute("aria-current", "true");
    return element("li", {}, button);
  }));
}

function showConnection({ state, lastClose, id, roundTrip, opensAt }) {
  const open = state === "open";
  const words = { open: "Connected", connecting: "Connecting", waiting: "Not connected" };
  if ($("state").dataset.state !== state) {
    $("state").dataset.state = state;
    $("state-text").textContent = words[state];
  }
  clearInterval(counting);
  $("countdown").textContent = "";
  if (state === "waiting") {
    const count = () => ($("countdown").textContent = `again in ${Math.max(0, Math.ceil((opensAt - Date.now()) / 1000))} s`);
    counting = setInterval(count, 250);
    count();
  }
  $("hurry").hidden = state !== "waiting";
  $("send").disabled = $("join-button").disabled = !open;
  $("gateway").textContent = gateway;
  $("connection-id").textContent = open && id ? id : "–";
  $("round-trip").textContent = open && id ? `${roundTrip.toFixed(1)} ms` : "–";
  if (lastClose) {
    const { code, reason, at } = lastClose;
    $("last-close").replaceChildren(`${code} ${reason || MEANING[code] || ""} `, clock(at, true));
  }
  $("try").hidden = !open || !id;
  if (open && id) {
    const url = `${gateway.replace(/^ws/, "http")}/@connections/${encodeURIComponent(id)}`;
    $("try-post").textContent = `curl -d 'Hello, tab' ${url}`;
    $("try-delete").textContent = `curl -X DELETE ${url}`;
  }
}

function showSide(shown) {
  $("side").classList.toggle("shown", shown);
  $("side-toggle").setAttribute("aria-expanded", shown);
  $("side-toggle").textContent = shown ? "Chat" : "Details";
}

// ---- what the user does

function move(room) {
  if (room && room !== shownRoom) {
    me.room = room;
    if (!join()) notice("Not connected: the room changes when the connection is back");
  }
  showSide(false);
}

function on(form, act) {
  $(form).addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
}

on("join", () => {
  me.name = $("join-name").value.trim();
  me.room = $("join-room").value.trim();
  join();
});

on("say", () => {
  const text = $("text").value.trim();
  if (text && connection.send({ action: "say", text })) {
    unanswered = text;
    $("text").value = "";
  }
  $("text").focus();
});

on("rename", () => {
  const name = $("rename-name").value.trim();
  if (name && name !== me.name && connection.send({ action: "rename", name })) $("rename-name").value = "";
});

on("move", () => {
  move($("move-room").value.trim());
  $("move-room").value = "";
});

$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("say").requestSubmit();
  }
});
$("hurry").addEventListener("click", () => connection.hurry());
$("side-toggle").addEventListener("click", () => showSide(!$("side").classList.contains("shown")));
addEventListener("keydown", (event) => event.key === "Escape" && showSide(false));
addEventListener("online", () => connection.hurry());
addEventListener("hashchange", () => me.joined && move(roomInAddress()));

$("join-name").value = me.name || somebody();
$("join-room").value = me.room || "lobby";
$("join-name").select();
