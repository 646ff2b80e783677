"""Every option of the gateway: name, type, default, unit and a line of documentation, in one place.

A setting comes from (later wins): its default here, the file given with `--config`, the environment variable
`WSGW_` + its name in capitals, the command line. `wsgw config show` says which one it was.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_type_hints

import msgspec
import yaml


def _option(doc: str, unit: str = "", **bounds: Any) -> msgspec.Meta:
    return msgspec.Meta(description=doc, extra={"unit": unit}, **bounds)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings in force. Field order is the order of the documentation."""

    # ---- listening
    host: Annotated[str, _option("Address that the data plane listens on")] = "127.0.0.1"
    port: Annotated[int, _option("Port of the data plane; 0 picks a free one", ge=0, le=65535)] = 8080
    control_host: Annotated[str, _option("Address that health, metrics and the control plane listen on")] = "127.0.0.1"
    control_port: Annotated[int, _option("Port of the control plane; 0 picks a free one", ge=0, le=65535)] = 8081
    public_url: Annotated[str, _option("How clients and backends reach the data plane, if not at its own address")] = ""
    tls_cert: Annotated[str, _option("PEM file with the certificate chain; TLS is on when it is given")] = ""
    tls_key: Annotated[str, _option("PEM file with the private key")] = ""
    tls_certificates: Annotated[
        tuple[str, ...],
        _option("More certificates, CERT.pem:KEY.pem; a client gets the one that names the host it asks for (SNI)"),
    ] = ()
    tls_reload_seconds: Annotated[
        float, _option("How often certificate files are looked at; a changed one is served from then on", "s", gt=0)
    ] = 5
    listen: Annotated[
        tuple[str, ...],
        _option("More addresses of the data plane: http://HOST:PORT, or https://HOST:PORT with the TLS settings"),
    ] = ()
    insecure: Annotated[
        bool,
        _option("Listen beyond loopback although neither access keys nor management tokens are configured"),
    ] = False
    workers: Annotated[int, _option("Worker processes", ge=1)] = 1
    backlog: Annotated[int, _option("Connections that the kernel holds until they are accepted", ge=1)] = 4096
    lanes: Annotated[bool, _option("Answer hot request shapes in front of the HTTP server")] = True

    # ---- the cluster
    redis: Annotated[
        str,
        _option(
            "Redis that nodes share: redis://, rediss:// (TLS), redis+sentinel://HOST,HOST/SERVICE, redis+cluster://HOST,HOST"
        ),
    ] = ""
    redis_password: Annotated[str, _option("Password of the Redis user; may be ${ENVIRONMENT_NAME}")] = ""
    redis_ca: Annotated[str, _option("PEM file with the authorities that Redis's certificate is checked with")] = ""
    redis_prefix: Annotated[str, _option("Begins every key and channel; one for each cluster that shares a Redis")] = (
        "wsgw"
    )
    redis_seconds: Annotated[
        float, _option("How long a Redis command may take before Redis counts as away", "s", gt=0, le=1)
    ] = 0.25
    cluster_secret: Annotated[
        str, _option("Signs what nodes tell each other, the same on all of them; may be ${ENVIRONMENT_NAME}")
    ] = ""
    lease_seconds: Annotated[
        float, _option("A node that has not renewed its lease for this long is dead to the others", "s", ge=0.5)
    ] = 10
    bus_seconds: Annotated[
        float, _option("How long another node may take to answer a push; then it is 503", "s", gt=0)
    ] = 2
    bus_heartbeat_seconds: Annotated[
        float, _option("A node hears itself over the bus this often; silence twice as long is a dead bus", "s", gt=0)
    ] = 1
    ready_without_redis: Annotated[
        bool, _option("Stay ready while Redis is away, rather than answer /readyz with 503")
    ] = False
    data: Annotated[str, _option("Directory for definitions and what must survive a restart; empty: memory only")] = ""

    # ---- throttles
    throttle_mode: Annotated[
        str,
        _option(
            "Shared buckets: `exact` asks Redis each time; `sliced` lets a node take tokens in advance",
            pattern="^(exact|sliced)$",
        ),
    ] = "exact"
    throttle_slice_seconds: Annotated[
        float, _option("What a node takes in advance, in seconds of a bucket's rate", "s", gt=0, le=1)
    ] = 0.1
    account_rate: Annotated[
        float, _option("Messages, $connects and pushes a second over all APIs; 0 = no bound (AWS: 10000)", "1/s", ge=0)
    ] = 0
    account_burst: Annotated[int, _option("The most that passes at once within account_rate (AWS: 5000)", ge=1)] = 5000
    account_connection_rate: Annotated[
        float, _option("New connections a second over all APIs; 0 = no bound (AWS: 500)", "1/s", ge=0)
    ] = 0
    account_connection_burst: Annotated[
        int, _option("The most new connections at once within account_connection_rate (AWS: 500)", ge=1)
    ] = 500

    # ---- $disconnect
    disconnect_retry_seconds: Annotated[
        float, _option("How long a $disconnect that its backend did not take is tried again; 0 = not", "s", ge=0)
    ] = 3600
    disconnect_backoff_seconds: Annotated[
        float, _option("Longest pause between two attempts at a $disconnect", "s", gt=0)
    ] = 15
    disconnect_queue: Annotated[
        int, _option("Most $disconnects that wait for another attempt on a node; the oldest is given up beyond", ge=1)
    ] = 100_000
    disconnect_concurrency: Annotated[
        int, _option("$disconnects tried again, or sent for dead nodes, at once", ge=1)
    ] = 64

    # ---- workers
    worker_ready_seconds: Annotated[
        float, _option("How long a worker may take to start before it is started anew", "s", gt=0)
    ] = 30

    # ---- who this is
    region: Annotated[str, _option("Region in ARNs and execute-api host names")] = "us-east-1"
    account_id: Annotated[str, _option("Account in ARNs")] = "000000000000"
    strict: Annotated[bool, _option("Send HTTP backends no Wsgw-* headers, as API Gateway does not")] = False
    stage: Annotated[str, _option("Stage for documents that name none")] = "prod"

    # ---- connections
    heartbeat_seconds: Annotated[
        float, _option("Ping a client after this long without a byte from it; 0 = never", "s", ge=0)
    ] = 0
    heartbeat_timeout_seconds: Annotated[
        float, _option("Drop a client that answers no ping for this long (1006)", "s", gt=0)
    ] = 20
    count_pings: Annotated[bool, _option("Pings and pongs from the client count as activity for the idle timeout")] = (
        True
    )
    compression: Annotated[bool, _option("Accept permessage-deflate where a client offers it")] = False
    outbox_bytes: Annotated[
        int, _option("Most bytes that wait for one slow client; a push beyond is 429", "bytes", ge=1024)
    ] = 1_048_576
    stall_seconds: Annotated[
        float, _option("Close a client that has not read what waits for it for this long (1013)", "s", gt=0)
    ] = 10
    inbox_messages: Annotated[
        int,
        _option("Messages of one connection that wait for their turn before reading from it pauses", ge=1),
    ] = 32
    close_seconds: Annotated[float, _option("How long a client may take to answer a close frame", "s", gt=0)] = 5
    fragment_bytes: Annotated[
        int,
        _option("Outgoing messages above this size are sent in frames of it; 0 = never split", "bytes", ge=0),
    ] = 32_768
    max_connections: Annotated[
        int, _option("Most connections of one worker; more are refused with 503; 0 = no bound", ge=0)
    ] = 0
    token_refresh_seconds: Annotated[
        float, _option("Ask for another token this long before one ends, where tokenExpiry is REFRESH", "s", gt=0)
    ] = 60
    trust_forwarded: Annotated[
        tuple[str, ...],
        _option("Addresses or networks of proxies whose X-Forwarded-For and -Proto are believed"),
    ] = ()

    # ---- requests
    head_seconds: Annotated[
        float, _option("How long a TLS handshake, and the head of a request, may take to arrive", "s", gt=0)
    ] = 10
    body_seconds: Annotated[
        float,
        _option("How long the body of a request, or a message that has begun, may take to arrive", "s", gt=0),
    ] = 30
    keepalive_seconds: Annotated[float, _option("How long an idle HTTP connection is kept", "s", gt=0)] = 75
    url_bytes: Annotated[int, _option("Longest request target of WebSocket APIs", "bytes", ge=256)] = 4096
    request_url_bytes: Annotated[
        int, _option("Longest request target of HTTP and REST APIs (AWS: 8192 edge, 10240 regional)", "bytes", ge=256)
    ] = 10_240
    header_bytes: Annotated[int, _option("Most bytes of header lines in a request", "bytes", ge=1024)] = 10_240
    handshakes: Annotated[int, _option("Handshakes that may wait for their $connect at once; more get 503", ge=1)] = (
        10_000
    )

    # ---- integrations
    http_connections_per_host: Annotated[int, _option("Most connections to one HTTP backend", ge=1)] = 512
    http_connect_seconds: Annotated[float, _option("How long connecting to an HTTP backend may take", "s", gt=0)] = 5
    http_keepalive_seconds: Annotated[float, _option("How long an idle connection to a backend is kept", "s", ge=0)] = (
        55
    )
    http_response_bytes: Annotated[int, _option("Largest answer of an HTTP backend", "bytes", ge=1024)] = 10_485_760
    http_stream_bytes: Annotated[
        int, _option("Largest answer that is passed on as it comes; 0 = no bound", "bytes", ge=0)
    ] = 0
    http_stream_idle_seconds: Annotated[
        float, _option("How long a backend may be silent in the middle of an answer that is passed on", "s", gt=0)
    ] = 300
    egress_deny: Annotated[
        tuple[str, ...],
        _option("Networks that integrations never reach: link-local and metadata addresses, looked at when connecting"),
    ] = (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
        "100.100.100.200/32",
        "168.63.129.16/32",
    )
    egress_allow: Annotated[
        tuple[str, ...], _option("Addresses or networks that integrations may reach in spite of egress_deny")
    ] = ()
    backend_ca: Annotated[
        str, _option("PEM file with authorities that backends' certificates are checked with, beside the system's")
    ] = ""
    backend_certificates: Annotated[
        tuple[str, ...],
        _option("Client certificates for backends, ID=CERT.pem:KEY.pem; a stage's clientCertificateId names one"),
    ] = ()
    vpc_links: Annotated[
        tuple[str, ...],
        _option("Targets of private integrations, ID=http://HOST:PORT; the ID of a VPC link, or an ARN of HTTP APIs"),
    ] = ()
    circuit_failures: Annotated[
        int, _option("Failures in a row after which a backend is left alone for a while; 0 = never", ge=0)
    ] = 20
    assume_roles: Annotated[
        bool,
        _option("Call AWS services as the role in an integration's credentials, rather than as the gateway itself"),
    ] = False
    lambda_connections: Annotated[int, _option("Most connections to the Lambda API", ge=1)] = 256

    # ---- management API
    management_tokens: Annotated[
        tuple[str, ...], _option("Bearer tokens that may use @connections; each may be ${ENVIRONMENT_NAME}")
    ] = ()

    # ---- signatures, and where callers are
    clock_skew_seconds: Annotated[float, _option("How far a signature's date may be off", "s", gt=0)] = 300
    unsigned_payloads: Annotated[
        bool, _option("Take signatures that say UNSIGNED-PAYLOAD: the body is then anybody's")
    ] = False
    refuse_replays: Annotated[
        bool, _option("Take each signature once on a node: two equal requests within one second are then one")
    ] = False
    vpc_sources: Annotated[
        tuple[str, ...],
        _option("What policies see of callers from a network: CIDR=vpce-ID/vpc-ID, or one of both ids"),
    ] = ()
    geo_database: Annotated[
        str, _option("MaxMind DB file (.mmdb) by which web ACLs tell countries; wants wsgw[geo]")
    ] = ""

    # ---- tokens
    jwt_algorithms: Annotated[
        tuple[str, ...],
        _option("What tokens may be signed with: RS, PS or ES with 256, 384 or 512 (API Gateway: RS)"),
    ] = ("RS256", "RS384", "RS512")
    jwt_leeway_seconds: Annotated[
        float, _option("How far an issuer's clock may be off where exp, nbf and iat are looked at", "s", ge=0, le=600)
    ] = 0
    jwt_remembered: Annotated[
        int, _option("Most tokens of an authorizer that are not verified again until they expire; 0 = none", ge=0)
    ] = 10_000
    jwks_refresh_seconds: Annotated[
        float, _option("How old an issuer's keys may be before they are fetched anew", "s", ge=60)
    ] = 7200
    cognito_endpoint: Annotated[
        str, _option("Where Cognito user pools are served instead of at AWS; keys are at /{pool}/.well-known/jwks.json")
    ] = ""

    # ---- stopping
    drain_seconds: Annotated[
        float, _option("Closing all connections is spread over this long at SIGTERM", "s", ge=0)
    ] = 10
    stop_seconds: Annotated[float, _option("After the drain, what still runs has this long to finish", "s", gt=0)] = 30

    # ---- logs
    log_level: Annotated[str, _option("Least level of the log: debug, info, warning, error")] = "info"
    access_log: Annotated[str, _option("File for access logs; - is standard error, empty is none")] = "-"


PREFIX = "WSGW_"
_URL = re.compile(r"https?://[^/?#\s@]+(/[^?#\s]*)?")
#: Settings that are never shown, and may be `${ENVIRONMENT_NAME}`.
SECRETS = ("management_tokens", "redis_password", "cluster_secret")


class Setting(NamedTuple):
    """One option as documented: `type` and `unit` as printed, `default` as Python has it."""

    name: str
    type: str
    default: Any
    unit: str
    doc: str


def documented() -> list[Setting]:
    """All settings in order, for `wsgw config doc` and docs/settings.md."""
    hints = get_type_hints(Settings, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(Settings):
        kind, meta = get_args(hints[field.name])[:2]
        label = "list" if str(kind).startswith("tuple") else kind.__name__
        rows.append(Setting(field.name, label, field.default, meta.extra["unit"], meta.description))
    return rows


class SettingError(ValueError):
    """A setting has a name or value that cannot be; the text names its source and the remedy."""


class Loaded(NamedTuple):
    """`settings`, and per name where it came from: `default`, the file's name, the variable's name, `command line`."""

    settings: Settings
    sources: dict[str, str]


def load(
    command_line: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    config_file: Path | None = None,
) -> Loaded:
    """Settings from all their sources. Raises SettingError with every fault, one a line."""
    values: dict[str, Any] = {}
    sources = {row.name: "default" for row in documented()}
    faults: list[str] = []

    def take(name: str, value: Any, source: str) -> None:
        if name not in sources:
            faults.append(f"{source}: there is no setting {name!r}{_nearest(name, sources)}")
            return
        try:
            values[name] = _converted(name, value)
            sources[name] = source
        except msgspec.ValidationError as error:
            shown = "" if name in SECRETS else f"{value!r}: "
            faults.append(f"{source}: {name}: {shown}{_in_words(error)}")

    if config_file is not None:
        for name, value in _from_file(config_file).items():
            take(str(name).replace("-", "_"), value, str(config_file))
    for variable, text in (environment or {}).items():
        name = variable.removeprefix(PREFIX).lower()
        # Others than ours may begin with the prefix (WSGW_CHAT_SECRET, used in a definition file): leave them alone.
        if variable.startswith(PREFIX) and name in sources:
            take(name, text, variable)
    for name, value in (command_line or {}).items():
        if value is not None:
            take(name, value, "command line")
    for name in SECRETS:
        if name in values:
            _fill_in(name, values, environment or {}, sources[name], faults)
    faults += [f"{sources[name]}: {name}: {fault}" for name, fault in _faults(values)]
    if faults:
        raise SettingError("\n".join(faults))
    return Loaded(Settings(**values), sources)


def _faults(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with values whose types are right: the setting's name, and what to say of it."""
    public_url = values.get("public_url", "")
    if public_url and not _URL.fullmatch(public_url):
        yield "public_url", f"{public_url!r} is no URL; write https://gw.example.com"
    for name in ("trust_forwarded", "egress_deny", "egress_allow"):
        for text in values.get(name, ()):
            if not _is_network(text):
                yield name, f"{text!r} is no address or network; write 10.0.0.7 or 10.0.0.0/8"
    redis = values.get("redis", "")
    if redis and not re.fullmatch(
        r"(redis|rediss|rediss?\+(sentinel|cluster)|valkeys?)://[^/?#\s]+(/[^?#\s]*)?", redis
    ):
        yield "redis", "that is no URL of a Redis; write redis://127.0.0.1:6379/0"
    prefix = values.get("redis_prefix", "wsgw")
    if not re.fullmatch(r"[\w.:-]+", prefix, re.ASCII):
        # {} would decide where a Redis Cluster keeps a key; * and ? would be patterns in an ACL.
        yield "redis_prefix", f"{prefix!r} cannot begin a key; write letters, digits and . _ : - only"
    if values.get("workers", 1) > 1 and not redis:
        yield "workers", "more than one worker needs a store that they share: give --redis URL, or leave --workers at 1"
    for text in values.get("backend_certificates", ()):
        if not re.fullmatch(r"[^=:]+=[^:]+:[^:]+", text):
            yield "backend_certificates", f"{text!r} names no certificate; write ID=CERT.pem:KEY.pem"
    for text in values.get("vpc_links", ()):
        if not re.fullmatch(r".+=https?://(\[[0-9a-fA-F:.]+\]|[0-9A-Za-z._~-]+)(:\d{1,5})?/?", text):
            yield "vpc_links", f"{text!r} names no target; write ID=http://HOST:PORT"
    for text in values.get("vpc_sources", ()):
        network, _, names = text.partition("=")
        if not _is_network(network):
            yield "vpc_sources", f"{text!r} begins with no network; write 10.0.0.0/16=vpce-0a1b/vpc-0c2d"
        if not re.fullmatch(r"vpce-[0-9A-Za-z-]+(/vpc-[0-9A-Za-z-]+)?|vpc-[0-9A-Za-z-]+", names):
            yield "vpc_sources", f"{text!r} names no endpoint and no VPC; write 10.0.0.0/16=vpce-0a1b/vpc-0c2d"
    known = {f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)}
    for name in values.get("jwt_algorithms", ("RS256",)) or ("",):
        if name not in known:
            yield "jwt_algorithms", f"{name!r} is none that tokens may be signed with; write RS256, PS256, ES256, …"
    endpoint = values.get("cognito_endpoint", "")
    if endpoint and not _URL.fullmatch(endpoint):
        yield "cognito_endpoint", f"{endpoint!r} is no URL; write http://localhost:9229"
    for text in values.get("tls_certificates", ()):
        if not re.fullmatch(r"[^:]+:[^:]+", text):
            yield "tls_certificates", f"{text!r} names no pair of files; write CERT.pem:KEY.pem"
    for text in values.get("listen", ()):
        if not re.fullmatch(r"https?://(\[[0-9a-fA-F:.]+\]|[^/?#\s:\[\]]+):\d{1,5}", text):
            yield "listen", f"{text!r} is no address to listen on; write http://0.0.0.0:8080"


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _fill_in(name: str, values: dict[str, Any], environment: Mapping[str, str], source: str, faults: list[str]) -> None:
    """Put the environment's values in place of secrets written as `${NAME}`."""

    def filled(secret: str) -> str:
        if not (secret.startswith("${") and secret.endswith("}")):
            return secret
        if not environment.get(secret[2:-1]):
            faults.append(f"{source}: {name}: the environment has no {secret[2:-1]}; set it")
        return environment.get(secret[2:-1], "")

    value = values[name]
    values[name] = tuple(map(filled, value)) if isinstance(value, tuple) else filled(value)


def _in_words(error: msgspec.ValidationError) -> str:
    """`error` as somebody who does not write Python would say it."""
    text = str(error).partition(", got ")[0]
    for kind, words in (("int", "a whole number"), ("float", "a number"), ("bool", "true or false"), ("str", "text")):
        text = text.replace(f"`{kind}`", words)
    text = re.sub(r"text matching regex '\^\(([^()]*)\)\$'", lambda one: one[1].replace("|", " or "), text)
    return text[:1].lower() + text[1:]


def _converted(name: str, value: Any) -> Any:
    hint = get_type_hints(Settings, include_extras=True)[name]
    if isinstance(value, str) and str(get_args(hint)[0]).startswith("tuple"):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, str) and get_args(hint)[0] is bool:
        value = {
            "1": True,
            "true": True,
            "yes": True,
            "on": True,
            "0": False,
            "false": False,
            "no": False,
            "off": False,
        }.get(value.lower(), value)
    converted = msgspec.convert(value, hint, strict=False)
    if converted == float("inf"):
        raise msgspec.ValidationError("Expected a finite number")
    return converted


def _from_file(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: not readable as YAML: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SettingError(f"{path}: expected lines of `name: value`")
    return data


def _nearest(name: str, known: Mapping[str, str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def without_password(url: str) -> str:
    """`url` as logs may show it: user and host, no password."""
    return re.sub(r"(://[^@:]*):.*@", r"\1:…@", url)
